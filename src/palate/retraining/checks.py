"""What is looked at in a model that was fitted on everything, before it may answer.

Finite: no learned number is NaN or infinite. Coverage: its lists hold as many different items, or at least a stated
part of them, as those of the running model. Overlap: they share a stated part of the running lists' items, for a model
that puts all else than before in front of people deserves that somebody looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.data.dataset import Dataset
from palate.errors import DivergenceError
from palate.models import Recommender
from palate.retraining.days import texts_of
from palate.retraining.rule import GateRule
from palate.retraining.served import Running, served
from palate.store.versions.loaded import positions

if TYPE_CHECKING:
    from palate.store.versions import Loaded

PEOPLE, LENGTH = 1_000, 10


def check_finite(model: Recommender) -> None:
    """Refuse a model that learned numbers that are none.

    Raises:
        DivergenceError: names the array.
    """
    for name, array in model.state().arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DivergenceError.of(
                f"the new {model.key} model", f"learned numbers that are none ({name}): it is not kept"
            )


def looked_at(model: Recommender, running: Loaded | None, log: Dataset | None) -> dict[str, Any]:
    """Return what the lists of a model are like, beside those of the running one.

    Args:
        model: fitted on everything.
        running: the version that answers, or None.
        log: all of the log as the running model sees it.
    """
    users = np.unique(np.linspace(0, len(model.users_) - 1, PEOPLE).astype(np.int32))
    lists = _lists(model, users)
    found: dict[str, Any] = {"people": len(users), "coverage": _coverage(lists)}
    if running is None or log is None:
        return found
    other = served(Running(running.model, log)).fit(log, progress=None)
    theirs = _in_items_of(model, other, _lists(other, positions(other.users_, texts_of(model.users_))[users]))
    return {**found, "running_coverage": _coverage(theirs), "overlap": _overlap(lists, theirs)}


def faults(found: dict[str, Any], rule: GateRule) -> list[str]:
    """Return what of it the rule does not let pass, as clauses."""
    said = []
    least = rule.coverage * found.get("running_coverage", 0)
    if found["coverage"] < least:
        said.append(
            f"its lists hold {found['coverage']:,} different items, fewer than {rule.coverage:g} times the "
            f"{found['running_coverage']:,} of the running lists"
        )
    if found.get("overlap", 1.0) < rule.overlap:
        said.append(f"its lists share {found['overlap']:.1%} of the running lists' items, less than {rule.overlap:.1%}")
    return said


def _lists(model: Recommender, users: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the lists of users, (m, LENGTH); of one whom the model has not, nothing."""
    lists = np.full((len(users), LENGTH), -1, np.int32)
    known, seen = np.flatnonzero(users >= 0), model.seen_
    excluded = [] if seen is None else [seen]
    items, _ = model.rank_index(users[known], LENGTH, excluded=excluded)
    lists[known, : items.shape[1]] = items
    return lists


def _in_items_of(model: Recommender, other: Recommender, lists: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return lists of one model by the positions of another; behind its items where it has not one."""
    place = positions(model.items_, texts_of(other.items_)).astype(np.int64)
    unknown = place < 0
    place[unknown] = len(model.items_) + np.arange(unknown.sum())
    return np.where(lists >= 0, place[lists], -1).astype(np.int32)


def _coverage(lists: NDArray[np.int32]) -> int:
    return len(np.unique(lists[lists >= 0]))


def _overlap(lists: NDArray[np.int32], theirs: NDArray[np.int32]) -> float:
    """Return the mean part of somebody's running list that the new one has, too; 1 where nobody had a list."""
    sizes = (theirs >= 0).sum(axis=1)
    shared = ((theirs[:, :, None] == lists[:, None, :]) & (theirs >= 0)[:, :, None]).any(axis=2).sum(axis=1)
    had = sizes > 0
    return float((shared[had] / sizes[had]).mean()) if had.any() else 1.0
