"""The naive twin of each metric of lists against relevant items, found by the name of its function."""

from __future__ import annotations

from metrics import naive_metrics as naive

from palate.metrics import METRICS

OF_LISTS = {
    name: getattr(naive, metric.function.__name__) for name, metric in METRICS.items() if metric.inputs == ("judged",)
}
