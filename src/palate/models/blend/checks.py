"""What parts of a blend must have in common, and what weights may be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.errors import ParameterError
from palate.models.blend.parts import FEWEST, MOST
from palate.models.contract.abilities import ABILITIES
from palate.models.contract.base import Recommender
from palate.models.contract.learner import Learner

WEIGHTS = "numbers of at least 0, one a part and not all of them 0, such as 0.7, 0.3"


def check_weights(weights: Any) -> None:
    """Refuse what is no weights of any number of parts.

    Raises:
        ParameterError: names the value.
    """
    if weights is not None:
        _numbers(weights)


def read_weights(weights: Any, n: int) -> NDArray[np.float64]:
    """Return weights of n parts that add up to 1, of numbers or of a text with commas.

    Raises:
        ParameterError: names the value.
    """
    numbers = _numbers(weights)
    if len(numbers) != n:
        raise ParameterError.outside("weights", f"{n} {WEIGHTS}", weights)
    shares: NDArray[np.float64] = numbers / numbers.sum()
    return shares


def _numbers(weights: Any) -> NDArray[np.float64]:
    try:
        given = weights.strip("()[] ").rstrip(",").split(",") if isinstance(weights, str) else list(weights)
        numbers = np.array([float(w) for w in given])
    except (TypeError, ValueError):
        raise ParameterError.outside("weights", WEIGHTS, weights) from None
    if not (np.isfinite(numbers) & (numbers >= 0)).all() or not numbers.sum() > 0:
        raise ParameterError.outside("weights", WEIGHTS, weights)
    return numbers


def check_rules(parts: Sequence[Learner]) -> None:
    """Refuse parts that read clicks by different rules.

    Raises:
        ParameterError: names the two, and their rules.
    """
    for (first, rule), (other, its_rule) in pairwise(rules_of(parts).items()):
        if its_rule != rule:
            raise ParameterError(
                f"the parts of a blend must read clicks by one rule: {first} has positive={rule!r}, "
                f"{other} has positive={its_rule!r}; give positive to the blend",
                subject="positive",
            )


def rules_of(parts: Sequence[Learner]) -> dict[str, Any]:
    """Return by which rule each part reads clicks, by key, without those that learn from values."""
    parameters = {part.key: part.get_params() for part in parts}
    return {key: given["positive"] for key, given in parameters.items() if "positive" in given}


def check_alike(models: Sequence[Recommender]) -> None:
    """Refuse fitted models that cannot be one blend.

    Raises:
        NotFittedError: one is not fitted.
        ParameterError: they are not two or three different ones, or not of the same rule, ids or rows; says what
            differs.
    """
    keys = [getattr(model, "key", type(model).__name__) for model in models]
    good = all(isinstance(model, Recommender) for model in models) and FEWEST <= len(set(keys)) == len(keys) <= MOST
    if not good or "blend" in keys:
        raise ParameterError.outside("models", "two or three fitted models of different kinds", ", ".join(keys))
    check_rules(models)
    first = models[0]
    for other in models[1:]:
        _check_ids(first, other, "users_")
        _check_ids(first, other, "items_")
        if not _same_rows(first, other):
            raise ParameterError(
                f"the parts of a blend must have learned from the same rows, and those of {first.key} and {other.key} "
                "differ: fit them on one training part, with the same store_history",
                subject="models",
                code="other_data",
            )


def _check_ids(first: Recommender, other: Recommender, side: str) -> None:
    ours: Ids = getattr(first, side)
    theirs: Ids = getattr(other, side)
    if ours == theirs:
        return
    what = f"{len(ours):,} {ours.what}s, and {other.key} {len(theirs):,}"
    alone = _only(first.key, ours, theirs) or _only(other.key, theirs, ours) or "they stand in another order"
    raise ParameterError(
        f"the parts of a blend must know the same ids: {first.key} knows {what}; {alone}",
        subject="models",
        code="other_data",
    )


def _only(key: str, ours: Ids, theirs: Ids) -> str:
    """Return which id one of them knows alone, in words, or nothing."""
    if ours.kind != theirs.kind:
        return f"those of {key} are {'integers' if ours.kind == 'integer' else 'texts'}"
    alone = np.flatnonzero(theirs.index(ours.values, on_unknown="mark") < 0)
    return f"only {key} knows {ours.at(alone[:1]).to_list()[0]!r}" if len(alone) else ""


def _same_rows(first: Recommender, other: Recommender) -> bool:
    ours, theirs = first.seen_, other.seen_
    if ours is None or theirs is None:
        return ours is theirs
    pairs = ((ours.indptr, theirs.indptr), (ours.indices, theirs.indices), (ours.values, theirs.values))
    return all(np.array_equal(a, b) for a, b in pairs)


def part_cannot(part: Learner, ability: str) -> ParameterError:
    """Return the error of a blend one of whose parts has not an ability."""
    return ParameterError(
        f"Blend cannot do this, for its part {part.key} {ABILITIES[ability]}", code="not_offered", subject=part.key
    )
