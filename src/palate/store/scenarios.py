"""Scenarios: named presets of what a list is asked with, and their revisions.

A request names a scenario; what it says itself wins over the preset. Each change is a new revision, and a list names
the revision that it was made by, so a revision is never changed and never deleted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, func, insert, select, update

from palate.errors import ConflictError, NotFoundError, ParameterError
from palate.store.ids import canonical
from palate.store.presets import Preset
from palate.store.records import Namespace
from palate.store.schema import experiments, namespaces, scenarios, versions
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.store import Store

USUAL = "default"  # of requests that name none
NAME = re.compile("[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A revision of a scenario.

    Attributes:
        name: by which requests name it.
        revision: 1, 2, …
        preset: what it says; None: the scenario was deleted by this revision.
        created: microseconds.
    """

    name: str
    revision: int
    preset: Preset | None
    created: int


def put(store: Store, ns: Namespace, name: str, preset: Preset) -> Scenario:
    """Write a scenario; all workers answer by it from their next request on.

    Args:
        store, ns: where.
        name: up to 64 small letters, digits, ``_``, ``.`` and ``-``; "default" is that of requests which name none.
        preset: what it says now. One equal to the newest makes no new revision.

    Raises:
        ParameterError: the name or an id is none, or the preset names an unknown model.
        NotFoundError: the preset names a model version that is not there.
    """
    preset = checked(ns, name, preset)
    with store.write() as conn:
        _check_version(conn, ns, preset.model)
        newest = _newest(conn, ns, name)
        if newest is not None and newest.preset == preset:
            return newest
        return _added(conn, ns, name, newest, preset)


def checked(ns: Namespace, name: str, preset: Preset) -> Preset:
    """Return a preset as the store keeps it.

    Raises:
        ParameterError: the name or an id is none, or the preset names an unknown model.
    """
    checked_name(name)
    if isinstance(preset.model, str):
        from palate.models import MODELS

        if preset.model not in MODELS:
            raise ParameterError.unknown("no model", preset.model, MODELS)
    return replace(preset, exclude=tuple(canonical(ns, item, "item") for item in preset.exclude))


def delete(store: Store, ns: Namespace, name: str) -> Scenario:
    """Delete a scenario: requests may not name it any more; its revisions stay, for the lists that name them.

    Raises:
        NotFoundError: there is none of this name.
        ConflictError: an experiment that runs uses it.
    """
    with store.write() as conn:
        newest = get(conn, ns, name)
        using = [each for each, used in _running(conn, ns) if name in used]
        if using:
            raise ConflictError.of(
                f"the scenario '{name}'", f"is used by the experiment '{using[0]}': end that first", value=name
            )
        return _added(conn, ns, name, newest, None)


def get(conn: Connection, ns: Namespace, name: str) -> Scenario:
    """Return the newest revision of a scenario.

    Raises:
        NotFoundError: there is none of this name.
    """
    found = _newest(conn, ns, name)
    if found is None or found.preset is None:
        known = [each.name for each in listed(conn, ns)]
        raise NotFoundError.unknown("no scenario", f"{name:.100}", known)
    return found


def at(conn: Connection, ns: Namespace, name: str, revision: int) -> Scenario:
    """Return one revision of a scenario, also of one that was deleted since.

    Raises:
        NotFoundError: there is no such revision.
    """
    row = conn.execute(_of(ns).where(scenarios.c.name == name, scenarios.c.revision == revision)).one_or_none()
    if row is None:
        raise NotFoundError.of(f"revision {revision} of the scenario '{name:.100}'", "is not there", value=name)
    return _scenario(row)


def listed(conn: Connection, ns: Namespace) -> list[Scenario]:
    """Return the newest revision of each scenario that is there, by name."""
    newest = (
        select(func.max(scenarios.c.key)).where(scenarios.c.namespace == ns.key).group_by(scenarios.c.name)
    )  # keys ascend as revisions do
    rows = conn.execute(_of(ns).where(scenarios.c.key.in_(newest), scenarios.c.preset.is_not(None)))
    return sorted(map(_scenario, rows), key=lambda each: each.name)


def revisions(conn: Connection, ns: Namespace, name: str) -> list[Scenario]:
    """Return all revisions of a scenario, the newest first, also of one that was deleted.

    Raises:
        NotFoundError: there never was one of this name.
    """
    rows = conn.execute(_of(ns).where(scenarios.c.name == name).order_by(scenarios.c.revision.desc())).all()
    if not rows:
        raise NotFoundError.unknown("no scenario", f"{name:.100}", [each.name for each in listed(conn, ns)])
    return [_scenario(row) for row in rows]


def checked_name(name: Any, what: str = "the name of a scenario") -> str:
    """Return a name.

    Raises:
        ParameterError: it is none.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ParameterError.outside(what, "1 to 64 small letters, digits, '_', '.' and '-'", name)
    return name


def check_there(conn: Connection, ns: Namespace, names: Iterable[str]) -> None:
    """Refuse the name of a scenario that is not there; "default" needs none.

    Raises:
        NotFoundError: names it.
    """
    for name in names:
        if name != USUAL:
            get(conn, ns, name)


def raise_changes(conn: Connection, ns: Namespace) -> None:
    """Tell all workers that something of the namespace changed."""
    conn.execute(update(namespaces).where(namespaces.c.key == ns.key).values(changes=namespaces.c.changes + 1))


def _added(conn: Connection, ns: Namespace, name: str, newest: Scenario | None, preset: Preset | None) -> Scenario:
    made = Scenario(name, 1 if newest is None else newest.revision + 1, preset, now())
    said = None if preset is None else json.dumps(preset.as_dict())
    row = {"name": name, "revision": made.revision, "preset": said, "created": made.created}
    conn.execute(insert(scenarios).values(namespace=ns.key, **row))
    raise_changes(conn, ns)
    return made


def _of(ns: Namespace) -> Select[Any]:
    columns = (scenarios.c.name, scenarios.c.revision, scenarios.c.preset, scenarios.c.created)
    return select(*columns).where(scenarios.c.namespace == ns.key)


def _newest(conn: Connection, ns: Namespace, name: str) -> Scenario | None:
    query = _of(ns).where(scenarios.c.name == name).order_by(scenarios.c.revision.desc()).limit(1)
    row = conn.execute(query).one_or_none()
    return None if row is None else _scenario(row)


def _scenario(row: Any) -> Scenario:
    return Scenario(row.name, row.revision, None if row.preset is None else _preset(row.preset), row.created)


@lru_cache(maxsize=256)
def _preset(text: str) -> Preset:
    return Preset.of(json.loads(text))


def _running(conn: Connection, ns: Namespace) -> list[tuple[str, set[str]]]:
    """Return the experiments that run, and the scenarios that each uses."""
    query = select(experiments.c.name, experiments.c.scenario, experiments.c.arms)
    rows = conn.execute(query.where(experiments.c.namespace == ns.key, experiments.c.ended.is_(None)))
    return [(row.name, {row.scenario, *(arm["scenario"] for arm in json.loads(row.arms))}) for row in rows]


def _check_version(conn: Connection, ns: Namespace, model: int | str | None) -> None:
    if isinstance(model, int):
        query = select(versions.c.key).where(versions.c.namespace == ns.key, versions.c.number == model)
        if conn.execute(query).one_or_none() is None:
            raise NotFoundError.of(f"model version {model}", "is not there", value=model)
