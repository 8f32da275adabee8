"""Models by what they are good for: the best lists, predicted stars with how sure they are, "because you liked".

Each purpose is a scenario of the name ``purpose-…`` whose preset names a model by its key, so that a newer version of
it takes over. Which model that is follows from what was measured (`palate.store.versions.figures`); where nothing was,
from the orders below, which are those of docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palate.models import MODELS
from palate.store import scenarios, versions
from palate.store.presets import Preset
from palate.store.versions import Version, VersionFigure, figure_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from palate.store.records import Namespace
    from palate.store.store import Store

PREFIX = "purpose-"


@dataclass(frozen=True, slots=True)
class PurposeKind:
    """What a purpose asks of a model.

    Attributes:
        can: whether a model of this key can serve it.
        metrics: by which of what is measured the models are told apart, the first that is known.
        higher: whether more of it is better.
        order: keys of models, the best first, where nothing was measured; others stand behind these.
    """

    can: Callable[[str], bool]
    metrics: tuple[str, ...]
    higher: bool
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """A purpose, and the version that serves it.

    Attributes:
        name: "lists", "stars" or "because".
        version: which answers.
        figure: what was measured of it for this purpose; None: nothing was.
        sure: which share of ratings an 80 % interval held; None: that was not measured, or there are no intervals.
        is_active: the version is that which answers where nobody names a purpose.
    """

    name: str
    version: Version
    figure: VersionFigure | None
    sure: VersionFigure | None
    is_active: bool


def _supports(*abilities: str) -> Callable[[str], bool]:
    return lambda key: key in MODELS and set(abilities) <= MODELS[key].supports


def _by_items(key: str) -> bool:
    """Return whether a score is a sum over what the person had: "because you liked" is then the whole truth."""
    return key in ("knn", "rp3beta", "graph", "ease")


KINDS: Final[Mapping[str, PurposeKind]] = {
    "lists": PurposeKind(
        lambda key: key in MODELS and key not in ("popularity", "baseline"),
        ("ndcg", "recall", "hit_rate"),
        higher=True,
        order=("blend", "ease", "ials", "bpr", "warp", "graph", "rp3beta", "knn", "bayes", "als", "mf"),
    ),
    "stars": PurposeKind(
        _supports("predict"), ("rmse", "crps", "mae"), higher=False, order=("bayes", "als", "mf", "baseline")
    ),
    "because": PurposeKind(
        _by_items, ("ndcg", "recall", "hit_rate"), higher=True, order=("knn", "rp3beta", "graph", "ease")
    ),
}


def scenario_of(purpose: str) -> str:
    """Return the name of the scenario of a purpose."""
    return PREFIX + purpose


def make_purposes(store: Store, ns: Namespace) -> list[str]:
    """Give each purpose that a version can serve its scenario, and return their names; one that stands so stays.

    Call it where versions were added or measured. A scenario that somebody put under such a name by hand is replaced.
    """
    there = _there(versions.listed(store, ns))
    made = []
    for name, kind in KINDS.items():
        best = _best(there, kind)
        if best is not None:
            scenarios.put(store, ns, scenario_of(name), Preset(model=best.model))
            made.append(name)
    return made


def purposes(conn: Connection, store: Store, ns: Namespace) -> list[Purpose]:
    """Return the purposes that have a scenario and a version, the best lists first."""
    every = {version.number: version for version in versions.listed(store, ns)}
    active = next((number for number, version in every.items() if version.state == "active"), None)
    named = {one.name: one.preset for one in scenarios.listed(conn, ns)}
    found = []
    for name, kind in KINDS.items():
        preset = named.get(scenario_of(name))
        if preset is None:
            continue
        number = versions.wanted_by(conn, ns, preset.model) or active
        if number is not None:
            version = every[number]
            sure = figure_of(version, ("coverage_80",)) if name == "stars" else None
            found.append(
                Purpose(
                    name=name,
                    version=version,
                    figure=figure_of(version, kind.metrics),
                    sure=sure,
                    is_active=number == active,
                )
            )
    return found


def _there(every: Sequence[Version]) -> list[Version]:
    """Return the newest whole version of each model: that which a preset means by the model's key."""
    newest: dict[str, Version] = {}
    for version in every:
        if version.state not in ("failed", "removed"):
            newest.setdefault(version.model, version)
    return list(newest.values())


def _best(there: Sequence[Version], kind: PurposeKind) -> Version | None:
    """Return the version that serves a purpose best; those that were measured go before those that were not."""
    able = [version for version in there if kind.can(version.model)]
    for metric in kind.metrics:
        measured = [(figure.value, version) for version in able if (figure := figure_of(version, (metric,)))]
        if measured:
            return (max if kind.higher else min)(measured, key=lambda pair: pair[0])[1]
    return min(able, key=lambda version: _place(version.model, kind.order), default=None)


def _place(key: str, order: Sequence[str]) -> int:
    return order.index(key) if key in order else len(order)
