"""``palate serve``: the page."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from palate.cli import common


def serve(
    model: Annotated[list[Path], typer.Argument(help="Model files, as train writes them; several to choose from.")],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 7860,
    as_json: common.Json = False,
) -> None:
    """Open a page on which people find their recommendations.

    [dim]palate serve model.safetensors[/]
    """
    from palate import files
    from palate.ui import launch

    names = [path.stem for path in model]
    if len(set(names)) < len(names):
        raise common.usage_error(
            f"the page names models by their files, and two are called {max(names, key=names.count)}"
        )
    loaded = {name: files.load(path) for name, path in zip(names, model, strict=True)}
    fitted = loaded if len(loaded) > 1 else loaded[names[0]]
    with contextlib.suppress(KeyboardInterrupt), launch(fitted, host=host, port=port, block=False) as server:
        if as_json:
            common.emit({"url": server.url, "model": str(model[0]), "models": list(map(str, model))})
            sys.stdout.flush()
        else:
            common.console().print(f"Palate is at {server.url}  (Ctrl-C ends it)")
        server.wait()
