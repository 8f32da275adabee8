"""What the commands of ``palate spark`` share: options, the session, progress, and words for the library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, inputs
from palate.cli.wording import POLICY_KEYS, ROLE_KEYS
from palate.progress import DONE, Progress, ProgressCallback

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

READ_TESTED = (*ROLE_KEYS, *POLICY_KEYS)  # of --read, for test rows
READ_THERE = (*READ_TESTED, "ids", "time_unit", "rating_range")  # of --read, for rows to prepare
FIGURES = {"objective": "objective", "loss": "loss", "train_rmse": "RMSE", "held_out_rmse": "held-out RMSE"}

MasterOption = Annotated[
    str | None,
    typer.Option(
        "--master",
        metavar="ADDRESS",
        help="Where Spark runs: local[2] for two cores of this machine, spark://HOST:7077, yarn, k8s://…; without it "
        "as the environment and spark-defaults.conf say, else all cores of this machine.",
    ),
]
RemoteOption = Annotated[
    str | None,
    typer.Option(
        "--remote",
        metavar="ADDRESS",
        help="A Spark Connect server, such as sc://HOST:15002: no Java is needed here; local[2] starts one.",
    ),
]
ConfOption = Annotated[
    list[str] | None,
    typer.Option(
        "--conf", metavar="NAME=VALUE", help="A setting of Spark, such as spark.executor.memory=8g; may be repeated."
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Write over what is there; without it that is an error.")
]
ReadThere = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="KEY=VALUE",
        help="How to read rows; may be repeated: user=, item=, value=, time=, weight= (a column's name or position "
        "from 0; none leaves values or times out), ids=text, time_unit=ms|us|ns, rating_range=1:5, on_missing=drop, "
        "on_invalid=drop, on_duplicate=last|mean|sum.",
    ),
]
ReadTested = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="KEY=VALUE",
        help="How to read test rows; may be repeated: user=, item=, value=, time=, weight= (a name or a position; none "
        "leaves values or times out), on_missing=drop, on_invalid=drop, on_duplicate=last|mean|sum.",
    ),
]
ReadColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="KEY=VALUE",
        help="Where columns are; may be repeated: user=, item=, value=, time=, weight= (a name or a position; none "
        "leaves values or times out).",
    ),
]
ItemsThere = Annotated[
    str | None,
    typer.Option("--items", metavar="TABLE", help="Columns of items to show, such as titles: Parquet or CSV, by id."),
]
UserFeatures = Annotated[
    str | None,
    typer.Option(
        "--user-features",
        metavar="TABLE",
        help="Attributes of users that enter the model: Parquet or CSV, a row for each user of RATINGS.",
    ),
]
ItemFeatures = Annotated[
    str | None,
    typer.Option(
        "--item-features",
        metavar="TABLE",
        help="Attributes of items that enter the model: Parquet or CSV, a row for each item of RATINGS.",
    ),
]
FormatOption = Annotated[
    Literal["parquet", "csv"] | None, typer.Option("--format", help="Where the name of RATINGS does not tell it.")
]
TrainedArgument = Annotated[str, typer.Argument(metavar="TRAINED", help="A folder as palate spark train writes it.")]
RatingsArgument = Annotated[
    str, typer.Argument(metavar="RATINGS", help="A Parquet or CSV file or folder, at an address that Spark reads.")
]


@contextmanager
def session(master: str | None, remote: str | None, conf: list[str] | None) -> Iterator[SparkSession]:
    """Open Spark for a command and tell where its own page is; end it, where it was not there before.

    Raises:
        BadParameter: a --conf is no setting of Spark.
        PalateError: there is no Spark, see `palate.spark.session.open_session`.
    """
    values = checked_conf(conf)
    from palate.spark.executors import check
    from palate.spark.session import opened, page_of

    with opened(master, remote, values) as spark:
        page = page_of(spark)
        if page is not None:
            common.tell(f"Spark's own page: {page}")
        check(spark)
        yield spark


def checked_conf(words: list[str] | None) -> dict[str, str]:
    """Return the settings of repeated --conf words.

    Raises:
        BadParameter: a word is no NAME=VALUE, a name is none of Spark's, or stands twice.
    """
    values = inputs.key_values(words, "--conf")
    if len(values) < len(words or ()):
        raise common.usage_error("--conf gives a name twice: leave out one of them")
    for name in values:
        if not name.startswith("spark."):
            raise common.usage_error(f"--conf: names of Spark's settings begin with 'spark.', got '{name}'")
    return values


def read_there(words: list[str] | None, known: Sequence[str] = READ_THERE, why: str = "") -> dict[str, Any]:
    """Return the keyword arguments of `palate.spark.prepare` that --read words name.

    Args:
        words: as they are typed.
        known: the keys that the command takes.
        why: it takes no others; ends the sentence.

    Raises:
        BadParameter: a key is none of those known, such as one of files that Palate reads itself.
    """
    keys = inputs.key_values(words, "--read")
    if other := [key for key in keys if key not in known]:
        raise common.usage_error(f"--read takes {', '.join(known)} where Spark reads; got {', '.join(other)}{why}")
    return inputs.read_options(words)


@contextmanager
def sweeps_shown(again: str) -> Iterator[ProgressCallback]:
    """Give a callback that writes a line a sweep to stderr; where Ctrl-C ends the block, say what is kept.

    Args:
        again: the command that goes on.

    Raises:
        Stopped: after Ctrl-C.
    """
    last = 0

    def show(step: Progress) -> None:
        nonlocal last
        if step.stage == DONE:
            return
        last = kept_of(step, last)
        told = [f"{word} {step.record[name]:.6g}" for name, word in FIGURES.items() if name in step.record]
        seconds = f" ({step.record['seconds']:.1f} s)" if "seconds" in step.record else ""
        what = "sweep" if step.stage in ("training", "sampling") else step.stage
        common.tell(f"{what} {step.step}/{step.total}{': ' if told else ''}{', '.join(told)}{seconds}")

    try:
        yield show
    except KeyboardInterrupt:
        raise stopped(last, again) from None


def kept_of(step: Progress, last: int) -> int:
    """Return the last sweep that is kept, once a step is done."""
    if step.stage == "sampling":
        from palate.spark.bayes.training import KEPT_SWEEPS  # which is loaded by then

        return step.step // KEPT_SWEEPS * KEPT_SWEEPS
    return step.step if step.stage == "training" else last


def stopped(sweep: int, again: str) -> common.Stopped:
    """Return the end of a command after Ctrl-C, with what is kept."""
    if not sweep:
        return common.Stopped("stopped before a sweep was kept; nothing was saved")
    return common.Stopped(f"stopped after sweep {sweep}, which is kept; to go on: {again}")
