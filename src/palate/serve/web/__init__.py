"""The page: static files, and the operations that they ask, of whoever has a cookie instead of a key."""

from __future__ import annotations

from palate.serve.web import me, scenes, sessions

PARTS = (me.offer, sessions.offer, scenes.offer)
