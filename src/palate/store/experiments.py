"""Experiments: the arms of a scenario, who is in which, and what was fixed before anybody looked.

An arm is found by a keyed hash of the person's id: the same in all workers, with nothing kept of anybody, and another
in each experiment, for each has a salt of its own.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection, Select, insert, select, update

from palate.errors import ConflictError, NotFoundError, ParameterError
from palate.store.presets import checked_fields
from palate.store.records import Namespace
from palate.store.scenarios import check_there, checked_name, raise_changes
from palate.store.schema import experiments
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.store import Store

MOST_ARMS = 20
SLACK = 1e-9  # of a sum of shares
WHOLE = 1 << 64


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the ways that are compared.

    Attributes:
        name: in reports and lists.
        share: of people, above 0.
        scenario: whose preset its lists are made by.
    """

    name: str
    share: float
    scenario: str

    def __post_init__(self) -> None:
        """Refuse what is no arm.

        Raises:
            ParameterError: names the field, and what it may be.
        """
        checked_name(self.name, "the name of an arm")
        checked_name(self.scenario, "the scenario of an arm")
        number = isinstance(self.share, int | float) and not isinstance(self.share, bool)
        if not number or not 0 < self.share <= 1:
            raise ParameterError.outside(f"the share of the arm '{self.name}'", "a number above 0, to 1", self.share)

    @classmethod
    def of(cls, record: object) -> Self:
        """Return what a JSON object says.

        Raises:
            ParameterError: it is no such object.
        """
        needed = ("name", "share", "scenario")
        return cls(**checked_fields(record, "an arm", needed, needed))


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment as the store knows it; times in microseconds.

    Attributes:
        name: by which it is asked about.
        scenario: whose requests take part.
        arms: the first is the one that the others are compared with.
        plan: what counts, fixed at the start: `palate.experiments.arms`.
        looks: when somebody asked for its report while it ran, and at how many lists.
        started, ended: when; None while it runs.
        salt: of the hash that says who is in which arm.
    """

    name: str
    scenario: str
    arms: tuple[Arm, ...]
    plan: Mapping[str, Any]
    looks: tuple[Mapping[str, Any], ...]
    started: int
    ended: int | None
    salt: bytes

    def arm_of(self, user: str) -> Arm | None:
        """Return the arm of a person, None for one of the share that is in no arm; the same whoever asks, and when."""
        at = int.from_bytes(hashlib.blake2b(user.encode(), key=self.salt, digest_size=8).digest(), "big") / WHOLE
        end = 0.0
        for arm in self.arms:
            end += arm.share
            if at < end:
                return arm
        return None


def start(
    store: Store, ns: Namespace, name: str, scenario: str, arms: Sequence[Arm], plan: Mapping[str, Any] | None = None
) -> Experiment:
    """Start an experiment; all workers know of it at their next request.

    Args:
        store, ns: where.
        name: up to 64 small letters, digits, ``_``, ``.`` and ``-``; none that an experiment had before.
        scenario: whose requests take part: "default" for those that name none.
        arms: two at least; their shares sum to 1 at most, and whoever is in none is in no report either.
        plan: what counts, as JSON holds it.

    Raises:
        ParameterError: a name, the shares or the number of arms cannot be.
        NotFoundError: a scenario is not there.
        ConflictError: there is, or was, an experiment of this name; or one of this scenario runs.
    """
    checked_name(name, "the name of an experiment")
    _check_arms(arms)
    made = Experiment(name, scenario, tuple(arms), dict(plan or {}), (), now(), None, secrets.token_bytes(16))
    with store.write() as conn:
        check_there(conn, ns, dict.fromkeys([scenario, *(arm.scenario for arm in arms)]))
        _check_free(conn, ns, made)
        row = {"name": name, "scenario": scenario, "salt": made.salt, "started": made.started, "looks": "[]"}
        kept = {"arms": json.dumps([asdict(arm) for arm in arms]), "plan": json.dumps(dict(made.plan))}
        conn.execute(insert(experiments).values(namespace=ns.key, **row, **kept))
        raise_changes(conn, ns)
    return made


def end(store: Store, ns: Namespace, name: str) -> Experiment:
    """End an experiment for good: requests go back to the scenario itself; its lists can still be reported on.

    Raises:
        NotFoundError: there is none of this name.
        ConflictError: it has ended already.
    """
    with store.write() as conn:
        if get(conn, ns, name).ended is not None:
            raise ConflictError.of(f"the experiment '{name}'", "has ended already", value=name)
        conn.execute(_change(ns, name).values(ended=now()))
        raise_changes(conn, ns)
        return get(conn, ns, name)


def looked(store: Store, ns: Namespace, name: str, look: Mapping[str, Any]) -> Experiment:
    """Keep that somebody looked at the report of an experiment: not of one that has ended, nor that saw nothing new.

    Args:
        store, ns: where.
        name: of the experiment.
        look: when, and what there was to see, as JSON holds it.

    Raises:
        NotFoundError: there is none of this name.
    """
    with store.write() as conn:
        found = get(conn, ns, name)
        seen = found.looks[-1].get("lists") if found.looks else None
        if found.ended is None and (seen is None or seen != look.get("lists")):
            conn.execute(_change(ns, name).values(looks=json.dumps([*found.looks, dict(look)])))
        return get(conn, ns, name)


def get(conn: Connection, ns: Namespace, name: str) -> Experiment:
    """Return an experiment.

    Raises:
        NotFoundError: there is none of this name.
    """
    row = conn.execute(_of(ns).where(experiments.c.name == name)).one_or_none()
    if row is None:
        known = [each.name for each in listed(conn, ns)]
        raise NotFoundError.unknown("no experiment", f"{name:.100}", known)
    return _experiment(row)


def listed(conn: Connection, ns: Namespace, running: bool | None = None) -> list[Experiment]:
    """Return the experiments of a namespace, the newest first.

    Args:
        conn, ns: where.
        running: those that run, or those that have ended; None: all.
    """
    query = _of(ns)
    if running is not None:
        query = query.where(experiments.c.ended.is_(None) if running else experiments.c.ended.is_not(None))
    return [_experiment(row) for row in conn.execute(query.order_by(experiments.c.key.desc()))]


def _check_arms(arms: Sequence[Arm]) -> None:
    if not 2 <= len(arms) <= MOST_ARMS:
        raise ParameterError.outside("arms", f"2 to {MOST_ARMS}", len(arms))
    if len({arm.name for arm in arms}) < len(arms):
        raise ParameterError.of("arms", f"have one name twice among {', '.join(arm.name for arm in arms)}")
    total = math.fsum(arm.share for arm in arms)
    if total > 1 + SLACK:
        raise ParameterError.outside("the shares of the arms", "at most 1 together", total)


def _check_free(conn: Connection, ns: Namespace, new: Experiment) -> None:
    """Refuse a second experiment of a name, or of a scenario while the first runs."""
    rows = conn.execute(_of(ns).where((experiments.c.name == new.name) | (experiments.c.ended.is_(None)))).all()
    if any(row.name == new.name for row in rows):
        raise ConflictError.of(f"the experiment '{new.name}'", "is there already: take another name", value=new.name)
    running = [row.name for row in rows if row.scenario == new.scenario]
    if running:
        words = f"has the experiment '{running[0]}', which runs: end that first"
        raise ConflictError.of(f"the scenario '{new.scenario}'", words, value=new.scenario)


def _of(ns: Namespace) -> Select[Any]:
    return select(experiments).where(experiments.c.namespace == ns.key)


def _change(ns: Namespace, name: str) -> Any:
    return update(experiments).where(experiments.c.namespace == ns.key, experiments.c.name == name)


def _experiment(row: Any) -> Experiment:
    return Experiment(
        name=row.name,
        scenario=row.scenario,
        arms=tuple(Arm(**arm) for arm in json.loads(row.arms)),
        plan=json.loads(row.plan),
        looks=tuple(json.loads(row.looks)),
        started=row.started,
        ended=row.ended,
        salt=bytes(row.salt),
    )
