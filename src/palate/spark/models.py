"""A model that was trained on Spark as an ordinary one: at the driver, as a model file, or as a folder of Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate import files
from palate.data.ids import Ids
from palate.data.items import item_table
from palate.errors import DataError, ParameterError, Set
from palate.models import ALS, BayesianMF, ImplicitALS
from palate.models.contract.memory import check_memory
from palate.models.contract.state import Known, Rated
from palate.spark.failures import clear_errors
from palate.spark.learner import SIDES, SparkLearner
from palate.spark.model_folder import save_folder
from palate.spark.prepared import SideName
from palate.spark.settings import features_of
from palate.spark.user_blocks import matrix_of
from palate.sparse import Array, Rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from palate.spark.trained import Trained

SUFFIX = ".safetensors"


def collect(trained: Trained) -> ALS | ImplicitALS:
    """Return the model as one machine has it, fitted, in the driver's memory.

    Raises:
        ParameterError: the driver has not the memory for it.
        SparkError: Spark cannot give it, such as one larger than spark.driver.maxResultSize.
    """
    check_memory(f"this {type(trained.model).__name__}", bytes_of(trained), "save it to a folder, which Spark writes")
    learner = SparkLearner.of(trained)
    with clear_errors(trained.path, "bringing the model to the driver"):
        users, items = (factors_of(trained, side) for side in SIDES)
        features = None if trained.priors[0] is None else features_of(trained.prepared, "user")
    model = type(trained.model)(**trained.model.get_params())
    model.learned_ = learner.learned(users, items, None if features is None else features.matrix)
    model.known_ = known_of(trained, model)
    return model


def known_of(trained: Trained, model: ALS | ImplicitALS | BayesianMF) -> Known:
    """Return what a model that is brought to the driver knows of its training part."""
    prepared = trained.prepared
    with clear_errors(trained.path, "bringing the model to the driver"):
        ids = Ids(ids_of(trained, "user"), "user"), Ids(ids_of(trained, "item"), "item")
        seen = seen_of(trained)
        given = prepared.item_table
        table = item_table(ids[1]) if given is None else table_of(given)
    rated = None if model.store_history else Rated.of(seen.indices, seen.values, prepared.n_items)
    kept = seen if model.store_history else None
    low, high = prepared.rating_limits
    return Known(*ids, kept, rated, table, (float(low), float(high)))


def save(trained: Trained, path: str, *, overwrite: bool = False) -> None:
    """Write the model: to a name that ends in .safetensors as an ordinary model file, else as a folder of Parquet.

    A file is written by the driver, to its own disk, and the model must fit into its memory. A folder is written by
    Spark, from where the factors are; `palate.load` and `palate serve` take either.

    Raises:
        ParameterError: a file is asked for, and the driver has not the memory for it; or a folder of a model whose
            draws the driver holds.
        DataError: something is there already, or Spark cannot write.
        ModelFileError: the file cannot be written.
    """
    if not str(path).endswith(SUFFIX):
        if trained.model.key == "bayes":
            raise ParameterError.of(
                "path", f"ends in {SUFFIX} for BayesianMF, whose draws the driver holds; got {path!r}", value=path
            )
        save_folder(trained, str(path), overwrite=overwrite)
        return
    if Path(path).exists() and not overwrite:
        raise DataError.of(path, "exists already; ", Set("overwrite", True), " writes over it", code="data", value=path)
    files.save(trained.collect(), path)


def bytes_of(trained: Trained) -> int:
    """Return about how many bytes the model takes at the driver, with what Spark sends beside it."""
    prepared, n = trained.prepared, trained.prepared.n_users + trained.prepared.n_items
    return 2 * n * (trained.n_factors * np.dtype(trained.dtype).itemsize + 24) + 40 * prepared.n_rows


def factors_of(trained: Trained, side: SideName) -> tuple[Array, Array]:
    """Return factors and biases of a side, by position."""
    table, n, dtype = trained.factors(side).toArrow(), trained.prepared.n(side), np.dtype(trained.dtype)
    X, b = np.zeros((n, trained.n_factors), dtype), np.zeros(n, dtype)
    for batch in table.to_batches():
        at = batch.column("position").to_numpy()
        if len(at):
            X[at] = matrix_of(batch.column("factors")).view(dtype)
            b[at] = batch.column("bias").to_numpy()
    return X, b


def ids_of(trained: Trained, side: SideName) -> pl.Series:
    """Return the ids of a side, by position."""
    return by_position(trained.prepared.ids(side).select("position", "id").toArrow())["id"]


def seen_of(trained: Trained) -> Rows:
    """Return the training rows, by user and item."""
    prepared = trained.prepared
    columns = ["user", "item", "value", *["weight"] * prepared.has_weights]
    table = prepared.rows.select(*columns).toArrow()
    cells: dict[str, NDArray[Any]] = {name: table[name].to_numpy() for name in columns}
    shape = prepared.n_users, prepared.n_items
    return Rows.from_cells(cells["user"], cells["item"], *shape, cells["value"], cells.get("weight"))


def table_of(given: DataFrame) -> pl.DataFrame:
    """Return the item columns to show, by position; times are those of UTC."""
    table = by_position(given.toArrow())
    zoned = [name for name, kind in table.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
    return table.with_columns(pl.col(zoned).dt.convert_time_zone("UTC").dt.replace_time_zone(None))


def by_position(table: pa.Table) -> pl.DataFrame:
    """Return a table of Arrow without its positions, in their order."""
    return pl.DataFrame(pl.from_arrow(table)).sort("position").drop("position")
