"""What a training that has stopped goes on from: the newest of its sweeps that is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from palate.errors import DataError, ParameterError
from palate.models import ALS, ImplicitALS
from palate.spark.facts import exists
from palate.spark.prepared import Prepared
from palate.spark.trained import Trained, sweep_path


def stopped(prepared: Prepared, path: str, model: ALS | ImplicitALS | None) -> list[Trained]:
    """Return the model as each sweep that is kept began or found it, newest first; it may not be whole.

    Args:
        prepared: what it is trained on.
        path: its folder.
        model: what it has to be, its number of epochs apart; or None.

    Raises:
        DataError: there is no sweep, or it was trained on something else.
        ParameterError: the model is another one.
    """
    found = sorted(_states(prepared, path), key=lambda state: -int(state["begun"]))
    if not found:
        raise DataError(
            f"there is no training in {path} to resume: train without resume", code="not_found", subject=path
        )
    if found[0]["prepared"] != prepared.path:
        raise DataError.of(path, f"was trained on {found[0]['prepared']}, not on {prepared.path}", code="format")
    return [_trained(prepared, path, state, model) for state in found]


def _states(prepared: Prepared, path: str) -> Iterator[dict[str, Any]]:
    for slot in (0, 1):
        place = sweep_path(path, slot, "user")
        if exists(prepared.spark, place):
            records = prepared.spark.read.schema("kind string, block int, sweep int, note string").parquet(place)
            for row in records.where("kind = 'sums'").collect():
                if row["note"] is None:
                    continue
                yield {**json.loads(row["note"]), "begun": row["sweep"]}


def _trained(prepared: Prepared, path: str, state: dict[str, Any], model: ALS | ImplicitALS | None) -> Trained:
    then = replace(Trained.of_facts(prepared, path, state), sweep=state["begun"])
    if model is None:
        return then
    model.check_parameters()
    for name, value in model.get_params().items():
        was = then.model.get_params().get(name)
        if type(model) is not type(then.model) or (
            name not in ("n_epochs", "random_state", "n_threads") and value != was
        ):
            raise ParameterError(
                f"the training in {path} is of {then.model!r}, and cannot go on as {model!r}", subject="model"
            )
    return replace(then, model=model)
