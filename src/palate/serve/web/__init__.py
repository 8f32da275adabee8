"""The page: static files, and the operations that they ask, of whoever has a cookie instead of a key."""

from __future__ import annotations

from palate.serve.web import changes, comparing, lists, me, purposes, why

PARTS = (me.offer, lists.offer, changes.offer, why.offer, purposes.offer, comparing.offer)
