"""What people said themselves, and what is said of items, as the page shows both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.store.rule import log_of, pairs

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from palate.serve.engine.catalogue import Catalogue
    from palate.serve.engine.people import Stand
    from palate.serve.engine.space import Tenant


def listed_items(catalogue: Catalogue, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return the attributes of items that lists may hold, by id; others are left out."""
    places = catalogue.index(ids)
    places = places[(places >= 0) & ~np.isin(places, catalogue.closed)]
    return dict(catalogue.shown(places.tolist()))


def own_ratings(space: Tenant, conn: Connection, stand: Stand, now: int) -> dict[str, float]:
    """Return what somebody rated, by item: the log decides about each item that it names.

    Args:
        space, conn: the namespace, in a read transaction.
        stand: whose.
        now: microseconds.
    """
    log = log_of(conn, space.ns, space.kinds, [stand.key], now=now) if stand.last_event else None
    if log is None:
        return trained_ratings(space, stand)
    space.people.learn_items(conn, log)
    said = {item for item in _ids(space, np.unique(log.item)) if item is not None}
    own = space.kinds.columns.own_rating[log.kind]  # others, as "hide", may stand for a rating, and are none
    made = pairs(log.take(np.flatnonzero(own)), space.kinds, now, "ratings")
    before = {item: value for item, value in trained_ratings(space, stand).items() if item not in said}
    rated = zip(_ids(space, made.item), made.value.tolist(), strict=True)
    return before | {item: value for item, value in rated if item is not None}


def trained_ratings(space: Tenant, stand: Stand) -> dict[str, float]:
    """Return the rows of a user in the training of a version that was not trained on this log."""
    loaded = space.loaded
    if loaded is None or loaded.trained_to is not None or loaded.model.seen_ is None or not space.people.knows_users:
        return {}
    (place,) = loaded.users_index([stand.id]).tolist()
    low, high = loaded.model.rating_range_
    if place < 0 or low == high:  # of clicks all values are alike
        return {}
    items, values = loaded.model.seen_.row(place)
    return {str(id_): value for id_, value in zip(loaded.model.items_.at(items), values.tolist(), strict=True)}


def _ids(space: Tenant, keys: NDArray[np.int64]) -> list[str | None]:
    """Return the items of the store's keys; None for one that the log alone knows."""
    places = space.catalogue.of_keys(keys).tolist()
    known = _shown(space, [place for place in places if place >= 0])
    return [known[place] if place >= 0 else None for place in places]


def _shown(space: Tenant, places: list[int]) -> dict[int, str]:
    return {place: id_ for place, (id_, _) in zip(places, space.catalogue.shown(places), strict=True)}
