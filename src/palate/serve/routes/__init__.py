"""The operations of the service, a file a part."""

from palate.serve.routes import feedback, items

PARTS = (feedback.offer, items.offer)
