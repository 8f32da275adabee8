"""The result of a comparison: tables with intervals, tests in words, and its folder (Parquet and JSON)."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from palate.atomic import replacing
from palate.errors import DataError, ParameterError
from palate.evaluation.findings import findings
from palate.evaluation.significance import FoldSums, Test, bootstrap, central
from palate.evaluation.verdicts import paired_tests
from palate.metrics import named
from palate.notebook import card, plainly, preview
from palate.terminal import command, json_values

FORMAT_VERSION = 1
MOST_SHOWN = 50  # rows of a table in a notebook
FRAMES = ("runs", "results", "units", "groups")
Across = Literal["users", "folds"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Models measured on the same folds.

    Attributes:
        plan: data, splits, metrics, models with their parameters, versions, machine (JSON values).
        runs: one row a model and fold: model, fold, split, seed, epochs, epoch_chosen_on, fit_seconds, score_seconds,
            peak_mb, n_threads, command.
        results: one row a model, fold and metric: value, worst_tenth, n_users, n_without_list, n_left_out, n_popular,
            mean_of_others (see `palate.metrics.Summary`).
        units: one row a model, fold, metric and user: num, den, whose sums make the metric (`palate.metrics.units`).
        groups: one row a model, metric, grouping and group of users: mean, n, low, high.
        details: by model: history, calibration, errors by popularity and activity, example users, warnings, skipped.
    """

    plan: dict[str, Any]
    runs: pl.DataFrame
    results: pl.DataFrame
    units: pl.DataFrame
    groups: pl.DataFrame
    details: dict[str, Any]

    @property
    def labels(self) -> list[str]:
        """The models, in the order asked for."""
        return [model["label"] for model in self.plan["models"]]

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Runs that gave no result: model, fold, error."""
        return list(self.plan["failures"])

    @property
    def failed(self) -> list[str]:
        """Models that lack the result of a fold, or of all; ``failures`` says why."""
        return list(dict.fromkeys(failure["model"] for failure in self.failures))

    @property
    def warnings(self) -> list[str]:
        """What was warned of on the way, with the model's name."""
        warnings = [(label, text) for label in self.labels for text in self.details.get(label, {}).get("warnings", ())]
        return [text if text.startswith(f"{label} ") else f"{label}: {text}" for label, text in warnings]

    def table(self, *, level: float = 0.95, n_resamples: int = 2000) -> pl.DataFrame:
        """Return one row a model and metric that was asked for.

        Args:
            level: of the bootstrap intervals over users.
            n_resamples: how many resamples of users.

        Returns:
            model, metric, mean (of the folds), low, high (null for metrics of the catalogue as a whole), worst_tenth,
            n_users (measured in at least one fold), n_without_list, n_left_out, n_popular (sums over folds; the last
            are users given the popular list, as nothing is known of them), mean_of_others (without these; null where
            there are none, or no others), fit_seconds, score_seconds (means), peak_mb (most), command (of the first
            fold).

        Raises:
            ParameterError: level or n_resamples is out of range.
        """
        _check_resampling(level, n_resamples)
        asked = pl.DataFrame({"metric": self.plan["metrics"]}).with_row_index("place")
        means = self.results.group_by("model", "metric", maintain_order=True).agg(
            pl.col("value").mean().alias("mean"),
            pl.col("worst_tenth").mean(),
            *(_total(name) for name in ("n_without_list", "n_left_out", "n_popular")),
            _of_others(),
        )
        n_users = self.units.group_by("model", "metric").agg(
            pl.col("user_index").n_unique().cast(pl.Int64).alias("n_users")
        )
        runs = self.runs.group_by("model", maintain_order=True).agg(
            pl.col("fit_seconds", "score_seconds").mean(), pl.col("peak_mb").max(), pl.col("command").first()
        )
        order = pl.DataFrame({"model": self.labels}).with_row_index("model_place")
        table = means.join(asked, on="metric").join(order, on="model").sort("place", "model_place")
        for more in (self._intervals(level, n_resamples), n_users):
            table = table.join(more, on=["model", "metric"], how="left")
        table = table.join(runs, on="model", how="left")
        first = ("model", "metric", "mean", "low", "high", "worst_tenth")
        people = ("n_users", "n_without_list", "n_left_out", "n_popular", "mean_of_others")
        rest = ("fit_seconds", "score_seconds", "peak_mb", "command")
        return table.sort("place", "model_place").select(*first, *people, *rest)

    def tests(
        self, *, test: Test = "permutation", across: Across = "users", level: float = 0.95, n_resamples: int = 9999
    ) -> pl.DataFrame:
        """Return one row a metric and pair of models, with a paired test, corrected for their number (Holm).

        Args:
            test: "permutation" of the two names within each user (or fold), or "wilcoxon" signed ranks.
            across: "users", or "folds" (which share training rows: differences are found too easily).
            level: of the interval of the difference; a corrected p below 1 - level is called a difference.
            n_resamples: permutations, and resamples of the interval.

        Returns:
            metric, model, other, difference (model less other), low, high, p, p_holm, effect (mean over standard
            deviation of the differences), verdict. Without rows where fewer than two models have a metric.

        Raises:
            ParameterError: an argument is out of range, or folds are asked for where there are fewer than two.
        """
        _check_resampling(level, n_resamples)
        if test not in ("permutation", "wilcoxon") or across not in ("users", "folds"):
            raise ParameterError.of(
                "test", f"is permutation or wilcoxon, across users or folds; got {test!r}, {across!r}"
            )
        columns = self.columns_of() if across == "users" else self._fold_columns()
        asked = {metric: [m for m in self.labels if (m, metric) in columns] for metric in self.plan["metrics"]}
        return paired_tests(columns, asked, test, level, n_resamples, self.plan["random_state"])

    def save(self, folder: str | Path) -> None:
        """Write run.json, details.json and the tables as Parquet; run.json last.

        Raises:
            DataError: the folder cannot be written.
        """
        folder = Path(folder)
        try:
            for name in FRAMES:
                with replacing(folder / f"{name}.parquet") as file:
                    getattr(self, name).write_parquet(file)
            for name, record in (("details", self.details), ("run", self.plan)):
                with replacing(folder / f"{name}.json") as file:
                    text = json.dumps(json_values(record), allow_nan=False, ensure_ascii=False, indent=1)
                    file.write(text.encode())
        except OSError as error:
            raise DataError.of_disk("cannot write the comparison to", folder, error) from None

    @classmethod
    def open(cls, folder: str | Path) -> Comparison:
        """Return the comparison of a folder.

        Raises:
            DataError: there is none, it is unfinished, damaged, or made by a newer Palate.
        """
        folder = Path(folder)
        if not (folder / "run.json").is_file():
            begun = " yet: it was begun, and the same command finishes it" if (folder / "rows").is_dir() else ""
            raise DataError.of(
                folder,
                f"holds no comparison{begun} (no run.json); "
                f"{command('palate', 'compare', 'DATA', '--out', folder)} makes one",
                code="not_found",
            )
        try:
            plan, details = (json.loads((folder / f"{n}.json").read_text(encoding="utf-8")) for n in ("run", "details"))
            version = plan.get("format_version") if isinstance(plan, dict) else None
            if plan.get("kind") != "comparison" or version != FORMAT_VERSION:
                raise DataError.of(
                    folder / "run.json",
                    f"is no comparison of version {FORMAT_VERSION}, but of {version!r}",
                    code="version",
                )
            frames = [pl.read_parquet(io.BytesIO((folder / f"{n}.parquet").read_bytes())) for n in FRAMES]
            named = dict(zip(FRAMES, frames, strict=True))
            return cls(plan, details=details, **{**named, "results": _with_popular(named["results"])})
        except (ValueError, AttributeError, OSError, pl.exceptions.PolarsError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"the comparison in {folder} is damaged ({error}); make it again", subject=folder, code="damaged"
            ) from None

    def findings(self) -> list[str]:
        """Return for each metric, in a sentence, who is ahead, and from whom the difference is not significant."""
        return findings(*self._tables, self.plan["metrics"])

    @cached_property
    def _tables(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The table and its tests, worked out once."""
        return self.table(), self.tests()

    @property
    def _title(self) -> str:
        return plainly(f"{', '.join(self.labels)} on {self.plan['split']} of {self.plan['data']['name']}")

    def __repr__(self) -> str:
        failed = [f"failed: {', '.join(self.failed)}"] if self.failed else []
        return "\n".join([f"Comparison({self._title})", *map(plainly, [*self.findings(), *failed])])

    def _repr_html_(self) -> str:
        sentences = [*self.findings(), *self.warnings]
        sentences += [f"{o['model']}, fold {o['fold'] + 1}, gave no result: {o['error']}" for o in self.failures]
        table = self._tables[0].select("model", "metric", "mean", "low", "high", "fit_seconds")
        return card(f"Comparison of {self._title}", (), preview(table, MOST_SHOWN), sentences=sentences)

    # -- helpers ----------------------------------------------------------------------------------------------------

    def columns_of(self, users: Any = None) -> dict[tuple[str, str], FoldSums]:
        """Return {(model, metric asked for): sums by user and fold}, all over the same users, or over those given."""
        units = self.units if users is None else self.units.filter(pl.col("user_index").is_in(users))
        if units.is_empty():
            return {}
        everyone = units["user_index"].unique().sort().to_numpy()
        n_folds = int(self.runs["fold"].max()) + 1  # type: ignore[arg-type]
        out = {}
        asked = units.filter(pl.col("metric").is_in(self.plan["metrics"]))
        for (model, metric), part in asked.group_by("model", "metric", maintain_order=True):
            num, den = np.zeros((2, len(everyone), n_folds))
            place = np.searchsorted(everyone, part["user_index"].to_numpy()), part["fold"].to_numpy()
            num[place], den[place] = part["num"].to_numpy(), part["den"].to_numpy()
            out[str(model), str(metric)] = FoldSums(num, den, named(str(metric)).metric.form)
        return out

    def _fold_columns(self) -> dict[tuple[str, str], FoldSums]:
        n_folds = len(self.plan["splits"])
        if n_folds < 2:
            raise ParameterError(
                f"a test across folds needs two of them, such as kfold:5:42; this has {n_folds}", subject="across"
            )
        out = {}
        for (model, metric), part in self.results.group_by("model", "metric", maintain_order=True):
            values = part.sort("fold")["value"].drop_nulls().to_numpy()
            if metric in self.plan["metrics"] and len(values) == n_folds:
                out[str(model), str(metric)] = FoldSums(values[:, None], np.ones((n_folds, 1)), "mean")
        return out

    def _intervals(self, level: float, n_resamples: int) -> pl.DataFrame:
        columns = self.columns_of()
        schema = {"model": pl.String, "metric": pl.String, "low": pl.Float64, "high": pl.Float64}
        if not columns:
            return pl.DataFrame(schema=schema)
        drawn = bootstrap(list(columns.values()), n_resamples, self.plan["random_state"])
        rows = [(*key, *central(values, level)) for key, values in zip(columns, drawn.T, strict=True)]
        return pl.DataFrame(rows, schema=schema, orient="row")


def _total(name: str) -> pl.Expr:
    """Return the sum of a column, null where nothing is known."""
    return pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum())


def _of_others() -> pl.Expr:
    """Return the mean over folds of the users with lists of their own; null where all have such, or none."""
    of_fold = pl.when(pl.col("n_popular") > 0).then(pl.col("mean_of_others")).otherwise(pl.col("value"))
    return pl.when((pl.col("n_popular") > 0).any()).then(of_fold.mean()).alias("mean_of_others")


def _with_popular(results: pl.DataFrame) -> pl.DataFrame:
    """Return results with the columns that comparisons of earlier versions lack, as null."""
    missing = {"n_popular": pl.Int64, "mean_of_others": pl.Float64}
    return results.with_columns(pl.lit(None, t).alias(n) for n, t in missing.items() if n not in results.columns)


def _check_resampling(level: float, n_resamples: int) -> None:
    if not 0 < level < 1 or n_resamples < 1:
        raise ParameterError.of(
            "level", f"must lie between 0 and 1, n_resamples be 1 or more; got {level}, {n_resamples}"
        )
