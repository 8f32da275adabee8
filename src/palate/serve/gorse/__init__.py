"""`/api/…`: the routes that Gorse's clients use, over the service's own functions. docs/gorse.md says what differs."""

from palate.serve.gorse import feedback, items, lists, users

PARTS = (users.offer, items.offer, feedback.offer, lists.offer)
