"""A trained model written by Spark as a folder of partitioned Parquet: `palate.files.partitioned` has its layout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.files import strict_json
from palate.files.header import told
from palate.files.parquet_parts import FACTS, FORMAT_VERSION, PARTS, Stated
from palate.models.contract.parameters import plain_value
from palate.spark.blocks import positions_of
from palate.spark.facts import begin_facts, check_free, path_in
from palate.spark.failures import clear_errors
from palate.spark.learner import SIDES, SparkLearner
from palate.spark.prepared import SideName
from palate.spark.sending import totals_of
from palate.spark.user_blocks import matrix_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from palate.spark.trained import Trained

FILE_BYTES = 128 << 20
ID_TYPES = {"integer": "bigint", "text": "string"}
NUMBERS = {"float32": "float", "float64": "double"}


def save_folder(trained: Trained, path: str, *, overwrite: bool) -> None:
    """Write a model as a folder, its facts last.

    Raises:
        DataError: something is there already, or Spark cannot write.
    """
    prepared = trained.prepared
    check_free(prepared.spark, path, overwrite=overwrite)
    begin_facts(prepared.spark, path)
    learner, keeps = SparkLearner.of(trained), bool(trained.model.store_history)
    empty = np.zeros((0, learner.n_factors), learner.dtype), np.zeros(0, learner.dtype)
    learned = learner.learned(empty, empty, None)
    stated = stated_of(trained, learned)
    with clear_errors(path, "writing the model"):
        for side in SIDES:
            written(path, f"{side}s", side_table(trained, side, stated, rated=side == "item" and not keeps))
        written(path, "arrays", pieces(trained, learned, stated))
        rows = prepared.rows.select("user", "item", "value", *["weight"] * prepared.has_weights)
        written(path, "seen", rows if keeps else rows.limit(0))
        written(path, "item_table", shown(trained))
        facts = facts_of(trained, learned, stated) | {"files": sums_of(trained, path)}
        write_model_facts(trained, path, facts)


def stated_of(trained: Trained, learned: Any) -> dict[str, Stated]:
    """Return dtype, shape and part of each array of the model."""
    sizes = {"n_users": trained.prepared.n_users, "n_items": trained.prepared.n_items}
    if trained.priors[0] is not None:
        sizes["n_users_with_features"] = sizes["n_users"]
    kind, found = learned.ARRAYS, {}
    for name, shape in kind.items():
        array = learned.read(name)
        size = (sizes.get(shape.axes[0], array.shape[0]), *array.shape[1:])
        if name == "user_features_" and trained.priors[0] is not None:
            size = (size[0], len(trained.priors[0][0]))
        found[name] = Stated.of(kind, name, array.dtype.name, size)
    return found


def facts_of(trained: Trained, learned: Any, stated: Mapping[str, Stated]) -> dict[str, Any]:
    """Return the facts of the folder, but for its files."""
    prepared, model = trained.prepared, trained.model
    low, high = prepared.rating_limits
    keeps = bool(model.store_history)
    parameters = {name: plain_value(value) for name, value in model.get_params().items()}
    scalars = {"rating_range_": [float(low), float(high)], **{n: learned.read(n) for n in learned.SCALARS}}
    kinds = prepared.facts["ids"]["user"], prepared.facts["ids"]["item"]
    return {
        **told(FORMAT_VERSION, model.key, parameters, scalars, kinds),
        "n_users": prepared.n_users,
        "n_items": prepared.n_items,
        "n_seen": prepared.n_rows if keeps else None,
        "weights": keeps and prepared.has_weights,
        "rated": not keeps,
        "arrays": {name: [one.dtype, list(one.shape)] for name, one in stated.items()},
    }


# -- the parts ------------------------------------------------------------------------------------------------------


def written(path: str, part: str, table: DataFrame, row_bytes: int = 64) -> None:
    """Write a part over what stood there."""
    most = max(1, FILE_BYTES // row_bytes)
    table.write.mode("overwrite").option("maxRecordsPerFile", most).parquet(path_in(path, part))


def side_table(trained: Trained, side: SideName, stated: Mapping[str, Stated], *, rated: bool) -> DataFrame:
    """Return position, id and learned arrays of a side."""
    from pyspark.sql import functions as F

    prepared, number = trained.prepared, NUMBERS[trained.dtype]
    names = [f"{side}_factors_", f"{side}_biases_"]
    has_biases = names[1] in stated
    fields = [f"position int, {side}_factors array<{number}>"] + [f"{side}_biases {number}"] * has_biases
    task = partial(as_lists, side=side, dtype=trained.dtype, biases=has_biases)
    table = trained.factors(side).mapInArrow(task, ", ".join(fields))
    ids = prepared.ids(side)
    table = table.join(ids.select("position", F.col("id").alias(f"{side}_id")), "position")
    if rated:
        totals = F.sort_array(F.collect_list(F.struct("source", "total")))  # added in the order of the blocks
        total = F.aggregate(totals, F.lit(0.0), lambda sum_, one: sum_ + one["total"])
        sums = totals_of(prepared).groupBy("position").agg(total.alias("total"))
        counts = ids.select("position", F.col("count").cast("bigint").alias("rated_counts"))
        means = F.coalesce("total", F.lit(0.0)) / F.greatest("rated_counts", F.lit(1))
        table = table.join(counts, "position").join(sums, "position", "left")
        table = table.withColumn("rated_means", means).drop("total")
    if side == "user" and stated["user_features_"].part == "users":
        width = stated["user_features_"].width
        task = partial(
            features_as_lists, n_blocks=prepared.n_blocks, n=prepared.n_users, width=width, dtype=trained.dtype
        )
        layout = prepared.layout("user").where("kind = 'features'").select("block", "row", "features")
        table = table.join(layout.mapInArrow(task, f"position int, user_features array<{number}>"), "position")
    return table


def as_lists(batches: Iterator[pa.RecordBatch], *, side: str, dtype: str, biases: bool) -> Iterator[pa.RecordBatch]:
    """Yield rows whose factors are lists."""
    import pyarrow as pa

    for batch in batches:
        if not batch.num_rows:
            continue
        columns = {"position": batch.column("position")}
        columns[f"{side}_factors"] = lists_of(matrix_of(batch.column("factors")).view(dtype))
        if biases:
            columns[f"{side}_biases"] = pa.array(batch.column("bias").to_numpy().astype(dtype))
        yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def features_as_lists(
    batches: Iterator[pa.RecordBatch], *, n_blocks: int, n: int, width: int, dtype: str
) -> Iterator[pa.RecordBatch]:
    """Yield a row for each user of the records of features."""
    import pyarrow as pa

    for batch in batches:
        for record in batch.to_pylist():
            part = np.frombuffer(record["features"], np.float32).reshape(-1, width).astype(dtype)
            at = positions_of(record["block"], n_blocks, n)[record["row"] :][: len(part)].astype(np.int32)
            yield pa.RecordBatch.from_arrays([pa.array(at), lists_of(part)], names=["position", "user_features"])


def lists_of(X: Any) -> pa.Array:
    """Return the rows of a matrix as lists."""
    import pyarrow as pa

    ends = np.arange(len(X) + 1, dtype=np.int32) * np.int32(X.shape[1])
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(np.ascontiguousarray(X).reshape(-1)))


def pieces(trained: Trained, learned: Any, stated: Mapping[str, Stated]) -> DataFrame:
    """Return the arrays that have a row neither a user nor an item; those of features are small."""
    others = [name for name, one in stated.items() if one.part == "arrays"]
    rows = [(name, 0, bytearray(np.ascontiguousarray(learned.read(name)).tobytes())) for name in others]
    rows = [row for row in rows if row[2]]
    return trained.prepared.spark.createDataFrame(rows, "name string, part int, data binary").coalesce(1)


def shown(trained: Trained) -> DataFrame:
    """Return the item columns to show."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import TimestampType

    table = trained.prepared.item_table
    if table is None:
        ids = trained.prepared.ids("item")
        return ids.select(F.col("id").alias("item_id"), F.col("id").cast("string").alias("title"))
    for field in table.schema.fields:
        if isinstance(field.dataType, TimestampType):
            table = table.withColumn(field.name, F.col(field.name).cast("timestamp_ntz"))
    return table.drop("position")


# -- the facts ------------------------------------------------------------------------------------------------------


def sums_of(trained: Trained, path: str) -> dict[str, list[Any]]:
    """Return bytes and SHA-256 of each file, as Spark reads it."""
    from pyspark.sql import functions as F

    found = {}
    for part in PARTS:
        binary = trained.prepared.spark.read.format("binaryFile").load(path_in(path, part))
        for row in binary.select("path", "length", F.sha2("content", 256).alias("sum")).collect():
            found[f"{part}/{row['path'].rsplit('/', 1)[-1]}"] = [row["length"], row["sum"]]
    return found


def write_model_facts(trained: Trained, path: str, facts: Mapping[str, Any]) -> None:
    """Write the facts as one row in one file."""
    from pyspark.sql import functions as F

    text = strict_json.dumps(facts, "the facts")
    sealed = F.lit(text.decode()).alias("json"), F.lit(hashlib.sha256(text).hexdigest()).alias("sha256")
    one = trained.prepared.spark.range(0, 1, 1, 1).select(*sealed)
    one.write.mode("overwrite").parquet(path_in(path, FACTS))
