"""`Trained`: a model as `train` has left it, its factors spread over blocks in a folder."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.errors import DataError
from palate.models import MODELS, ALS, ImplicitALS
from palate.spark.arrays import array_of, rows_of
from palate.spark.facts import path_in, read_facts
from palate.spark.halves import Weights
from palate.spark.kinds import Kind, Priors, Ratings
from palate.spark.messages import FACTORS
from palate.spark.prepared import Prepared, Side

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

KIND = "trained folder"
FORMAT_VERSION = 1
KINDS: Mapping[str, type[Ratings]] = {"als": Ratings}
BY_POSITION = "position int, factors binary, bias double"
BY_BLOCK = "block int, part int, first int, factors binary, biases binary"


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
        interrupted: whether training was stopped before its last sweep.
    """

    prepared: Prepared
    path: str
    model: ALS | ImplicitALS
    n_factors: int
    seed: int
    kind: Kind
    sweep: int
    history: list[dict[str, float]]
    priors: Priors = (None, None)
    interrupted: bool = False

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
        return cls.of_facts(Prepared.open(spark, facts["prepared"]), path, facts)

    @classmethod
    def of_facts(cls, prepared: Prepared, path: str, facts: Mapping[str, Any]) -> Trained:
        """Return what `facts` tells."""
        model = MODELS[facts["model"]["key"]](**facts["model"]["parameters"])
        kind = KINDS[facts["model"]["key"]].of_facts(facts)
        priors = [None if prior is None else unpacked_weights(prior) for prior in facts["priors"]]
        return cls(
            prepared,
            path,
            model,  # type: ignore[arg-type] - of a key that KINDS has
            facts["n_factors"],
            facts["seed"],
            kind,
            facts["sweep"],
            facts["history"],
            (priors[0], priors[1]),
            facts["interrupted"],
        )

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "prepared": self.prepared.path,
            "model": {"key": self.model.key, "parameters": self.model.get_params()},
            "n_factors": self.n_factors,
            "seed": self.seed,
            **self.kind.facts(),
            "sweep": self.sweep,
            "history": self.history,
            "priors": [None if prior is None else packed_weights(prior) for prior in self.priors],
            "interrupted": self.interrupted,
        }

    @property
    def dtype(self) -> str:
        """Of the factors."""
        return str(self.model.dtype)

    def factors(self, side: Side) -> DataFrame:
        """Return position int, factors binary (n_factors numbers of ``dtype``) and bias double of each user or item."""
        call = partial(by_position, n_blocks=self.prepared.n_blocks, k=self.n_factors, dtype=self.dtype)
        return self.blocks(side).mapInArrow(call, BY_POSITION)

    def factors_with_ids(self, side: Side) -> DataFrame:
        """Return `factors` with the id of each."""
        ids = self.prepared.ids(side).select("position", "id")
        return self.factors(side).join(ids, "position")

    def blocks(self, side: Side) -> DataFrame:
        """Return block, part, first, factors binary, biases binary: runs of a block's rows, from row ``first`` on."""
        names = [field.split()[0] for field in BY_BLOCK.split(",")]
        return self.records(side).where("kind = 'rows'").select(*names)

    def records(self, side: Side) -> DataFrame:
        """Return a side's records of `palate.spark.messages.FACTORS`."""
        path = sweep_path(self.path, self.sweep, side)
        return self.prepared.spark.read.schema(FACTORS).parquet(path)

    def __repr__(self) -> str:
        return f"Trained({self.path!r}: {type(self.model).__name__}, {self.n_factors} factors, sweep {self.sweep})"


def sweep_path(path: str, sweep: int, side: Side) -> str:
    """Return where a side's factors after a sweep lie: two places take turns, so that the last sweep is whole."""
    return path_in(path, "sweeps", f"{'ab'[sweep % 2]}-{side}s")


def by_position(
    batches: Iterator[pa.RecordBatch], *, n_blocks: int, k: int, dtype: str
) -> Iterator[pa.RecordBatch]:
    """Yield one row for each row of a block."""
    import pyarrow as pa

    for batch in batches:
        for block, first, factors, biases in rows_of(batch, ("block", "first", "factors", "biases")):
            X, b = array_of(factors, dtype, k), array_of(biases, dtype)
            positions = block.as_py() + n_blocks * (first.as_py() + np.arange(len(X), dtype=np.int32))
            ends = np.arange(len(X) + 1, dtype=np.int32) * np.int32(X[:1].nbytes)
            data = pa.Array.from_buffers(pa.binary(), len(X), [None, pa.py_buffer(ends), pa.py_buffer(X)])
            columns = [pa.array(positions.astype(np.int32)), data, pa.array(b.astype(np.float64))]
            yield pa.RecordBatch.from_arrays(columns, names=["position", "factors", "bias"])


def packed_weights(weights: Weights) -> list[dict[str, Any]]:
    """Return the weights of features as JSON holds them."""
    return [
        {"shape": w.shape, "dtype": str(w.dtype), "base64": base64.b64encode(w.tobytes()).decode()} for w in weights
    ]


def unpacked_weights(packed: list[dict[str, Any]]) -> Weights:
    """Return the weights that `packed_weights` has packed."""
    W, w = (np.frombuffer(base64.b64decode(x["base64"]), x["dtype"]).reshape(x["shape"]) for x in packed)
    return W, w
