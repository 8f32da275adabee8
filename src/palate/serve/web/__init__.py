"""The page: static files, and the operations that they ask, of whoever has a cookie instead of a key."""

from __future__ import annotations

from palate.serve.web import (
    changes,
    comparing,
    downloads,
    films,
    lists,
    maps,
    me,
    onboarding,
    scenes,
    sessions,
    uploads,
    why,
)

PARTS = (
    *(me.offer, sessions.offer, lists.offer, changes.offer, why.offer, onboarding.offer),
    *(films.offer, maps.offer, comparing.offer, scenes.offer),
    *(uploads.offer, uploads.files, downloads.offer),
)
