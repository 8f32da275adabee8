"""What commands share: options, output to people or as JSON, live progress, messages on stderr."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from palate.errors import PalateError
from palate.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Data = Annotated[str, typer.Argument(help="ml-100k, a file of ratings, or a folder in a MovieLens format.")]
Model = Annotated[Path, typer.Argument(help="A model file, as train writes it.")]
Read = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="KEY=VALUE",
        help="How to read files; may be repeated: user=, item=, value=, time= (column names), ids=text, encoding=, "
        "rating_range=1:5, on_missing=drop, on_invalid=drop, on_duplicate=last|mean|sum.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A model parameter; may be repeated. See 'palate models'."),
]
Preset = Annotated[str | None, typer.Option(help="A ready-made parameter set, such as original.")]
ModelKey = Annotated[str, typer.Option("--model", help="Which model; see 'palate models'.")]
Items = Annotated[Path | None, typer.Option(help="A table of item attributes (item id, title, …) joined by id.")]
Users = Annotated[Path | None, typer.Option(help="A table of user attributes joined by id.")]


def console(*, stderr: bool = False) -> Console:
    """Return a Rich console; 100 columns at most, so that wide terminals stay readable."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    made.width = min(made.width, 100)
    return made


def emit(record: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(_plain(record), ensure_ascii=False, allow_nan=False, default=_as_json) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_json(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def fail(message: str, kind: str, *, as_json: bool) -> NoReturn:
    """Say what is wrong, on stderr and as JSON where asked, and exit with 1."""
    if as_json:
        emit({"error": {"type": kind, "message": message}})
    err = console(stderr=True)
    err.print("[bold red]error:[/] ", end="")
    err.print(message, markup=False)
    if "on_missing=" in message or "on_duplicate=" in message or "on_invalid=" in message:
        err.print("on the command line: --read on_missing=drop, and so on", markup=False)
    sys.exit(1)


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work that it should hold is done.

    Raises:
        PalateError: the folder is not there or closed, or the path is a folder.
    """
    if path.is_dir():
        raise PalateError(f"cannot write {path}: it is a folder; name a file in it")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        why = "may not be written into" if path.parent.is_dir() else "is not there; make it first"
        raise PalateError(f"cannot write {path}: the folder {path.parent} {why}")


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
        sys.stderr.write(f"{record.levelname.lower()}: {record.getMessage()}\n")


def log_to_stderr() -> None:
    """Send Palate's log messages to stderr, once."""
    log = logging.getLogger("palate")
    if not any(isinstance(h, _StderrHandler) for h in log.handlers):
        log.addHandler(_StderrHandler())


@contextmanager
def live_progress() -> Iterator[ProgressCallback]:
    """Show progress on stderr: a bar where it is a terminal, else a line for about every tenth of the way."""
    err = console(stderr=True)
    if not err.is_terminal:
        yield _print_tenths
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, TextColumn("[dim]{task.fields[figures]}"), console=err) as bars:
        tasks: dict[str, Any] = {}

        def show(step: Progress) -> None:
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.total, figures="")
            bars.update(tasks[step.stage], completed=step.step, total=step.total, figures=figures(step.record))

        yield show


def _print_tenths(step: Progress) -> None:
    if step.step in (1, step.total) or step.step % max(1, step.total // 10) == 0:
        sys.stderr.write(f"{step.stage} {step.step}/{step.total}  {figures(step.record)}\n")


def figures(record: Mapping[str, float]) -> str:
    """Return the few figures of a training record that people watch."""
    names = {"loss": "loss", "train_rmse": "train", "validation_rmse": "validation"}
    return "  ".join(f"{word} {record[name]:.4f}" for name, word in names.items() if name in record)
