"""A batch of requests, by the versions that answer them: who asks, and what goes down, shown often enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palate.errors import PalateError
from palate.serve.engine import listing
from palate.serve.engine.asking import Answer, Ask
from palate.serve.engine.people import NOBODY, KnownPerson, Moment, Stand
from palate.serve.engine.rotating import lowered, shown_often
from palate.serve.engine.scenarios import Scenarios
from palate.serve.engine.space import Tenant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from palate.store.records import ShownList


@dataclass(frozen=True, eq=False, slots=True)
class BatchPart:
    """Requests of a batch that one version answers.

    Attributes:
        space: by whose version.
        at: which requests of the batch.
        asks: as their presets make them.
        people: who asks, or why that cannot be told.
        down: of each, positions of items that go behind all others; None: none do.
    """

    space: Tenant
    at: Sequence[int]
    asks: Sequence[Ask]
    people: Sequence[KnownPerson | PalateError]
    down: Sequence[NDArray[np.int32] | None] | None = None

    def answered(self, now: int, timings: Mapping[str, float]) -> tuple[list[Answer | PalateError], list[ShownList]]:
        """Return the answers, which tell these timings, and the lists to keep."""
        people = [NOBODY if isinstance(one, PalateError) else one for one in self.people]
        orders = self.space.ranking.orders(self.asks, people)
        orders = [known if isinstance(known, PalateError) else o for known, o in zip(self.people, orders, strict=True)]
        if self.down is not None:
            orders = [
                order if down is None or isinstance(order, PalateError) else lowered(order, down)
                for order, down in zip(orders, self.down, strict=True)
            ]
        return listing.answered(self.space, self.asks, people, orders, now, timings)


def parts_of(
    scenarios: Scenarios, conn: Connection, moment: Moment, asks: Sequence[Ask], now: int
) -> tuple[list[BatchPart], dict[int, PalateError]]:
    """Return the parts of a batch of one namespace, and the requests that cannot be answered, by their places."""
    main = scenarios.main
    if not scenarios and all(ask.scenario is None for ask in asks):
        return [BatchPart(main, range(len(asks)), asks, _people(main, conn, moment.stands, asks, now))], {}
    refused: dict[int, PalateError] = {}
    groups: dict[Tenant, list[tuple[int, Ask]]] = {}
    for at, ask in enumerate(asks):
        try:
            space, made = scenarios.through(ask, None if ask.user is None else moment.stands[ask.user].id)
        except PalateError as error:
            refused[at] = error
        else:
            groups.setdefault(space, []).append((at, made))
    return [_part(space, conn, moment, group, now) for space, group in groups.items()], refused


def _part(space: Tenant, conn: Connection, moment: Moment, group: Sequence[tuple[int, Ask]], now: int) -> BatchPart:
    space.refresh(conn, moment)
    at, asks = [place for place, _ in group], [ask for _, ask in group]
    stands = {ask.user: moment.stands[ask.user] for ask in asks if ask.user is not None}
    people = _people(space, conn, stands, asks, now)
    return BatchPart(space, at, asks, people, shown_often(space, conn, stands, asks, now))


def _people(
    space: Tenant, conn: Connection, stands: Mapping[str, Stand], asks: Sequence[Ask], now: int
) -> list[KnownPerson | PalateError]:
    """Return who asks; of a session that cannot be read, why."""
    by_id = space.people.of(conn, stands, now)
    sessions = [ask.session for ask in asks if ask.session is not None]
    of_sessions = iter(space.people.of_sessions(sessions) if sessions else ())
    return [
        by_id[ask.user] if ask.user is not None else NOBODY if ask.session is None else next(of_sessions)
        for ask in asks
    ]
