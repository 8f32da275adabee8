"""``palate serve``: the page."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli import common

if TYPE_CHECKING:
    from palate.models import Recommender

SECONDS = 0.5  # between two looks for the first model


def serve(
    model: Annotated[list[Path], typer.Argument(help="Model files, as train writes them; several to choose from.")],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 7860,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name that clients may call this page by.")
    ] = None,
    trust_proxy: Annotated[
        bool, typer.Option("--trust-proxy", help="Believe X-Forwarded-Host and -Proto: a reverse proxy is in front.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show the models that are there; others join the page when their files do.")
    ] = False,
    as_json: common.Json = False,
) -> None:
    """Open a page on which people find their recommendations.

    [dim]palate serve model.safetensors[/]
    """
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
        options: dict[str, Any] = {"allow_hosts": allow_host or (), "trust_proxy": trust_proxy, "coming": coming}
        with common.live_progress() as progress:
            page = launch(fitted, host=host, port=port, block=False, progress=progress, **options)
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
