"""`Trained`: a model as `train` has left it, its factors spread over blocks in a folder."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.errors import DataError
from palate.models import ALS, MODELS, ImplicitALS
from palate.spark.arrays import schema_of
from palate.spark.facts import path_in, read_facts
from palate.spark.kinds import BothWeights, Clicks, ModelKind, RatingKind
from palate.spark.messages import FACTORS, SENT, LongRows, Wire, runs_of
from palate.spark.prepared import Prepared, SideName
from palate.spark.sweeps import long_path, long_rows
from palate.sparse import Array

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

KIND = "trained folder"
FORMAT_VERSION = 1
KINDS: Mapping[str, type[RatingKind] | type[Clicks]] = {"als": RatingKind, "ials": Clicks}
CLASSES = {"bayes": "palate.spark.bayes.trained.TrainedBayes"}  # subclasses, which import this module
BY_POSITION = "position int, factors binary, bias double"


@dataclass(frozen=True, eq=False)
class Trained:
    """A model that was trained on Spark.

    Attributes:
        prepared: what it was trained on.
        path: the folder.
        model: unfitted, with its parameters.
        n_factors: as they were used.
        seed: that was used.
        kind: the settings that were used.
        sweep: the last whole one.
        history: one record an epoch, as the model's own ``history_``.
        priors: weights of the features of users and of items, or None.
        gram: o Q'Q of the items, the upper triangle, of a model of clicks; else None.
    """

    prepared: Prepared
    path: str
    model: ALS | ImplicitALS
    n_factors: int
    seed: int
    kind: ModelKind
    sweep: int
    history: list[dict[str, float]]
    priors: BothWeights = (None, None)
    gram: Array | None = None

    @classmethod
    def open(cls, spark: SparkSession, path: str) -> Trained:
        """Return what `palate.spark.train` has left in a folder.

        Raises:
            DataError: there is no such folder, it is another one, half written, of a newer format, or what it was
                trained on is no longer there.
        """
        facts = read_facts(spark, path, KIND, "palate.spark.train")
        if facts.get("format_version") != FORMAT_VERSION:
            raise DataError.of(
                path,
                f"has format {facts.get('format_version')}, and this Palate reads {FORMAT_VERSION}: train it anew",
                code="version",
            )
        return class_of(facts["model"]["key"]).of_facts(Prepared.open(spark, facts["prepared"]), path, facts)

    @classmethod
    def of_facts(cls, prepared: Prepared, path: str, facts: Mapping[str, Any]) -> Trained:
        """Return what `facts` tells."""
        model: Any = MODELS[facts["model"]["key"]](**facts["model"]["parameters"])
        kind = KINDS[facts["model"]["key"]].of_facts(facts)
        priors = [None if prior is None else (unpacked(prior[0]), unpacked(prior[1])) for prior in facts["priors"]]
        gram = None if facts["gram"] is None else unpacked(facts["gram"])
        return cls(
            prepared,
            path,
            model,
            facts["n_factors"],
            facts["seed"],
            kind,
            facts["sweep"],
            facts["history"],
            (priors[0], priors[1]),
            gram,
        )

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "prepared": self.prepared.path,
            "model": {"key": self.model.key, "parameters": {**self.model.get_params(), "random_state": self.seed}},
            "n_factors": self.n_factors,
            "seed": self.seed,
            **self.kind.facts(),
            "sweep": self.sweep,
            "history": self.history,
            "priors": [prior and [packed(w) for w in prior] for prior in self.priors],
            "gram": None if self.gram is None else packed(self.gram),
        }

    @property
    def dtype(self) -> str:
        """Of the factors."""
        return str(self.model.dtype)

    @property
    def mean(self) -> float:
        """The mean rating; 0 of clicks, and without biases."""
        return self.kind.mean

    @property
    def wire(self) -> Wire:
        """How factors lie in records."""
        return Wire(self.prepared.keys, self.n_factors, self.dtype)

    def factors(self, side: SideName) -> DataFrame:
        """Return position int, factors binary (n_factors numbers of ``dtype``) and bias double of each user or item."""
        rows, made = self.factor_runs(side)
        return rows if made is None else rows.mapInArrow(made, BY_POSITION)

    def factor_runs(self, side: SideName) -> tuple[DataFrame, Callable[[Any], Iterator[pa.RecordBatch]] | None]:
        """Return a side's records of runs of rows, and what makes `factors` of them in a task; None: they are such."""
        rows = self.records(side).where("kind = 'rows'").select(*SENT)
        return rows, partial(by_position, wire=self.wire, long=self._long(side))

    def factors_with_ids(self, side: SideName) -> DataFrame:
        """Return `factors` with the id of each."""
        ids = self.prepared.ids(side).select("position", "id")
        return self.factors(side).join(ids, "position")

    def records(self, side: SideName) -> DataFrame:
        """Return a side's records of `palate.spark.messages.FACTORS`, long rows apart."""
        return self.prepared.spark.read.schema(FACTORS).parquet(sweep_path(self.path, self.sweep, side))

    def _long(self, side: SideName) -> LongRows | None:
        if not self.prepared.long(side):
            return None
        path = long_path(sweep_path(self.path, self.sweep, side))
        return long_rows(self.prepared.spark.read.schema(FACTORS).parquet(path), self.wire)

    def collect(self) -> ALS | ImplicitALS:
        """Return the model as one machine has it, fitted, in the driver's memory: `palate.spark.models.collect`."""
        from palate.spark.models import collect  # what executors do without

        return collect(self)

    def save(self, path: str, *, overwrite: bool = False) -> None:
        """Write the model as `palate.load` reads it: `palate.spark.models.save`.

        Args:
            path: a name that ends in .safetensors is a file of the driver's; any other a folder that Spark writes.
            overwrite: write over what lies there.
        """
        from palate.spark.models import save

        save(self, path, overwrite=overwrite)

    def __repr__(self) -> str:
        return f"Trained({self.path!r}: {type(self.model).__name__}, {self.n_factors} factors, sweep {self.sweep})"


def class_of(key: str) -> type[Trained]:
    """Return the class of what was trained of a model."""
    if key not in CLASSES:
        return Trained
    module, _, name = CLASSES[key].rpartition(".")
    cls: type[Trained] = getattr(import_module(module), name)
    return cls


def sweep_path(path: str, sweep: int, side: SideName) -> str:
    """Return where a side's factors after a sweep lie: two places take turns, so that the last sweep is whole."""
    return path_in(path, "sweeps", f"{'ab'[sweep % 2]}-{side}s")


def by_position(batches: Iterator[pa.RecordBatch], *, wire: Wire, long: LongRows | None) -> Iterator[pa.RecordBatch]:
    """Yield one row for each row of a block."""
    import pyarrow as pa

    n = len(wire.keys)
    for run in runs_of(batches, wire, long):
        X = run.X
        positions = run.block + n * np.arange(run.first, run.first + len(X))
        ends = np.arange(len(X) + 1, dtype=np.int32) * np.int32(X[:1].nbytes)
        data = pa.Array.from_buffers(pa.binary(), len(X), [None, pa.py_buffer(ends), pa.py_buffer(X)])
        columns = [pa.array(positions.astype(np.int32)), data, pa.array(run.biases.astype(np.float64))]
        yield pa.RecordBatch.from_arrays(columns, schema=schema_of(BY_POSITION))


def packed(array: Array) -> dict[str, Any]:
    """Return an array as JSON holds it."""
    return {"shape": array.shape, "dtype": str(array.dtype), "base64": base64.b64encode(array.tobytes()).decode()}


def unpacked(values: Mapping[str, Any]) -> Array:
    """Return the array that `packed` has packed."""
    return np.frombuffer(base64.b64decode(values["base64"]), values["dtype"]).reshape(values["shape"])
