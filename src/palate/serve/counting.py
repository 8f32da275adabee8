"""Propensities that were left to be counted: each list is made once more in all draws of its version, and written.

A list that the kept version does not make again, as one whose version is gone, cannot be counted: its propensities stay
NaN, estimates leave it out, and the list says why. One that cannot be read now is tried again in the next round.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palate.errors import ModelFileError, NotFoundError, PalateError, StoreError
from palate.experiments.choosing import Thompson
from palate.models.contract.abilities import KeepsDraws
from palate.parallel import single_blas_thread
from palate.serve import measures
from palate.serve.engine.exploring import Who, explore_of, thompson
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.logs import log
from palate.store import uncounted, versions
from palate.store.to_count import ToCount
from palate.store.uncounted import Propensities, Uncounted
from palate.store.versions.keeping import REMOVED, version_of

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

SECONDS, FIRST_SECONDS = 20.0, 0.5  # between two rounds; before the first: a start makes good what the last one left
LOCK = "counting"  # file in the store's folder
BATCH = 20  # lists counted and written together
REST = 1.0  # times as long as a batch took nothing is counted: whoever asks for lists meanwhile has the processor
GONE, CHANGED = "the model version is gone", "the model version does not make this list again"


class LostListError(PalateError):
    """A list whose propensities cannot be counted any more."""


@dataclass(frozen=True, slots=True)
class Round:
    """What became of the lists of a round.

    Attributes:
        counted, lost: how many.
        left: that are still to be counted.
    """

    counted: int
    lost: int
    left: int


def count(store: Store, stop: threading.Event | None = None, *, rest: float = 0.0) -> Round:
    """Count the propensities of all lists that are still without.

    Args:
        store: the store.
        stop: ends the round after the batch that is being counted.
        rest: times as long as each batch took, nothing is done after it.

    Raises:
        UnavailableError: the store cannot be read or written now.
    """
    results: Counter[str] = Counter()
    loaded: dict[tuple[int, int | None], LoadedVersion] = {}
    at, ended = 0, stop or threading.Event()
    namespaces = store.namespaces()
    while not ended.is_set() and (batch := _after(store, namespaces, at)):
        started = time.perf_counter()
        with single_blas_thread():
            found = [(one, _counted(store, one, loaded)) for one in batch]
        results += _write(store, found)
        at = batch[-1].key
        ended.wait(rest * (time.perf_counter() - started))
    with store.read() as conn:
        left = uncounted.pending(conn)
    measures.UNCOUNTED.set(left)
    return Round(results["counted"], results["lost"], left)


def _after(store: Store, namespaces: Sequence[Namespace], at: int) -> list[Uncounted]:
    with store.read() as conn:
        return uncounted.after(conn, namespaces, at, BATCH)


def _counted(
    store: Store, one: Uncounted, loaded: dict[tuple[int, int | None], LoadedVersion]
) -> Propensities | PalateError:
    """Return what is counted of a list, or why nothing is."""
    try:
        key = one.ns.key, one.version
        if key not in loaded:
            loaded.clear()  # one version at a time
            loaded[key] = _load(store, one)
        return _count(one, loaded[key])
    except (LostListError, ModelFileError) as error:
        return error


def _write(store: Store, found: Sequence[tuple[Uncounted, Propensities | PalateError]]) -> Counter[str]:
    """Write what was counted in one transaction, and return how many lists were counted, lost and left."""
    results: Counter[str] = Counter()
    with store.write() as conn:
        for one, propensities in found:
            if isinstance(propensities, Propensities):
                uncounted.put(conn, one, propensities)
                results["counted"] += 1
            elif isinstance(propensities, LostListError):
                log.warning("a list's propensities cannot be counted: %s", propensities)
                uncounted.put_lost(conn, one, str(propensities))
                results["lost"] += 1
            else:
                log.error("propensities wait to be counted: %s", propensities)
                results["failed"] += 1
    for result, n in results.items():
        measures.COUNTED.labels(result).inc(n)
    return results


def _load(store: Store, one: Uncounted) -> LoadedVersion:
    with store.read() as conn:
        gone = one.version is None or version_of(conn, one.ns, one.version).state == REMOVED
    if one.version is None or gone:
        raise LostListError(GONE, subject="list")
    try:
        return versions.load(store, one.ns, one.version)
    except NotFoundError:
        raise LostListError(GONE, subject="list") from None


def _count(one: Uncounted, loaded: LoadedVersion) -> Propensities:
    """Make a list again in all draws, and return how often its items take their places.

    Raises:
        LostListError: the version does not make it.
    """
    try:
        to_count = ToCount.from_bytes(one.packed)
    except StoreError as error:
        raise LostListError(str(error), subject="list") from error
    policy = _policy(one, to_count, loaded)
    order = to_count.order
    _check_made_again(one, policy, order)
    propensities = policy.propensities(order, np.arange(1, policy.m + 1))
    log_probability = policy.log_probability(order[: min(one.n, policy.m)])
    told = log_probability if math.isfinite(log_probability) else None
    return Propensities(propensities, told, _numbers(one, loaded))


def _policy(one: Uncounted, to_count: ToCount, loaded: LoadedVersion) -> Thompson:
    if not isinstance(loaded.model, KeepsDraws):
        raise LostListError(CHANGED, subject="list")
    who = Who(-1) if to_count.rows is None else Who(to_count.rows, to_count.features)
    if to_count.user is not None:
        who = Who(int(loaded.users_index([to_count.user])[0]))
    if who.user == -1 and (to_count.items >= 0).any():
        raise LostListError(CHANGED, subject="list")
    return thompson(loaded.model, who, to_count.items, to_count.offsets, explore_of(one.explored))


def _check_made_again(one: Uncounted, policy: Thompson, order: NDArray[np.int64]) -> None:
    """Refuse a version whose draw is not the list: it was trained anew, or people were forgotten in it."""
    draw = one.explored.get("draw")
    if draw is None:
        return
    if draw >= policy.draws.n_draws or not np.array_equal(policy.by_draw(draw).order, order):
        raise LostListError(CHANGED, subject="list")


def _numbers(one: Uncounted, loaded: LoadedVersion) -> dict[str, int]:
    """Return where each item of the whole list stands, from 0."""
    if one.ranked is None:
        return {}
    positions, n_items = one.ranked.positions, one.ranked.n_items
    of_model = positions < n_items
    ids = np.empty(len(positions), object)
    ids[of_model] = [str(id_) for id_ in loaded.model.items_.at(positions[of_model])]
    ids[~of_model] = [one.ranked.new[at - n_items] for at in positions[~of_model].tolist()]
    return {id_: at for at, id_ in enumerate(ids.tolist())}
