"""The page: static files, and the operations that they ask, of whoever has a cookie instead of a key."""

from __future__ import annotations

from palate.serve.web import comparing, me, purposes

PARTS = (me.offer, purposes.offer, comparing.offer)
