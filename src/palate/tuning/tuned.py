"""What a search found: the model, its parameters, every trial, and what mattered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from palate import files
from palate.atomic import replacing
from palate.errors import DataError
from palate.files.config import write_config
from palate.metrics import label_of
from palate.models.contract.base import Recommender
from palate.notebook import card
from palate.notebook import shown as as_cell


@dataclass(frozen=True, eq=False, repr=False)
class Tuned:
    """The result of `tune`.

    Attributes:
        model: with the best parameters, fitted on the whole training part (all rows without a test part).
        parameters: the best values of what was searched.
        metric: its name.
        value: the best trial's, on validation data: optimistic, for it was chosen as the best of many.
        default_value: that of the parameters that the search began with, on the same data; None where they failed.
        test_value: of the fitted model on the test part, which no trial saw; measured once. None without test part.
        importances: {parameter: share of the differences between trials}; empty with fewer than two results.
        trials: one row a trial: trial, state ("complete", "pruned", "failed"), value, seconds, error, parameters.
        record: data, splits, seed and versions.
    """

    model: Recommender
    parameters: dict[str, Any]
    metric: str
    value: float
    default_value: float | None
    test_value: float | None
    importances: dict[str, float]
    trials: pl.DataFrame
    record: Mapping[str, Any]

    def save(self, folder: str | Path) -> list[Path]:
        """Write model.safetensors, config.json (as --config reads it) and trials.parquet, and return their paths.

        Raises:
            DataError: the folder cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = [folder / name for name in ("model.safetensors", "config.json", "trials.parquet")]
            files.save(self.model, paths[0])
            write_config(self.model, paths[1], {**self.record, **self.summary()})
            with replacing(paths[2]) as file:
                self.trials.write_parquet(file)
        except OSError as error:
            raise DataError.of_disk("cannot write the result to", folder, error) from None
        return paths

    def __repr__(self) -> str:
        on_test = "" if self.test_value is None else f", {self.test_value:.4f} on the test part"
        return f"Tuned({self.model!r}: {self.metric} {self.value:.4f} on validation data{on_test})"

    def _repr_html_(self) -> str:
        figures = {"on validation data": self.value, "before": self.default_value, "on the test part": self.test_value}
        facts = [(f"{label_of(self.metric)} {where}", f"{v:.4f}") for where, v in figures.items() if v is not None]
        facts += [(name, as_cell(value)) for name, value in self.parameters.items()]
        return card(f"{type(self.model).__name__}, the best of {self.trials.height:,} trials", facts)

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        names = ("metric", "value", "default_value", "test_value", "importances")
        states = {state: self.trials.filter(state=state).height for state in ("complete", "pruned", "failed")}
        return {**{name: getattr(self, name) for name in names}, "trials": states}
