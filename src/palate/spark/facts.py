"""The facts of a folder: one row of JSON, written last, so that a folder without it is known to be half written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from palate.errors import DataError, Set
from palate.spark.failures import clear_errors

if TYPE_CHECKING:
    from pyspark.sql import DataFrameReader, SparkSession

UNFINISHED = "unfinished"  # the only fact of a folder that is being written


def path_in(path: str, *names: str) -> str:
    """Return the path of something in a folder, whatever file system it lies in."""
    return "/".join([path.rstrip("/") or "/", *names])


def write_facts(spark: SparkSession, path: str, facts: Mapping[str, Any]) -> None:
    """Write what there is to know of a folder, over what stood there."""
    from pyspark.sql import functions as F

    text = json.dumps(facts)
    with clear_errors(path, "writing its facts"):
        spark.range(1).select(F.lit(text).alias("json")).write.mode("overwrite").parquet(path_in(path, "facts"))


def begin_facts(spark: SparkSession, path: str) -> None:
    """Mark a folder as half written, until `write_facts`."""
    write_facts(spark, path, {UNFINISHED: True})


def read_facts(spark: SparkSession, path: str, kind: str, how: str) -> dict[str, Any]:
    """Return the facts of a folder.

    Args:
        spark: the session.
        path: the folder.
        kind: what it is, such as "prepared folder".
        how: what makes one, such as "palate.spark.prepare".

    Raises:
        DataError: there is no such folder, it is another one, half written, or damaged.
    """
    if not exists(spark, path):
        raise DataError(f"there is no {kind} {path}: {how} writes one", code="not_found", subject=path)
    facts = facts_of(spark, path)
    if facts is None:
        raise DataError.of(
            path, f"is no {kind}, or is half written: it has no facts; {how} writes one anew", code="damaged"
        )
    if facts.get("kind") != kind:
        raise DataError.of(path, f"is no {kind}, but a {facts.get('kind')}", code="format")
    return facts


def facts_of(spark: SparkSession, path: str) -> dict[str, Any] | None:
    """Return the facts of a folder, or None where it has none: it is another one, or half written.

    Raises:
        DataError: they cannot be read.
    """
    folder = path_in(path, "facts")
    if not exists(spark, folder):
        return None
    with clear_errors(path, "reading its facts"):
        rows = spark.read.schema("json string").parquet(folder).limit(2).collect()
    try:
        facts = json.loads(rows[0]["json"]) if len(rows) == 1 and rows[0]["json"] else None
    except ValueError:
        facts = None
    return facts if isinstance(facts, dict) and UNFINISHED not in facts else None


def exists(spark: SparkSession, path: str) -> bool:
    """Return whether Spark sees a file or folder of this name."""
    from pyspark.errors import AnalysisException

    with clear_errors(path, "looking whether it is there"):
        try:
            _ = _files(spark).load(path).schema
        except AnalysisException as error:
            if error.getCondition() != "PATH_NOT_FOUND":
                raise
            return False
    return True


def check_free(spark: SparkSession, path: str, *, overwrite: bool) -> None:
    """Refuse a path where something lies already, unless it may be written over.

    Raises:
        DataError: says what lies there.
    """
    if not isinstance(path, str) or not path.strip():
        raise DataError.of("path", f"is the name of a folder, got {path!r}", code="parameter", value=path)
    if overwrite or not exists(spark, path):
        return
    with clear_errors(path, "looking what lies there"):
        every = _files(spark).option("recursiveFileLookup", True).load(path)
        first = every.select("path").limit(1).collect()
    if first:
        half = "" if facts_of(spark, path) is not None else ", and is not whole"
        raise DataError.of(
            path, f"exists already{half}; ", Set("overwrite", True), " writes over it", code="data", value=path
        )


def _files(spark: SparkSession) -> DataFrameReader:
    return spark.read.format("binaryFile")
