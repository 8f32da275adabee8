"""Following pages: the order that a list had, without what has become forbidden since; also by an older version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palate.errors import ModelFileError, NotFoundError
from palate.serve.engine.asking import Answer, Ask
from palate.serve.engine.exploring import page_propensities
from palate.serve.engine.people import NOBODY
from palate.serve.engine.presets import through
from palate.serve.engine.space import Tenant
from palate.store import scenarios
from palate.store.packing import RankedOrder, decode_ranked
from palate.store.records import Place, ShownList

if TYPE_CHECKING:
    from sqlalchemy import Connection


def following(space: Tenant, conn: Connection, shown: ShownList, first: int, n: int, now: int) -> Answer:
    """Return places ``first`` to ``first + n - 1`` of a list, without what has become forbidden since."""
    ranked = None if shown.ranked is None else decode_ranked(shown.ranked)
    count = 0 if ranked is None else len(ranked.positions)
    places = _now(space, shown, ranked, slice(first - 1, first - 1 + n)) if ranked is not None else NOTHING
    person = NOBODY if shown.user is None else space.person(conn, shown.user, now)
    lets = places >= 0
    lets[lets] = space.ranking.choice(_ask(space, conn, shown), person).lets(places[lets])
    known = places[lets]
    items = space.catalogue.shown(known.tolist())
    return Answer(
        list_id=shown.list_id,
        places=_shown_now(shown, ranked, [id_ for id_, _ in items], np.flatnonzero(lets), first),
        columns=tuple(columns for _, columns in items),
        first=first,
        more=first - 1 + n < count,
        withheld=len(places) - len(known),
        version=shown.version,
        trained=space.loaded.trained if space.loaded is not None and space.loaded.number == shown.version else None,
        newest_feedback=person.newest,
        policy=shown.policy,
        scenario=shown.scenario,
        experiment=shown.experiment,
        arm=shown.arm,
        explored=shown.explored,
    )


def _shown_now(
    shown: ShownList, ranked: RankedOrder | None, items: Sequence[str], at: NDArray[np.intp], first: int
) -> tuple[Place, ...]:
    """Return places of a page, whose scores the first page alone tells.

    Args:
        shown, ranked: the list, and its order.
        items: ids.
        at: where each stands on the page, from 0.
        first: place in the list of the page's first one.
    """
    if ranked is None or not len(at):
        return ()
    is_new, nan = set(ranked.new), float("nan")
    propensities = page_propensities(shown.explored, ranked, first, int(at[-1]) + 1)[at].tolist()
    return tuple(
        Place(id_, nan, p, "new" if id_ in is_new else shown.policy) for id_, p in zip(items, propensities, strict=True)
    )


def _now(space: Tenant, shown: ShownList, ranked: RankedOrder, cut: slice) -> NDArray[np.int32]:
    """Return where items of a list stand now, -1 for those that neither model nor store has any more."""
    positions = ranked.positions[cut]
    is_new = positions >= ranked.n_items
    if shown.version is None or (space.loaded is not None and space.loaded.number == shown.version):
        places = positions.astype(np.int32)
    else:
        places = np.full(len(positions), -1, np.int32)
        places[~is_new] = space.catalogue.index(_ids_of(space, shown, positions[~is_new]))
    places[is_new] = space.catalogue.index([ranked.new[at - ranked.n_items] for at in positions[is_new].tolist()])
    return places


def _ids_of(space: Tenant, shown: ShownList, positions: NDArray[np.int64]) -> list[str]:
    """Return the ids of an older version's items.

    Raises:
        NotFoundError: its files are gone.
    """
    try:
        older = space.older(shown.version or 0)
    except (ModelFileError, NotFoundError) as error:
        raise NotFoundError(
            f"list '{shown.list_id}' was made by model version {shown.version}, which is gone: ask for a new list",
            subject="list_id",
        ) from error
    return [str(id_) for id_ in older.model.items_.at(positions)]


def _ask(space: Tenant, conn: Connection, shown: ShownList) -> Ask:
    """Return what the list was asked for, as far as it decides what is forbidden."""
    said = shown.request
    ask = Ask(
        ns=space.ns,
        user=shown.user,
        where=tuple(said.get("where", ())),
        include=tuple(said["include"]) if "include" in said else None,
        exclude=tuple(said.get("exclude", ())),
        not_mine=bool(said.get("not_mine", False)),
        seen=bool(said.get("seen", False)),
        no_twins=bool(said.get("no_twins", False)),
        given=frozenset(said.get("given", ())),
    )
    return ask if shown.scenario is None else through(ask, scenarios.at(conn, space.ns, *shown.scenario))


NOTHING = np.empty(0, np.int32)
