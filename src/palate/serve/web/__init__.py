"""The page: static files, and the operations that they ask, of whoever has a cookie instead of a key."""

from __future__ import annotations

from palate.serve.web import changes, lists, me, onboarding, why

PARTS = (me.offer, lists.offer, changes.offer, why.offer, onboarding.offer)
