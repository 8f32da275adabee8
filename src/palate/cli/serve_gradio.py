"""``palate serve --gradio``: the page of lists by user id, alone, without a store."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.cli import common

if TYPE_CHECKING:
    from palate.models import Recommender

SECONDS = 0.5  # between two looks for the first model
PORT = 7860


def serve_gradio(model: list[Path], options: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    """Serve the page until Ctrl-C.

    Args:
        model: files; the first is shown at once.
        options: of `palate.ui.launch`.
        wait: files that are not there yet join when they are.
        as_json: print the address as JSON.
    """
    if not model:
        raise common.usage_error("this page shows models: name a model file")
    from palate.ui import launch

    names = [path.stem for path in model]
    if len(set(names)) < len(names):
        raise common.usage_error(
            f"the page names models by their files, and two are called {max(names, key=names.count)}"
        )
    paths = dict(zip(names, model, strict=True))
    with contextlib.suppress(KeyboardInterrupt):
        loaded, coming = _loaded(paths, wait=wait)
        fitted = loaded if len(model) > 1 else loaded[names[0]]
        with common.live_progress() as progress:
            page = launch(fitted, block=False, progress=progress, coming=coming, **options)
        with page as server:
            _say(server.url, model, list(coming), as_json=as_json)
            server.wait()


def _loaded(paths: Mapping[str, Path], *, wait: bool) -> tuple[dict[str, Recommender], dict[str, Path]]:
    """Return the models whose files are there, and the files of the others, for which the page may wait."""
    from palate import files

    if wait and not any(path.exists() for path in paths.values()):
        common.console(stderr=True).print("waiting for the first model")
        while not any(path.exists() for path in paths.values()):
            time.sleep(SECONDS)
    coming = {name: path for name, path in paths.items() if wait and not path.exists()}
    return {name: files.load(path) for name, path in paths.items() if name not in coming}, coming


def _say(url: str, model: list[Path], coming: list[str], *, as_json: bool) -> None:
    if as_json:
        common.emit({"url": url, "model": str(model[0]), "models": list(map(str, model)), "coming": coming})
        sys.stdout.flush()
        return
    common.console().print(f"Palate is at {url}  (Ctrl-C ends it)")
    if coming:
        common.console().print(f"It will also show, as soon as they are trained: {', '.join(coming)}")
