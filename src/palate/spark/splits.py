"""Splits on Spark, by the strings of one machine (`palate.data.splits.making`) and in their meaning.

What one machine draws by a generator, Spark draws by a hash of the seed and the ids' texts,

    h = xxhash64(seed, text of the user's id, text of the item's id)                                               (1)

so that a row falls into the same part however the rows are partitioned and ordered, whatever others there are, and
whether ids are integers of 32 or 64 bits, or text:

    random:0.2:42       rows whose upper 53 bits of h lie below 0.2 of 2^53: a fifth, give or take
    stratified:0.25:42  of each user's rows those of the lowest h, a quarter rounded to whole rows
    kfold:5:42          fold k has the rows with h mod 5 = k
    cold-items:0.2:42   a fifth of the items, those of the lowest hash of seed and item; of users alike
    last:1              the latest rows of each user; at equal times those of the higher item id
    time:0.2, rolling   cut at the very moments at which one machine cuts
    my-split.parquet    the rows of a file of `palate.save_splits`, with the interactions that it was made of

official:u1 is a split by the order of rows, which Spark does not keep: it needs a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palate.data.checking import Policy
from palate.data.columns import Columns
from palate.data.dataset import Dataset, interactions_of
from palate.data.interactions import Interactions
from palate.data.splits.file import FILE_ENDING, load_splits
from palate.data.splits.making import parsed
from palate.data.splits.split import InTime
from palate.errors import Blank, DataError, ParameterError, Remedy, Set
from palate.spark.executors import check as check_executors
from palate.spark.facts import check_free, path_in
from palate.spark.failures import clear_errors
from palate.spark.incoming import incoming
from palate.spark.prepared import Prepared

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

BITS = 53  # of a hash that are compared with a part
BUCKETS = 1 << 16  # of times that are counted at once


@dataclass(frozen=True, eq=False)
class SplitParts:
    """The two parts of a split, columns by role: user, item, value, time, weight as far as they are there.

    Attributes:
        name: the string that makes it, with the fold or window where there are several.
        train, test: the rows.
        in_time: as in `palate.Split`.
    """

    name: str
    train: DataFrame
    test: DataFrame
    in_time: InTime = ""


def split(
    spark: SparkSession,
    ratings: str | DataFrame | Prepared,
    test: str = "random:0.2:42",
    path: str | None = None,
    *,
    columns: Columns | None = None,
    made_of: Dataset | Interactions | None = None,
    overwrite: bool = False,
) -> tuple[DataFrame, DataFrame]:
    """Return a training and a test part; see `make_splits`.

    Args:
        spark: the session.
        ratings, columns, made_of: as `make_splits`.
        test: a split in words, of two parts.
        path: folder to write them to, as ``train`` and ``test``, which are then read; None writes nothing.
        overwrite: write over what lies at ``path``.

    Raises:
        ParameterError, DataError: as `make_splits`, or the string is several splits, or the path exists already.
    """
    if path is not None:
        check_free(spark, path, overwrite=overwrite)
    several = make_splits(spark, ratings, test, columns=columns, made_of=made_of)
    if len(several) > 1:
        raise ParameterError.of(
            f"'{test}'", f"is {len(several)} splits, and this gives one: take make_splits(spark, ratings, '{test}')",
            code="split",
        )  # fmt: skip
    parts = {"train": several[0].train, "test": several[0].test}
    if path is not None:
        for name, frame in parts.items():
            with clear_errors(path, f"writing the {name} part"):
                frame.write.mode("overwrite").parquet(path_in(path, name))
                parts[name] = spark.read.schema(frame.schema).parquet(path_in(path, name))
    return parts["train"], parts["test"]


def make_splits(
    spark: SparkSession,
    ratings: str | DataFrame | Prepared,
    text: str,
    *,
    columns: Columns | None = None,
    made_of: Dataset | Interactions | None = None,
) -> list[SplitParts]:
    """Return the splits that a string names: one, or as many as there are folds or windows.

    Args:
        spark: the session.
        ratings: a path, a DataFrame, or what `prepare` has made.
        text: one of those above.
        columns: as in `prepare`.
        made_of: the interactions, on this machine, that a file of splits was made of.

    Raises:
        ParameterError: the string is none of those above, or is a file and ``made_of`` is missing.
        DataError: the rows cannot be split like this: no times, too few rows, or a file of other interactions.
    """
    if not isinstance(text, str):
        raise ParameterError.of("split", f"is a text such as random:0.2:42, got {text!r}", code="split", value=text)
    text = text.strip()
    kind, values = ("file", [text]) if text.endswith(FILE_ENDING) else parsed(text)
    if kind == "official":
        raise ParameterError.of(
            f"the split '{text}'",
            "goes by the order of the rows, which Spark does not keep: make it on one machine, write it with "
            "save_splits, and give the file",
            code="split",
        )
    check_executors(spark)
    rows = rows_of(spark, ratings, columns)
    with clear_errors(text, "splitting the ratings"):
        if kind == "file":
            several = _of_file(spark, rows, text, made_of)
        else:
            if kind in ("last", "time", "rolling") and "time" not in rows.columns:
                raise DataError(
                    f"the split {text} needs times, and these ratings have none",
                    Remedy(": name their column with ", Set("columns", {"time": Blank("…")}), ", or use random:0.2:42"),
                    code="times",
                    subject=text,
                )
            several = KINDS[kind](rows, text, *values)
        for parts in several:
            _check_whole(parts)
    return several


def rows_of(spark: SparkSession, ratings: str | DataFrame | Prepared, columns: Columns | None = None) -> DataFrame:
    """Return ratings with columns by role: user and item (ids), and value, time and weight where they are there."""
    from pyspark.sql import functions as F

    if not isinstance(ratings, Prepared):
        return incoming(spark, ratings, columns, None, Policy()).rows
    ids = {
        side: ratings.ids(side).select(F.col("position").alias(side), F.col("id").alias(f"{side}_id"))
        for side in ("user", "item")
    }
    rows = ratings.rows.join(ids["user"], "user").join(ids["item"], "item")
    further = [name for name in ratings.rows.columns if name not in ("user", "item")]
    return rows.select(F.col("user_id").alias("user"), F.col("item_id").alias("item"), *further)


# -- the kinds ---------------------------------------------------------------------------------------------------------


def text_of(rows: DataFrame, name: str) -> Column:
    """Return ids as text: an integer is the same text in whatever type it comes."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import DecimalType, DoubleType, FloatType

    fractional = isinstance(rows.schema[name].dataType, DoubleType | FloatType | DecimalType)
    return (F.col(name).cast("long") if fractional else F.col(name)).cast("string")


def hash_of(rows: DataFrame, seed: int, *names: str) -> Column:
    """Return the hash of a seed and ids, eq. 1."""
    from pyspark.sql import functions as F

    return F.xxhash64(F.lit(seed).cast("long"), *(text_of(rows, name) for name in names))


def _by(rows: DataFrame, name: str, test: Column, in_time: InTime = "") -> SplitParts:
    """Return the split whose test part is where a condition holds; where it is null it does not."""
    from pyspark.sql import functions as F

    holds = F.coalesce(test, F.lit(False))
    return SplitParts(name, rows.filter(~holds), rows.filter(holds), in_time)


def _random(rows: DataFrame, name: str, part: float, seed: int) -> list[SplitParts]:
    from pyspark.sql import functions as F

    upper = F.shiftrightunsigned(hash_of(rows, seed, "user", "item"), 64 - BITS)
    return [_by(rows, name, upper < F.lit(math.ceil(part * 2**BITS)))]


def _kfold(rows: DataFrame, name: str, n: int, seed: int) -> list[SplitParts]:
    from pyspark.sql import functions as F

    fold = F.pmod(hash_of(rows, seed, "user", "item"), F.lit(n).cast("long"))
    return [_by(rows, f"{name} fold {k + 1}", fold == k) for k in range(n)]


def _stratified(rows: DataFrame, name: str, part: float, seed: int) -> list[SplitParts]:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    every = Window.partitionBy("user")
    drawn = every.orderBy(hash_of(rows, seed, "user", "item"), *_in_order(rows))
    placed = rows.withColumn("palate_place", F.row_number().over(drawn))
    placed = placed.withColumn("palate_most", F.rint(F.lit(part) * F.count(F.lit(1)).over(every)))
    return [_without(_by(placed, name, F.expr("palate_place <= palate_most")))]


def _last(rows: DataFrame, name: str, n: int) -> list[SplitParts]:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    times = _with_times(rows, name)
    latest = Window.partitionBy("user").orderBy(F.desc("palate_time"), *(F.desc(c) for c in _in_order(rows)))
    placed = times.withColumn("palate_place", F.row_number().over(latest))
    return [_without(_by(placed, name, F.col("palate_place") <= n, "user"))]


def _time(rows: DataFrame, name: str, part: float) -> list[SplitParts]:
    from pyspark.sql import functions as F

    times = _with_times(rows, name)
    n = times.count()
    cut = nth_lowest(times, n - math.ceil(part * n)) if n else 0
    return [_without(_by(times, name, F.col("palate_time") >= cut, "all"))]


def _rolling(rows: DataFrame, name: str, n: int, part: float) -> list[SplitParts]:
    from pyspark.sql import functions as F

    times = _with_times(rows, name)
    n_rows = times.count()
    size = math.ceil(part * n_rows)
    if n * size >= n_rows:
        raise DataError.of(
            f"the split {name}",
            f"has {n} windows of {size:,} rows, and the data has {n_rows:,}: nothing is left to learn from before the "
            "first; take fewer or smaller windows",
            code="split",
        )
    cuts = [nth_lowest(times, n_rows - size * k) for k in range(n, 0, -1)]
    time = F.col("palate_time")
    several = []
    for k, (start, end) in enumerate(zip(cuts, [*cuts[1:], None], strict=True), 1):
        inside = time >= start if end is None else (time >= start) & (time < end)
        window = SplitParts(f"{name} window {k}", times.filter(time < start), times.filter(inside), "all")
        several.append(_without(window))
    return several


def _cold(side: str) -> Callable[..., list[SplitParts]]:
    def kind(rows: DataFrame, name: str, part: float, seed: int) -> list[SplitParts]:
        ids = rows.select(side).distinct().dropna()
        lowest = ids.orderBy(hash_of(ids, seed, side), side).limit(math.ceil(part * ids.count()))
        return [SplitParts(name, rows.join(lowest, side, "left_anti"), rows.join(lowest, side, "left_semi"))]

    return kind


KINDS: dict[str, Callable[..., list[SplitParts]]] = {
    "random": _random,
    "stratified": _stratified,
    "last": _last,
    "time": _time,
    "rolling": _rolling,
    "kfold": _kfold,
    "cold-items": _cold("item"),
    "cold-users": _cold("user"),
}


def nth_lowest(times: DataFrame, place: int) -> int:
    """Return the time that stands at a place, from 0, when they are sorted: by counts of ever narrower spans."""
    from pyspark.sql import functions as F

    low, high = times.agg(F.min("palate_time"), F.max("palate_time")).collect()[0]
    while low < high:
        width = (high - low) // BUCKETS + 1
        inside = times.filter(F.col("palate_time").between(low, high))
        bucket = F.expr(f"(palate_time - {low}L) div {width}L").alias("bucket")
        counts = sorted((row["bucket"], row["count"]) for row in inside.groupBy(bucket).count().collect())
        for number, count in counts:
            if place < count:
                low, high = low + number * width, min(high, low + (number + 1) * width - 1)
                break
            place -= count
    return int(low)


def _with_times(rows: DataFrame, name: str) -> DataFrame:
    """Return rows with whole numbers for their times in ``palate_time``, those of moments in seconds."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import DateType, NumericType, TimestampNTZType, TimestampType

    kind, time = rows.schema["time"].dataType, F.col("time")
    if isinstance(kind, DateType | TimestampType | TimestampNTZType):
        return rows.withColumn("palate_time", time.cast("timestamp").cast("long"))
    if isinstance(kind, NumericType):
        return rows.withColumn("palate_time", time.cast("long"))
    raise DataError.of(
        f"the split {name}", f"needs times that are numbers or moments, and these are {kind.simpleString()}: prepare "
        "the ratings, and split what was prepared", code="times",
    )  # fmt: skip


def _in_order(rows: DataFrame) -> list[str]:
    """Return what tells rows of one user and moment apart."""
    return [name for name in ("item", "value") if name in rows.columns]


def _without(parts: SplitParts) -> SplitParts:
    """Return parts without the columns that made them."""
    frames = [frame.drop("palate_time", "palate_place", "palate_most") for frame in (parts.train, parts.test)]
    return SplitParts(parts.name, frames[0], frames[1], parts.in_time)


def _check_whole(parts: SplitParts) -> None:
    for name in ("train", "test"):
        if getattr(parts, name).isEmpty():
            raise DataError.of(
                f"the split {parts.name}", f"leaves no row in the {name} part; choose another size", code="split"
            )


# -- files -------------------------------------------------------------------------------------------------------------


def _of_file(
    spark: SparkSession, rows: DataFrame, path: str, made_of: Dataset | Interactions | None
) -> list[SplitParts]:
    if made_of is None:
        raise ParameterError.of(
            f"the split '{path}'",
            "holds row numbers, and Spark keeps no order of rows: give the interactions that it was made of",
            Remedy(", ", Set("made_of", Blank("interactions"))),
            code="split",
        )
    data = interactions_of(made_of, "made_of")
    several = []
    for one in load_splits(path, data):
        train, test = (_rows_at(spark, rows, data, part) for part in (one.train, one.test))
        several.append(SplitParts(one.name, train, test, one.in_time))
    return several


def _rows_at(spark: SparkSession, rows: DataFrame, data: Interactions, part: Any) -> DataFrame:
    """Return the rows whose ids are those of some of the interactions."""
    import pyarrow as pa

    names = ("palate_user", "palate_item")
    sides: Sequence[Any] = ((data.users, data.user_index), (data.items, data.item_index))
    ids = (pa.array(list(map(str, side.at(index[part]))), pa.string()) for side, index in sides)
    pairs = spark.createDataFrame(pa.table(dict(zip(names, ids, strict=True))))
    same = [text_of(rows, side) == pairs[name] for side, name in zip(("user", "item"), names, strict=True)]
    return rows.join(pairs, same, "left_semi")
