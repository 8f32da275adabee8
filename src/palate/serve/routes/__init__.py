"""The operations of the service, a file a part."""

from palate.serve.routes import best, feedback, items, lists, models, predictions, recommendations, users

PARTS = (
    feedback.offer,
    recommendations.offer,
    predictions.offer,
    items.offer,
    users.offer,
    best.offer,
    lists.offer,
    models.offer,
)
