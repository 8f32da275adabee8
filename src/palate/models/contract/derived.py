"""What a fitted model's lists are made of and its file does not hold, as plain data: made once, kept, and mapped.

A model computes it at its first list (`Ranked._derived`): the order of popularity, float32 copies of factors, the
longest norm, the clicks by item. A service has each worker map it instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ModelFileError
from palate.models.contract.abilities import ScoresPeople
from palate.models.contract.lists import ItemOrder
from palate.models.contract.ranked import Ranked
from palate.models.contract.scoring import FactorScorer
from palate.models.contract.weights import SparseWeights, WeightsByUsers, WholeWeights
from palate.sparse import Rows
from palate.topk import ItemSide

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (FactorScorer, ItemSide, WholeWeights, SparseWeights, WeightsByUsers, Rows)
}
LEFT_OUT = ("learned", "ranker", "order")  # the fit itself, and what is made of the other values
Keep = Callable[[NDArray[Any]], str]  # keeps an array, and returns the name by which it is found again


def derive(model: Ranked, keep: Keep) -> dict[str, Any]:
    """Keep all arrays that lists need beyond the model's file; return what they are put together to, as JSON holds it.

    Args:
        model: fitted; it computes what it has not yet.
        keep: keeps an array, and returns the name by which `give` finds it.

    Raises:
        TypeError: the model derives what cannot be kept.
    """
    users = np.zeros(min(1, len(model.users_)), np.int32)
    if model.lists_its_users:
        model.ranker.lists(users, 1)
    if isinstance(model, ScoresPeople):
        model.ranker_of(Rows.empty(1)).lists(np.zeros(1, np.int32), 1)
    order = model.item_order
    made: dict[str, Any] = {
        name: _kept(name, value, keep) for name, value in model.__dict__["_of_fit"].items() if name not in LEFT_OUT
    }
    counts, means = order._counted
    of_order = {"order": order.order, "places": order.places, "counts": counts, "means": means}
    return {"fit": made, **{name: keep(array) for name, array in of_order.items()}}


def give(model: Ranked, made: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give a model what `derive` kept of it, so that it computes none of it.

    Raises:
        ModelFileError: an array is not there.
    """
    try:
        values = {name: _found(facts, arrays) for name, facts in made["fit"].items()}
        order, places, counts, means = (arrays[made[name]] for name in ("order", "places", "counts", "means"))
    except KeyError as error:
        raise ModelFileError.of("what was derived of the model", f"lacks {error.args[0]!r}") from None
    popular = ItemOrder(model._popularity(), model.items_)
    vars(popular).update(order=order, places=places, _counted=(counts, means))
    model.__dict__["_of_fit"] = {"learned": model.learned_, **values, "order": popular}


def _kept(name: str, value: Any, keep: Keep) -> Any:
    """Return a value as JSON holds it, its arrays kept."""
    if isinstance(value, np.ndarray):
        return {"array": keep(value)}
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, np.number):
        return value.item()
    if type(value).__name__ not in KINDS:
        raise TypeError(f"{name}: {type(value).__name__} cannot be kept; see `palate.models.contract.derived`")
    parts = {part: _kept(f"{name}.{part}", of, keep) for part, of in vars(value).items()}  # those of `once`, too
    return {"kind": type(value).__name__, "parts": parts}


def _found(facts: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if not isinstance(facts, Mapping):
        return facts
    if "array" in facts:
        return arrays[facts["array"]]
    kind = KINDS[facts["kind"]]
    parts = {part: _found(of, arrays) for part, of in facts["parts"].items()}
    declared = {field.name for field in fields(kind)}
    value = kind(**{part: of for part, of in parts.items() if part in declared})
    vars(value).update(parts)
    return value
