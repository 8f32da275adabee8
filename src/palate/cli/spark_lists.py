"""``palate spark recommend``, ``evaluate`` and ``split``: lists for all, what they are worth, parts to measure on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli import common, completion, inputs
from palate.cli import spark_options as options
from palate.cli.spark import app as app
from palate.cli.together import CheckedCommand
from palate.cli.wording import ROLE_KEYS

if TYPE_CHECKING:
    from palate.spark.trained import Trained


@app.command("recommend", cls=CheckedCommand)
def recommend(
    trained: options.TrainedArgument,
    out: Annotated[str, typer.Option("--out", "-o", metavar="LISTS", help="The folder of Parquet to write.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many items a user.")] = 10,
    where: common.WhereOption = None,
    allow: common.Allow = None,
    deny: common.Deny = None,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Also items that the user had in training.")
    ] = False,
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="0 is the order of scores; more trades score for variety.")
    ] = 0.0,
    item_groups: Annotated[
        int | None,
        typer.Option(min=1, help="Parts to deal items over, a task each; without it as many as hold 1 GiB of items."),
    ] = None,
    overwrite: options.OverwriteOption = False,
    master: options.MasterOption = None,
    remote: options.RemoteOption = None,
    conf: options.ConfOption = None,
    as_json: common.Json = False,
) -> None:
    """Write the best items of all users, as palate recommend --all would: user_id, rank, item_id, score.

    [dim]palate spark recommend trained --out lists -n 20[/]
    """
    started = time.perf_counter()
    with options.session(master, remote, conf) as spark:
        from palate.spark.recommend import recommend_all
        from palate.spark.trained import Trained

        made = Trained.open(spark, trained)
        part = {**_part(made, allow, deny), "where": where or None}
        more: dict[str, Any] = {"diversity": diversity, "item_groups": item_groups, "overwrite": overwrite}
        rows = recommend_all(made, out, n, exclude_seen=not include_seen, **part, **more).count()
    record = {"rows": rows, "seconds": time.perf_counter() - started, "out": out}
    if as_json:
        common.emit(record)
    else:
        common.console().print(f"{rows:,} rows of lists in {record['seconds']:.1f} s: {out}")


def _part(trained: Trained, allow: list[str] | None, deny: list[str] | None) -> dict[str, Any]:
    """Return --allow and --deny as the library takes them."""
    return {name: _ids(trained, words, f"--{name}") for name, words in (("allow", allow), ("deny", deny))}


def _ids(trained: Trained, words: list[str] | None, option: str) -> list[Any] | None:
    """Return item ids of the kind that the data have.

    Raises:
        BadParameter: a word is no integer where ids are integers.
    """
    if words is None or trained.prepared.facts["ids"]["item"] == "text":
        return words
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise common.usage_error(f"{option}: item ids are integers here ({error})") from None


@app.command("evaluate", cls=CheckedCommand)
def evaluate(
    trained: options.TrainedArgument,
    test: Annotated[str, typer.Option("--test", metavar="RATINGS", help="Test rows: a Parquet or CSV file or folder.")],
    metrics: common.Metrics = None,
    positive: common.PositiveOption = None,
    where: common.WhereOption = None,
    allow: common.Allow = None,
    deny: common.Deny = None,
    on_overlap: common.OnOverlapOption = "raise",
    read: options.ReadTested = None,
    master: options.MasterOption = None,
    remote: options.RemoteOption = None,
    conf: options.ConfOption = None,
    as_json: common.Json = False,
) -> None:
    """Measure a trained model on test rows, with the metrics of palate evaluate and their names.

    [dim]palate spark evaluate trained --test parts/test --metrics rmse,ndcg@10[/]
    """
    given = options.read_there(read, options.READ_TESTED)
    with options.session(master, remote, conf) as spark:
        from palate.spark.evaluating import evaluate as evaluate_there
        from palate.spark.trained import Trained

        made = Trained.open(spark, trained)
        part = {**_part(made, allow, deny), "where": where or None, "on_overlap": on_overlap}
        found = evaluate_there(made, test, common.names(metrics), positive=positive, **part, **given)
    if as_json:
        common.emit(found.to_dict())
        return
    from palate.cli.draw import metrics as drawn

    stdout = common.console()
    stdout.print(drawn([(trained, found.metrics)], f"{made.model!r}"))
    worst = {name: summary.worst_tenth for name, summary in found.summaries.items()}
    if told := ", ".join(f"{name} {value:.4f}" for name, value in worst.items() if value == value):
        stdout.print(f"worst tenth of users: {told}")
    stdout.print(f"trained on {made.prepared.n_rows:,} ratings, measured on {found.n_test:,}")


@app.command("split", cls=CheckedCommand)
def split(
    ratings: options.RatingsArgument,
    out: Annotated[str, typer.Option("--out", "-o", metavar="PARTS", help="The folder to write: train/ and test/.")],
    by: Annotated[
        str,
        typer.Option(
            "--split", autocompletion=completion.split, help="Such as time:0.2, last:1, cold-items:0.2:42, or a file."
        ),
    ] = inputs.DEFAULT_SPLIT,
    overwrite: options.OverwriteOption = False,
    read: options.ReadColumns = None,
    master: options.MasterOption = None,
    remote: options.RemoteOption = None,
    conf: options.ConfOption = None,
    as_json: common.Json = False,
) -> None:
    """Write a training part and a test part of ratings; the same rows whatever the partitions.

    [dim]palate spark split ratings.parquet --split time:0.2 --out parts[/]
    """
    given = options.read_there(read, ROLE_KEYS, "; a split moves rows as they are, and prepare and evaluate check them")
    with options.session(master, remote, conf) as spark:
        from palate.spark.splits import split as split_there

        parts = split_there(spark, ratings, by, out, overwrite=overwrite, **given)
        n_train, n_test = (part.count() for part in parts)
    if as_json:
        common.emit({"split": by, "n_train": n_train, "n_test": n_test, "out": out})
        return
    done = f"{n_train:,} training and {n_test:,} test ratings, by {by}"
    common.show_next(common.console(), "spark", "prepare", f"{out}/train", "--out", "prepared", done=done)
