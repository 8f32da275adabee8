"""What was measured of a model, kept with its version: figures with intervals, out of a comparison.

A figure is of a model that learned from a part of the data; the version learned, with the same settings, from more.
Where nobody compared, the gate's own figure of a candidate is told, which has no interval. In a version's details:

    "figures": {"of": "ml-100k, time:0.2", "metrics": {"ndcg@10": {"value", "low", "high", "people", "popular"}, …},
                "calibration": [{"predicted", "actual", "low", "high", "n"}, …] or None}
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from palate.errors import DataError
from palate.store.versions.keeping import FAILED, REMOVED, Version, listed, raise_changes, set_version, version_of

if TYPE_CHECKING:
    from palate.evaluation import Comparison
    from palate.store.records import Namespace
    from palate.store.store import Store

HOW = "palate compare DATA --models … --out FOLDER makes one"
FigureRecord = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFigure:
    """One thing that was measured of a model.

    Attributes:
        metric: as `palate.metrics` names it: "ndcg@10", "rmse", …
        value: the mean.
        low, high: ends of its 95 % interval over users; None where there is none.
        people: how many users it is a mean over; None where that is not known.
        popular: the same of the popular list, to compare with; None where that was not measured.
        of: on what: a name of data and of a split.
    """

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    people: int | None = None
    popular: float | None = None
    of: str = ""

    @classmethod
    def read(cls, metric: str, record: FigureRecord, of: str) -> Self:
        """Return what a version's details say of a metric."""
        return cls(metric=metric, of=of, **{name: record[name] for name in _NAMES if name in record})


_NAMES = ("value", "low", "high", "people", "popular")


def read_figures(path: str | Path) -> dict[str, FigureRecord]:
    """Return figures by the key of their model: of a comparison's folder, or of a JSON file that holds such.

    Raises:
        DataError: there is neither, or it is no such thing; says how one is made.
    """
    path = Path(path)
    if path.is_dir():
        from palate.evaluation import Comparison

        return compared(Comparison.open(path))
    try:
        return checked_figures(json.loads(path.read_bytes()), str(path))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; {HOW}", code="disk", subject=str(path)) from None
    except ValueError as error:
        raise DataError(f"{path} is no JSON of figures: {error}; {HOW}", subject=str(path)) from None


def compared(comparison: Comparison) -> dict[str, FigureRecord]:
    """Return the figures of a comparison by the key of their model; of several of one key the first counts."""
    plan, rows = comparison.plan, comparison.table().to_dicts()
    labels = {model["key"]: model["label"] for model in reversed(plan["models"])}
    popular = {row["metric"]: row["mean"] for row in rows if row["model"] == labels.get("popularity")}
    of = f"{plan['data']['name']}, {plan['split']}"
    found: dict[str, FigureRecord] = {}
    for key, label in labels.items():
        metrics = {
            row["metric"]: {
                "value": row["mean"],
                "low": row["low"],
                "high": row["high"],
                "people": row["n_users"],
                "popular": popular.get(row["metric"]),
            }
            for row in rows
            if row["model"] == label and _is_number(row["mean"])
        }
        calibration = comparison.details.get(label, {}).get("calibration")
        found[key] = {"of": of, "metrics": metrics, "calibration": calibration}
    return found


def checked_figures(found: Any, what: str) -> dict[str, FigureRecord]:
    """Return figures by model's key as JSON holds them.

    Raises:
        DataError: they are not; names the model.
    """
    if not isinstance(found, dict) or not found:
        raise DataError(f"{what} holds no figures by model; {HOW}", subject=what)
    for key, record in found.items():
        metrics = record.get("metrics") if isinstance(record, dict) else None
        if not isinstance(metrics, dict) or not all(map(_is_figure, metrics.values())):
            raise DataError(f"{what} holds no metrics with numbers of '{key}'; {HOW}", subject=what)
    return dict(found)


def keep_figures(store: Store, ns: Namespace, figures: Mapping[str, FigureRecord]) -> dict[str, int]:
    """Keep figures with the newest version of each model, and return its number by the model's key.

    Raises:
        DataError: no version is of a model that was measured.
    """
    newest: dict[str, Version] = {}
    for version in listed(store, ns):
        if version.state not in (FAILED, REMOVED):
            newest.setdefault(version.model, version)
    told = {key: newest[key] for key in figures if key in newest}
    if not told:
        there, measured = ", ".join(newest) or "none", ", ".join(figures)
        words = f"no version is of a model that was measured: there are {there}, measured were {measured}"
        raise DataError(words, subject="figures")
    _write_figures(store, ns, {version.number: figures[key] for key, version in told.items()})
    return {key: version.number for key, version in told.items()}


def fill_figures(store: Store, ns: Namespace, figures: Mapping[str, FigureRecord], numbers: Collection[int]) -> None:
    """Keep figures with those of the numbered versions that are of a measured model and have no figures yet."""
    bare = [one for one in listed(store, ns) if one.number in numbers and not one.details.get("figures")]
    told = {one.number: figures[one.model] for one in bare if one.model in figures}
    if told:
        _write_figures(store, ns, told)


def _write_figures(store: Store, ns: Namespace, told: Mapping[int, FigureRecord]) -> None:
    """Write figures into the details of versions, by number, beside what is there by then."""
    with store.write() as conn:
        raise_changes(conn, ns)  # first: whoever else writes details waits here
        for number, record in told.items():
            details = {**version_of(conn, ns, number).details, "figures": record}
            set_version(conn, ns, number, details=json.dumps(details))


def figures_of(version: Version) -> list[VersionFigure]:
    """Return what is known of a version: what was compared, and the gate's figure where that metric was not."""
    told = version.details.get("figures") or {}
    of = str(told.get("of", ""))
    figures = [VersionFigure.read(metric, record, of) for metric, record in (told.get("metrics") or {}).items()]
    gate = _of_gate(version.details.get("verdict") or {})
    return figures + [one for one in gate if one.metric not in {figure.metric for figure in figures}]


def figure_of(version: Version, metrics: Sequence[str]) -> VersionFigure | None:
    """Return the figure of the first of these metrics that is known; "ndcg" means that at any length of lists."""
    figures = figures_of(version)
    for wanted in metrics:
        for figure in figures:
            if figure.metric.partition("@")[0] == wanted:
                return figure
    return None


def _of_gate(verdict: FigureRecord) -> list[VersionFigure]:
    values, metric = verdict.get("values") or {}, (verdict.get("rule") or {}).get("metric")
    if not isinstance(metric, str) or not _is_number(values.get("candidate")):
        return []
    popular = values.get("running") if verdict.get("against") == "popular" else None
    people = (verdict.get("days") or {}).get("people")
    return [
        VersionFigure(metric=metric, value=values["candidate"], people=people, popular=popular, of="the newest days")
    ]


def _is_figure(record: object) -> bool:
    if not isinstance(record, dict) or not _is_number(record.get("value")):
        return False
    return all(record.get(name) is None or _is_number(record[name]) for name in _NAMES)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
