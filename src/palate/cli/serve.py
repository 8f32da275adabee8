"""``palate serve``: the page, or the HTTP service of a store."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common

if TYPE_CHECKING:
    from palate.models import Recommender

SECONDS = 0.5  # between two looks for the first model


def serve(
    model: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MODEL]…",
            help="Model files, as train writes them. The page shows all; with --store each becomes a version, and the "
            "last one answers.",
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on, 127.0.0.1 if not given; 0.0.0.0 lets other machines in."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 0 takes a free one. 7860 for the page, 8000 with --store."),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name that clients may call this server by.")
    ] = None,
    trust_proxy: Annotated[
        bool, typer.Option("--trust-proxy", help="Believe X-Forwarded-Host and -Proto: a reverse proxy is in front.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show the models that are there; others join the page when their files do.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Serve by HTTP from this store, instead of the page: sqlite:///shop.db (made if absent) or "
            "postgresql+psycopg://….",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where the store's model files are; beside the file of SQLite if not given."),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Whose the models are, and who asks without a key: 'default'; made if absent.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes that answer; 1 at first.")] = None,
    keep_lists: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, help="Delete lists shown longer ago than this.")
    ] = None,
    keep_events: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, help="Delete feedback received longer ago than this.")
    ] = None,
    new_items_share: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of places for new items that the model cannot score; 0.1 at first."),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(metavar="EVERY", help="Train the model anew so often, such as 1d; see 'palate schedule'."),
    ] = None,
    log: Annotated[
        Literal["requests", "problems"] | None,
        typer.Option(help="JSON lines on stderr: of each request (so if not given), or of those alone that failed."),
    ] = None,
    as_json: common.Json = False,
) -> None:
    """Open a page on which people find their recommendations, or with --store an HTTP service.

    [dim]palate serve model.safetensors[/]

    [dim]palate serve model.safetensors --store sqlite:///shop.db --workers 2[/]

    What the options do not tell, environment variables do: PALATE_KEEP_LISTS=30, PALATE_RATE=100.
    """
    if store is None:
        if not model:
            raise common.usage_error("the page shows models: name a model file, or a store with --store")
        shown = {"host": host or "127.0.0.1", "port": 7860 if port is None else port, "allow_hosts": allow_host or ()}
        _page(model, {**shown, "trust_proxy": trust_proxy}, wait=wait, as_json=as_json)
        return
    given: dict[str, Any] = {
        "store": store,
        "folder": folder,
        "namespace": namespace,
        "host": host,
        "port": port,
        "workers": workers,
    }
    given |= {"allow_host": allow_host and tuple(allow_host), "keep_lists": keep_lists, "keep_events": keep_events}
    given |= {"new_items_share": new_items_share, "schedule": schedule, "log": log}
    _service(model or [], {name: value for name, value in given.items() if value is not None}, as_json=as_json)


def _service(models: list[Path], given: dict[str, Any], *, as_json: bool) -> None:
    """Serve a store by HTTP until SIGTERM or Ctrl-C."""
    from palate.errors import missing_extra

    try:
        from palate.serve.running import run
        from palate.serve.settings import told
    except ModuleNotFoundError as error:
        raise missing_extra("serve", "palate serve --store") from error
    settings = told(**given)

    def started(url: str) -> None:
        if as_json:
            common.emit({"url": url, "docs": f"{url}docs", "workers": settings.workers})
            sys.stdout.flush()
        else:
            line = f"Palate answers at {url}, described at {url}docs  (Ctrl-C ends it)"
            common.console().print(line, soft_wrap=True)  # addresses stay whole, in a file too

    run(settings, models, started=started)


def _page(model: list[Path], options: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    """Serve the page until Ctrl-C."""
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
