"""What a choice of models comes to: the best one, fitted, and the comparison that says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from palate.notebook import card, preview
from palate.terminal import command

SCHEMA = {
    "model": pl.String,
    "state": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "seconds": pl.Float64,
    "trials": pl.Int64,
    "settings": pl.String,
    "why": pl.String,
}


@dataclass(frozen=True, eq=False, repr=False)
class Chosen:
    """The result of `auto`.

    Attributes:
        model: the best one, fitted on all training rows.
        metric: that models were compared by.
        value: the best one's on the validation part: optimistic, for it was chosen as the best of many; None where
            nothing could be compared.
        test_value: of the fitted model on the test part, which no trial saw; None without one.
        comparison: one row a model, the best first: model, state ("chosen", "tried", "failed", "refused", "no time",
            "left out"), value with the low and high end of its 95 % interval over people, seconds of its fit, trials,
            settings, why.
        trials: one row a trial of each model: model, trial, state, value, seconds, error, parameters.
        sentences: what the rows were taken as, and why this model.
        named: the words of a command line for the data and how it is split.
        record: data, splits, seed and versions.
    """

    model: Recommender
    metric: str
    value: float | None
    test_value: float | None
    comparison: pl.DataFrame
    trials: pl.DataFrame
    sentences: tuple[str, ...]
    named: tuple[str, ...]
    record: Mapping[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """Return the parameters of the model that are not its defaults."""
        defaults = type(self.model)().get_params()
        values = self.model.get_params()
        return {k: v for k, v in values.items() if k != "n_threads" and v != defaults[k]}

    @property
    def command(self) -> str:
        """Return the command that trains this model again."""
        return command(*self.words)

    @property
    def words(self) -> Sequence[str]:
        """Return the words of the command that trains this model again."""
        sets = [word for name, value in self.settings.items() for word in ("--set", f"{name}={_typed(value)}")]
        return ["palate", "train", *self.named, "--model", self.model.key, *sets]

    def summary(self) -> dict[str, Any]:
        """Return the figures, and how they were come by, as JSON values."""
        return {
            "metric": self.metric,
            "value": self.value,
            "test_value": self.test_value,
            "sentences": list(self.sentences),
            "comparison": self.comparison.to_dicts(),
            "command": self.command,
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write model.safetensors, config.json (as --config reads it), comparison.parquet and trials.parquet.

        Returns:
            Their paths.

        Raises:
            DataError: the folder cannot be written.
        """
        folder = Path(folder)
        names = ("model.safetensors", "config.json", "comparison.parquet", "trials.parquet")
        paths = [folder / name for name in names]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files.save(self.model, paths[0])
            write_config(self.model, paths[1], {**self.record, **self.summary()})
            for table, path in zip((self.comparison, self.trials), paths[2:], strict=True):
                with replacing(path) as file:
                    table.write_parquet(file)
        except OSError as error:
            raise DataError.of_disk("cannot write the result to", folder, error) from None
        return paths

    def __repr__(self) -> str:
        figure = "" if self.value is None else f": {self.metric} {self.value:.4f} on validation data"
        return f"Chosen({self.model!r}{figure})"

    def _repr_html_(self) -> str:
        figures = {"on validation data": self.value, "on the test part": self.test_value}
        facts = [(f"{label_of(self.metric)} {where}", f"{v:.4f}") for where, v in figures.items() if v is not None]
        shown = preview(self.comparison, self.comparison.height)
        return card(f"{type(self.model).__name__} was chosen", facts, shown, sentences=self.sentences)


def _typed(value: Any) -> str:
    """Return a parameter as --set takes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
