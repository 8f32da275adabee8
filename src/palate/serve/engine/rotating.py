"""Rotation: what somebody was shown so often without doing anything with it goes behind all others for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palate.serve.engine.asking import Ask
from palate.serve.engine.people import Stand
from palate.serve.engine.ranking import Order
from palate.store.showings import showings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from palate.serve.engine.space import Tenant

DAY = 86_400_000_000  # microseconds


def shown_often(
    space: Tenant, conn: Connection, stands: Mapping[str, Stand], asks: Sequence[Ask], now: int
) -> list[NDArray[np.int32] | None] | None:
    """Return of each request the positions of what goes down; None where no preset asks for it."""
    if not any(ask.through is not None and ask.through.rotation is not None for ask in asks):
        return None
    return [_down(space, conn, stands, ask, now) for ask in asks]


def _down(space: Tenant, conn: Connection, stands: Mapping[str, Stand], ask: Ask, now: int) -> NDArray[np.int32] | None:
    rotation = None if ask.through is None else ask.through.rotation
    if rotation is None or ask.user is None or not stands[ask.user].key:
        return None
    since = now - round(rotation.days * DAY)
    counted = showings(conn, space.ns, stands[ask.user].key, since)
    often = [item for item, (times, _) in counted.items() if times >= rotation.shown]
    places = space.catalogue.index(often)
    return places[places >= 0] if len(often) else None


def lowered(order: Order, down: NDArray[np.int32]) -> Order:
    """Return an order with some items behind all others; among themselves these stay as they were."""
    goes = np.isin(order.places, down)
    if not goes.any():
        return order
    return order.take(np.concatenate([np.flatnonzero(~goes), np.flatnonzero(goes)]))
