"""The operations of the service, a file a part."""

from palate.serve.routes import (
    best,
    experiments,
    feedback,
    items,
    jobs,
    lists,
    models,
    off_policy,
    predictions,
    recommendations,
    scenarios,
    schedules,
    users,
)

PARTS = (
    feedback.offer,
    recommendations.offer,
    predictions.offer,
    items.offer,
    users.offer,
    best.offer,
    lists.offer,
    models.offer,
    scenarios.offer,
    experiments.offer,
    jobs.offer,
    schedules.offer,
    off_policy.offer,
)
