"""The ``palate`` command: one file per command, no mathematics; heavy imports wait until a command runs."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import TracebackType
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from palate.cli import (
    common,
    compare,
    data,
    demo,
    doctor,
    evaluate,
    experiments,
    folders,
    jobs,
    keys,
    models,
    off_policy,
    recommend,
    report,
    retrain,
    scenarios,
    schedule,
    serve,
    spark_lists,
    store_rules,
    train,
    tune,
    versions,
    warm,
)
from palate.cli.together import CheckedCommand
from palate.cli.wording import running, worded
from palate.errors import PalateError
from palate.terminal import plain

WRONG_USAGE = 2


class CleanGroup(TyperGroup):
    """The command, whose complaints about its words are as plain as all else it prints."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        """Return the context of a call."""
        with _plain_complaints():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with _plain_complaints():
            return super().invoke(ctx)


@contextmanager
def _plain_complaints() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        error.message = plain(error.message, lines=True)
        raise


app = typer.Typer(
    name="palate",
    cls=CleanGroup,
    help="Recommendations people can trust, from a log of ratings or clicks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(False, "--version", help="Show the version and stop.", callback=common.show_version),
) -> None:
    """Hold what every command shares; `main` reads --debug itself."""


app.add_typer(data.app, name="data")
app.add_typer(keys.app, name="keys")
app.add_typer(store_rules.app, name="store")
app.add_typer(versions.app, name="versions")
app.add_typer(jobs.app, name="jobs")
app.add_typer(schedule.app, name="schedule")
app.add_typer(scenarios.app, name="scenarios")
app.add_typer(experiments.app, name="experiments")
app.add_typer(spark_lists.app, name="spark")
for name, command in (
    ("train", train.train),
    ("recommend", recommend.recommend),
    ("evaluate", evaluate.evaluate),
    ("compare", compare.compare),
    ("tune", tune.tune),
    ("retrain", retrain.retrain),
    ("report", report.report),
    ("serve", serve.serve),
    ("warm", warm.warm),
    ("export", folders.export_model),
    ("import", folders.import_model),
    ("models", models.models),
    ("off-policy", off_policy.off_policy),
    ("demo", demo.demo),
    ("doctor", doctor.doctor),
):
    app.command(name, cls=CheckedCommand)(command)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 when done, 1 for an error in the input, 2 for wrong usage.

    ``--debug`` may stand anywhere on the line.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    common.log_to_stderr()
    running.command = cache(lambda: _command(words))
    try:
        _run(words, debug=debug)
    except Exception:  # only --debug lets one through; the interpreter shows its traceback
        sys.excepthook = _show_traceback
        raise


@cache
def _built() -> Any:
    """Return the command with all commands below it; once a process, for it takes 50 ms."""
    return typer.main.get_command(app)


def _command(words: Sequence[str]) -> Any:
    """Return the command that words name."""
    command = _built()
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return command


def _run(words: list[str], *, debug: bool) -> None:
    try:
        _built()(words, prog_name="palate")
    except PalateError as error:
        if debug:
            raise
        common.fail(worded(error), error.as_dict(), as_json="--json" in words)
    except SystemExit as stop:
        if stop.code == common.INTERRUPTED:
            common.tell(getattr(stop, "words", "stopped; nothing was saved"))
        elif stop.code == WRONG_USAGE and "--json" in words:
            common.emit({"error": {"type": "UsageError", "message": "wrong usage; stderr says what"}})
        raise
    except BrokenPipeError:  # the reader of our output, such as head, has gone
        common.close_stdout()
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        common.close_stdout()
        common.fail(f"cannot read or write: {error}", {}, as_json=False)
    except Exception as error:
        if debug:
            raise
        text = (
            f"unexpected {type(error).__name__}: {error}\nThis is Palate's fault; run again with --debug to see where."
        )
        common.fail(text, {"type": type(error).__name__, "message": text}, as_json="--json" in words)


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    common.tell("".join(traceback.format_exception(kind, error, trace)).rstrip())
