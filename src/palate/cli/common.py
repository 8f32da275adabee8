"""What commands share: options, output to people or as JSON, live progress, messages on stderr."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from palate.atomic import check_target
from palate.cli import completion
from palate.cli.wording import worded
from palate.errors import PalateError
from palate.progress import DONE, Progress, ProgressCallback, figures, label
from palate.terminal import command, json_values, plain, plain_json

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130  # the exit code that Typer gives Ctrl-C
SECONDS_BETWEEN = 5.0  # between two lines of progress where the output is no terminal

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
DataArgument = Annotated[
    str,
    typer.Argument(
        help="ml-100k, a file of ratings, a folder in a MovieLens format, store:URL#NAMESPACE for a store's log, or - "
        "for standard input."
    ),
]
ModelArgument = Annotated[Path, typer.Argument(help="A model file, as train writes it.")]
DataOrParts = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATA]",
        help="ml-100k, a file of ratings, a folder in a MovieLens format, store:URL#NAMESPACE for a store's log, or - "
        "for standard input; or instead --train and --test.",
    ),
]
TrainFile = Annotated[Path | None, typer.Option("--train", help="Training ratings, instead of DATA and --split.")]
TestFile = Annotated[Path | None, typer.Option("--test", help="Test ratings, with --train.")]
OnOverlapOption = Annotated[
    Literal["raise", "drop"],
    typer.Option(help="Where --test rows are also --train rows: an error, or leave them out and say how many."),
]
Read = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="KEY=VALUE",
        help="How to read files; may be repeated: user=, item=, value=, time= (a column's name or position from 0; "
        "none leaves values or times out), title= (of --items), lists=none or lists.COLUMN=SIGN "
        "(of --items and --users: which texts are lists), header=yes|no, quote=none|backslash, encoding=, "
        "ids=text, time_unit=ms|us|ns, rating_range=1:5, on_missing=drop, on_invalid=drop, on_duplicate=last|mean|sum, "
        "max_bytes=4e9 (that a packed file may unpack to).",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A model parameter; may be repeated. See 'palate models'."),
]
PresetOption = Annotated[str | None, typer.Option(help="A ready-made parameter set, such as original.")]
ModelKey = Annotated[
    str,
    typer.Option(
        "--model",
        autocompletion=completion.model,
        help="Which model, see 'palate models'; or a config (.json) of palate tune.",
    ),
]
ItemsOption = Annotated[Path | None, typer.Option(help="A table of item attributes (item id, title, …) joined by id.")]
UsersOption = Annotated[Path | None, typer.Option(help="A table of user attributes joined by id.")]
ATTRIBUTES = "--attributes/--no-attributes"
ABOUT_ATTRIBUTES = (
    "Let the attributes in the user and item tables enter the model; without a word, where it is made for it (bayes)."
)
Attributes = Annotated[bool | None, typer.Option(ATTRIBUTES, help=ABOUT_ATTRIBUTES)]
AttributesOnceFeatures = Annotated[  # under the former name as well
    bool | None, typer.Option(ATTRIBUTES, "--features/--no-features", help=ABOUT_ATTRIBUTES)
]


Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        autocompletion=completion.metrics,
        help="Such as rmse,ndcg@10,recall@20; 'palate models --metrics' lists them all.",
    ),
]


def _positive(text: str) -> float | str:
    """Return a number, or "any"."""
    if text.strip().lower() == "any":
        return "any"
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"takes a number, or any for every row, got '{text}'") from None


PositiveOption = Annotated[
    Any,
    typer.Option(
        parser=_positive,
        metavar="VALUE|any",
        help="Values of at least this are clicks for models that learn from clicks, and relevant in ranked lists; any "
        "takes every row. Without it every test row is relevant.",
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="ITEM", help="An item id that lists are drawn from, instead of all; repeat."),
]
Deny = Annotated[
    list[str] | None, typer.Option("--deny", metavar="ITEM", help="An item id that no list holds; repeat.")
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="CONDITION", help="Draw lists from these items alone: genres=Comedy, 'year>=1990'; repeat."
    ),
]


def names(text: str | None) -> list[str] | None:
    """Return the names of a list with commas."""
    return None if text is None else [word.strip() for word in text.split(",")]


def console(*, stderr: bool = False) -> Console:
    """Return a Rich console through which text from data can do no harm."""
    from palate.cli.screen import Screen

    return Screen(stderr=stderr)


def show_next(stdout: Console, *words: object, done: str = "") -> None:
    """Print what was done and the command that comes next, on one line, as a shell takes it."""
    stdout.print(f"{done}{'; ' if done else ''}next: {command('palate', *words)}", soft_wrap=True)


def tell(text: str) -> None:
    """Write a line, or several, to stderr."""
    sys.stderr.write(plain(text, lines=True) + "\n")


def write(text: str) -> None:
    """Write text to stdout as it is, less what acts on a terminal."""
    sys.stdout.write(plain(text, lines=True))
    sys.stdout.flush()


def emit(record: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout; numbers that are not finite become null."""
    text = json.dumps(json_values(record), ensure_ascii=False, allow_nan=False, default=str)
    sys.stdout.write(plain_json(text) + "\n")
    sys.stdout.flush()  # an output that is full or gone is told here, not at the interpreter's end


def fail(message: str, fields: Mapping[str, Any], *, as_json: bool) -> NoReturn:
    """Say what is wrong, on stderr and as JSON where asked, and exit with 1."""
    if as_json:
        emit({"error": fields})
    err = console(stderr=True)
    err.print("error: ", style="bold red", end="")
    err.print(message)
    sys.exit(1)


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work that it should hold is done.

    Raises:
        PalateError: the folder is not there or closed, or the path is a folder, a device, a pipe or a socket.
    """
    folder = Path(os.path.realpath(path)).parent  # of what a symbolic link points to
    try:
        check_target(path)
        if not folder.is_dir():
            raise PalateError(
                f"cannot write {path}: the folder {folder} is not there; make it first", subject=path, code="disk"
            )
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PalateError.of_disk("cannot write", path, error) from None


class Stopped(SystemExit):
    """Ctrl-C in a command that keeps what was finished; ``words`` tell where, and how to go on."""

    def __init__(self, words: str) -> None:
        super().__init__(INTERRUPTED)
        self.words = words


def usage_error(message: str) -> typer.BadParameter:
    """Return the error for wrong usage, which exits with 2."""
    return typer.BadParameter(message)


def show_version(value: bool) -> None:
    """Print the version and stop."""
    if value:
        from importlib.metadata import version

        sys.stdout.write(version("palate") + "\n")
        raise typer.Exit


def close_stdout() -> None:
    """Point stdout to nowhere, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _StderrHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        words = tuple(map(worded, record.args)) if isinstance(record.args, tuple) else record.args
        tell(f"{record.levelname.lower()}: {str(record.msg) % words if words else record.msg}")


def log_to_stderr() -> None:
    """Send Palate's log messages to stderr, once."""
    log = logging.getLogger("palate")
    if not any(isinstance(h, _StderrHandler) for h in log.handlers):
        log.addHandler(_StderrHandler())


@contextmanager
def live_progress() -> Iterator[ProgressCallback]:
    """Show progress on stderr: a bar for each task where it is a terminal, else a line every few seconds."""
    err = console(stderr=True)
    if not err.is_terminal:
        yield _print_now_and_then()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(10), MofNCompleteColumn())
    with Bars(
        *columns, TextColumn("{task.fields[figures]}", style="dim", markup=False), console=err, transient=True
    ) as bars:
        shown = {"": bars.add_task("starting", total=None, figures="")}

        def show(step: Progress) -> None:
            if step.stage == DONE:
                if step.task in shown:
                    bars.remove_task(shown.pop(step.task))
                return
            if step.task not in shown:
                shown[step.task] = bars.add_task("", total=None, figures="")
            details: dict[str, Any] = {"completed": step.step, "total": step.total, "figures": figures(step.record)}
            bars.update(shown[step.task], description=plain(label(step)), **details)

        yield show


def _print_now_and_then() -> ProgressCallback:
    """Return a callback that prints the first step of each stage, and one every few seconds."""
    last: dict[str, float] = {}

    def show(step: Progress) -> None:
        now, words = time.monotonic(), label(step)
        if step.stage != DONE and now - last.get(words, -math.inf) >= SECONDS_BETWEEN:
            last[words] = now
            tell(f"{words} {step.step}/{step.total}  {figures(step.record)}")

    return show
