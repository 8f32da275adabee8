"""``palate warm``: compile what models need, before somebody waits for it; for servers and images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palate.cli import common

if TYPE_CHECKING:
    from palate.warming import Warmed


def warm(
    models: Annotated[
        list[str] | None, typer.Argument(help="Model files, or keys of 'palate models'; every key without a word.")
    ] = None,
    as_json: common.Json = False,
) -> None:
    """Compile what models need to train and to answer, and keep it on disk for every later run.

    [dim]palate warm als ials    or, of models that are to be served,    palate warm model.safetensors[/]
    """
    from palate.models import MODELS
    from palate.parallel import kernel_cache
    from palate.warming import warm

    started = time.perf_counter()
    chosen = {word: _named(word) for word in models or MODELS}
    with common.live_progress() as progress:
        warm(chosen, progress=progress)
    seconds = time.perf_counter() - started
    if as_json:
        common.emit({"models": list(chosen), "seconds": round(seconds, 3), "cache": str(kernel_cache())})
    else:
        common.console().print(
            f"{', '.join(chosen)}: ready in {seconds:.1f} s; compiled code is kept in {kernel_cache()}", markup=False
        )


def _named(word: str) -> Warmed:
    """Return a key, or the model of a file."""
    from palate import files
    from palate.models import MODELS

    if word not in MODELS and not Path(word).exists():
        raise common.usage_error(f"'{word}' is no file and no model's key; the keys are {', '.join(MODELS)}")
    return word if word in MODELS else files.load(word)
