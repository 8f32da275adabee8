"""What parameters that are None become on Spark: by one machine's own functions, of all rows or of a sample.

Up to `SAMPLE` rows come to the driver whole, and the settings are those of one machine with the rows in the order of
users and items. Of more data:

    exact           mean, spread, the median of values, and with them o, the unit of reg, and the number of factors:
                    they are sums over rows (`palate.models.ridge.weighing`), added in the order of blocks
    by a sample     which share of the noise's edge, and the edge; the biases' penalties, and the intercept; shrinkage

A sample is a part of the users and of the items, by a hash of the seed and the position, and all rows between them.
With shares g and h of them g h n rows are left, and rows of h and g times the lengths. Of ratings both sides' rows are
made equally long: taste is found where the signal, which grows as sqrt(g h), stands above the noise, which grows as the
root of the longer side; then reg needs no scaling. Penalties of biases are ratios of variances, and need none, either.
Of clicks all items stay, and users have whole rows, for their lists are what the shrinkage is judged by. docs/spark.md
has what sampling costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.models import ALS, ImplicitALS
from palate.models.contract.learner import Training
from palate.models.items.clicks import Positive, clicks_of, training_clicks, typical_value
from palate.models.ridge.als import USUAL_START
from palate.models.ridge.biases import spread_of
from palate.models.ridge.rows import on_ids
from palate.models.ridge.shrinking import chosen_shrinkage
from palate.models.ridge.sweeps import ALSSettings
from palate.models.ridge.weighing import (
    SideSums,
    Weighing,
    clicks_weigh,
    factors_for,
    unit_of,
    weight_of_share,
)
from palate.parallel import Workers
from palate.progress import ProgressCallback, silent
from palate.spark.blocks import positions_of
from palate.spark.clicks import check_values
from palate.spark.failures import clear_errors
from palate.spark.prepared import Prepared, SideName
from palate.sparse import Rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

SAMPLE = 2_000_000  # rows
GRAINS = 1 << 30  # that a hash falls into
SIDES: tuple[SideName, SideName] = ("user", "item")
SUMS = "block int, part int, row int, n_rows bigint, weight double, powers double, n_clicks bigint"


@dataclass(frozen=True)
class UsedRatings:
    """The settings of `ALS` as they are used.

    Attributes:
        settings: mean and penalties.
        init_scale: standard deviation of the users' factors to begin with.
    """

    settings: ALSSettings
    init_scale: float


@dataclass(frozen=True)
class UsedClicks:
    """The settings of `ImplicitALS` as they are used.

    Attributes:
        weighing: weights and penalties.
        n_factors: of each row.
        shrinkage: that reg amounts to.
        typical: of a value that counts 1; 0 for values as they are.
        n_warm: users and items with clicks.
    """

    weighing: Weighing
    n_factors: int
    shrinkage: float
    typical: float
    n_warm: tuple[int, int]


def used_ratings(prepared: Prepared, model: ALS, seed: int, progress: ProgressCallback = silent) -> UsedRatings:
    """Return the settings of `ALS`.

    Raises:
        DivergenceError: the biases cannot be estimated of these ratings.
        SparkError, DataError: the rows cannot be read.
    """
    _, _, weight, weighted, weighted_squares = prepared.facts["sums"]
    mean = weighted / weight
    spread = max(weighted_squares / weight - mean**2, 0.0) ** 0.5 or 1.0
    is_given = None not in (model.reg, model.reg_biases)
    if prepared.n_rows <= SAMPLE and not is_given:
        data, features = whole(prepared, features=model.reg is None)
        return _of_rows(data, features, model, seed, spread_of(data), progress)
    data = some_rows(mean) if is_given else sample(prepared, seed, balanced(prepared))
    found = _of_rows(data, (None, None), model, seed, spread, progress)
    if not model.biases or model.reg_biases is None:
        return found
    return replace(found, settings=replace(found.settings, mean=float(np.dtype(model.dtype).type(mean))))


def chosen_of_rows(data: Interactions, model: ALS, seed: int) -> UsedRatings:
    """Return the settings of `ALS` that one machine finds of these rows."""
    return _of_rows(data, (None, None), model, seed, spread_of(data), silent)


def _of_rows(
    data: Interactions,
    features: tuple[Features | None, Features | None],
    model: ALS,
    seed: int,
    spread: float,
    progress: ProgressCallback,
) -> UsedRatings:
    training = Training(data, None, *features, None, progress)
    init_scale = float(model.init_scale or USUAL_START * spread**0.5)
    arrays = on_ids(features[0], data.users), on_ids(features[1], data.items)
    with Workers(model.n_threads) as workers:
        settings, _ = model._begun(training, arrays, init_scale, seed, workers)
    return UsedRatings(settings, init_scale)


def used_clicks(prepared: Prepared, model: ImplicitALS, seed: int, progress: ProgressCallback = silent) -> UsedClicks:
    """Return the settings of `ImplicitALS`.

    Raises:
        DataError: the values are no clicks by the rule of ``positive``, or no row is one.
        SparkError: the rows cannot be read.
    """
    if prepared.n_rows <= SAMPLE:
        data, features = whole(prepared, features=model.reg is None and model.shrinkage is None)
        return _of_clicks(Training(data, None, *features, None, progress), model, seed)
    check_values((prepared.facts["lowest"], prepared.facts["highest"]), model.positive)
    typical = median_value(prepared) if model.alpha is None and model.positive == "values" else 0.0
    return _of_sums(prepared, model, typical, seed, progress)


def _of_clicks(training: Training, model: ImplicitALS, seed: int) -> UsedClicks:
    """Return the settings as one machine finds them."""
    data = training.data
    typical = typical_value(data, model.positive) if model.alpha is None else 0.0
    clicks = training_clicks(data, model.positive, typical)
    by_item = clicks.transpose(data.n_items)
    warm = clicks.sizes > 0, by_item.sizes > 0
    k = model._factors_used(training, warm)
    weighing, shrinkage = model._weighing(training, clicks, by_item, seed)
    return UsedClicks(weighing, k, shrinkage, typical, (int(warm[0].sum()), int(warm[1].sum())))


def _of_sums(
    prepared: Prepared, model: ImplicitALS, typical: float, seed: int, progress: ProgressCallback
) -> UsedClicks:
    """Return the settings by sums over all rows, and the shrinkage by a sample."""
    alpha = 1.0 if model.alpha is None else model.alpha
    add = partial(side_sums, prepared, positive=model.positive, typical=typical)
    totals = [add(side, weighing=Weighing(alpha, 0.0, 1.0, 0.0), n_columns=0)[0] for side in SIDES]
    n_warm = totals[0].n_rows, totals[1].n_rows
    share, o = model.unobserved_share, model.unobserved_weight
    if o is None:
        o = weight_of_share(totals[0].weight, *n_warm, share)
    plain = Weighing(alpha, o, 1.0, model.reg_exponent)
    (users, n_clicks), (items, _) = (
        add(side, weighing=plain, n_columns=n_warm[1 - at]) for at, side in enumerate(SIDES)
    )
    unit = unit_of(users, items, n_clicks) * share**0.5
    k = factors_for(*n_warm) if model.n_factors is None else model.n_factors
    if model.shrinkage is None and model.reg is not None:
        return UsedClicks(replace(plain, reg=model.reg), k, model.reg / unit, typical, n_warm)
    shrinkage = model.shrinkage
    if shrinkage is None:
        training = Training(sample(prepared, seed, (SAMPLE / prepared.n_rows, 1.0)), None, None, None, None, progress)
        shrinkage = chosen_shrinkage(model, training, seed)
    return UsedClicks(replace(plain, reg=shrinkage * unit), k, shrinkage, typical, n_warm)


# -- rows at the driver ---------------------------------------------------------------------------------------------


def whole(prepared: Prepared, *, features: bool) -> tuple[Interactions, tuple[Features | None, Features | None]]:
    """Return all rows, in the order of users and items, and the features of both sides where they are asked for."""
    data = collected(prepared, prepared.rows, (prepared.n_users, prepared.n_items))
    return data, (features_of(prepared, "user"), features_of(prepared, "item")) if features else (None, None)


def balanced(prepared: Prepared) -> tuple[float, float]:
    """Return which parts of users and of items leave about `SAMPLE` rows, with rows of both sides as long."""
    return shares_of(min(1.0, SAMPLE / prepared.n_rows), prepared.n_users, prepared.n_items)


def shares_of(share: float, n_users: int, n_items: int) -> tuple[float, float]:
    """Return which parts of users and of items leave a share of the rows, with rows of both sides as long."""
    of_items = min(1.0, max(share, (share * n_users / n_items) ** 0.5))
    return share / of_items, of_items


def sample(prepared: Prepared, seed: int, shares: tuple[float, float]) -> Interactions:
    """Return the rows between shares of users and of items, in their order; the same for any blocks and partitions."""
    from pyspark.sql import functions as F

    rows = prepared.rows
    for side, share in zip(SIDES, shares, strict=True):
        drawn = F.pmod(F.xxhash64(F.lit(seed), F.lit(side), F.col(side)), F.lit(GRAINS))
        rows = rows.filter(drawn < F.lit(round(share * GRAINS)))
    return collected(prepared, rows, None)


def collected(prepared: Prepared, rows: DataFrame, shape: tuple[int, int] | None) -> Interactions:
    """Return rows at the driver, by position; without a shape by the places of those that are there."""
    columns = ["user", "item", "value", *["weight"] * prepared.has_weights]
    with clear_errors(prepared.path, "reading its rows"):
        table = rows.select(*columns).toArrow()
    cells = {name: table[name].to_numpy() for name in columns}
    order = np.lexsort((cells["item"], cells["user"]))
    cells = {name: column[order] for name, column in cells.items()}
    n = shape
    if n is None:
        places = [np.unique(cells[side], return_inverse=True) for side in SIDES]
        cells |= {side: place.astype(np.int32) for side, (_, place) in zip(SIDES, places, strict=True)}
        n = len(places[0][0]), len(places[1][0])
    ids = Ids(np.arange(n[0]), "user"), Ids(np.arange(n[1]), "item")
    limits, weights = prepared.rating_range, cells.get("weight")
    return Interactions(cells["user"], cells["item"], cells["value"], None, *ids, limits, {}, weights)


def some_rows(mean: float) -> Interactions:
    """Return a row that no setting is read from."""
    at = np.zeros(1, np.int32)
    return Interactions(at, at, np.full(1, mean, np.float32), None, Ids([0], "user"), Ids([0], "item"), None, {}, None)


def features_of(prepared: Prepared, side: SideName) -> Features | None:
    """Return the features of a side, by position; None where it has none."""
    facts = prepared.features(side)
    if facts is None:
        return None
    n, names = prepared.n(side), tuple(facts["names"])
    matrix = np.zeros((n, len(names)), np.float32)
    with clear_errors(prepared.path, "reading its features"):
        of_side = prepared.layout(side).where("kind = 'features'").select("block", "row", "features")
        for record in of_side.toArrow().to_pylist():
            part = np.frombuffer(record["features"], np.float32).reshape(-1, len(names))
            at = positions_of(record["block"], prepared.n_blocks, n)[record["row"] :][: len(part)]
            matrix[at] = part
    return Features(Ids(np.arange(n), side), matrix, names, tuple(facts["encoding"]))


# -- sums over all rows ---------------------------------------------------------------------------------------------


def median_value(prepared: Prepared) -> float:
    """Return the median of all values."""
    from pyspark.sql import functions as F

    with clear_errors(prepared.path, "finding the median of its values"):
        median = prepared.rows.agg(F.percentile(F.col("value").cast("double"), 0.5)).collect()[0][0]
    return float(np.float32(median))


def side_sums(
    prepared: Prepared, side: SideName, *, positive: Positive, typical: float, weighing: Weighing, n_columns: int
) -> tuple[SideSums, int]:
    """Return sums over the rows of a side, added in the order of blocks, and the number of clicks."""
    task = partial(sums_of_records, positive=positive, typical=typical, weighing=weighing, n_columns=n_columns)
    cells = prepared.layout(side).where("kind in ('cells', 'long')")
    columns = cells.select("kind", "block", "part", "row", "indptr", "indices", "values", "weights")
    with clear_errors(prepared.path, "adding up its clicks"):
        found = columns.mapInArrow(task, SUMS).toArrow().sort_by([(n, "ascending") for n in ("block", "part", "row")])
    table = {name: found[name].to_numpy() for name in found.column_names}
    pieces = table["n_rows"] < 0
    n_rows, weight, powers = (table[name][~pieces].sum().item() for name in SideSums._fields)
    long, place = np.unique(table["row"][pieces], return_inverse=True)
    own = np.zeros(len(long))
    np.add.at(own, place, table["weight"][pieces])  # one after the other: in the order of blocks
    more = weighing.side_sums(own, n_columns)
    total = SideSums(n_rows + more.n_rows, weight + more.weight, powers + more.powers)
    return total, int(table["n_clicks"].sum())


def sums_of_records(
    batches: Iterator[pa.RecordBatch], *, positive: Positive, typical: float, weighing: Weighing, n_columns: int
) -> Iterator[pa.RecordBatch]:
    """Yield the sums of each record; of a piece of a long row, what its clicks weigh, marked by -1 rows."""
    import pyarrow as pa

    rule = "any" if positive is None else positive  # that all values are equal was checked
    for batch in batches:
        found = []
        for record in batch.to_pylist():
            clicks = clicks_of(rows_of_record(record), rule, "the training part", typical)
            own = clicks_weigh(clicks, weighing.alpha)
            sums = SideSums(-1, float(own.sum()), 0.0)
            if record["kind"] == "cells":
                sums = weighing.side_sums(own, n_columns)
            found.append((record["block"], record["part"], record["row"], *sums, len(clicks.indices)))
        names = [field.split()[0] for field in SUMS.split(", ")]
        kinds: list[Any] = [pa.int32()] * 3 + [pa.int64(), pa.float64(), pa.float64(), pa.int64()]
        columns = [pa.array([row[at] for row in found], kind) for at, kind in enumerate(kinds)]
        yield pa.RecordBatch.from_arrays(columns, names=names)


def rows_of_record(record: dict[str, Any]) -> Rows:
    """Return the cells of a record of the layout."""
    indptr = np.frombuffer(record["indptr"], np.int64)
    indices, values = np.frombuffer(record["indices"], np.int32), np.frombuffer(record["values"], np.float32)
    weights = record["weights"]
    return Rows(indptr, indices, values, None if weights is None else np.frombuffer(weights, np.float32))
