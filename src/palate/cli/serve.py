"""``palate serve``: a store, its HTTP service, and the page on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, serve_check, serve_gradio

if TYPE_CHECKING:
    from palate.serve.settings import Settings

STORE = "palate.db"  # beside the first model, where no store is said


def serve(
    model: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MODEL]…",
            help="Model files, as train writes them. Each becomes a version of the store; the last one answers, "
            "others can be chosen.",
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on, 127.0.0.1 if not given; 0.0.0.0 lets other machines in."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one. 8000, or 7860 with --gradio.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name that clients may call this server by.")
    ] = None,
    trust_proxy: Annotated[
        bool, typer.Option("--trust-proxy", help="Believe X-Forwarded-Proto (and -Host, with --gradio) of a proxy.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Start with the models that are there, the first of which answers; others join."),
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="sqlite:///shop.db or postgresql+psycopg://…, made if absent; palate.db beside the first model if not "
            "given.",
        ),
    ] = None,
    page: Annotated[
        Literal["off", "demo", "visitors"] | None,
        typer.Option(
            help="The page at /: for visitors, each of whom is a person of their own, if not given; demo: anybody may "
            "ask about any user; off: the API alone."
        ),
    ] = None,
    gradio: Annotated[
        bool, typer.Option("--gradio", help="Instead, the page of lists by user id; it keeps nothing (extra 'ui').")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where the store's model files are; beside the file of SQLite if not given."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS",
            help="What was measured of the models, as 'palate versions figures' takes it; the page shows it.",
        ),
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
    check: Annotated[
        bool, typer.Option("--check", help="Say what is wrong with settings, store, models and machine; start nothing.")
    ] = False,
    as_json: common.Json = False,
) -> None:
    """Open a page on which people find their recommendations, on a store that keeps what they say, with its HTTP API.

    [dim]palate serve model.safetensors[/]

    [dim]palate serve model.safetensors --store sqlite:///shop.db --workers 2[/]

    What the options do not tell, environment variables do: PALATE_STORE=…, PALATE_KEEP_LISTS=30, PALATE_RATE=100.
    """
    models = model or []
    if gradio:
        shown: dict[str, Any] = {"host": host or "127.0.0.1", "port": serve_gradio.PORT if port is None else port}
        shown |= {"allow_hosts": allow_host or (), "trust_proxy": trust_proxy}
        serve_gradio.serve_gradio(models, shown, wait=wait, as_json=as_json)
        return
    given = {
        "store": store, "folder": folder, "figures": figures, "namespace": namespace, "host": host, "port": port,
        "workers": workers, "allow_host": allow_host and tuple(allow_host), "trust_proxy": trust_proxy or None,
        "page": page, "keep_lists": keep_lists, "keep_events": keep_events, "new_items_share": new_items_share,
        "schedule": schedule, "log": log,
    }  # fmt: skip
    settings = _settings(models, {name: value for name, value in given.items() if value is not None})
    if check:
        from palate.serve.checking import findings

        serve_check.tell(findings(settings, [path for path in models if path.exists() or not wait]), as_json=as_json)
    else:
        _serve(settings, models, wait=wait, as_json=as_json)


def _settings(models: list[Path], given: Mapping[str, Any]) -> Settings:
    """Return what the service is told: by options, else by the environment, else as this command begins."""
    from palate.errors import missing_extra

    try:
        from palate.serve.settings import told
    except ModuleNotFoundError as error:
        raise missing_extra("serve", "palate serve") from error
    own: dict[str, Any] = {"page": "visitors"}
    if models:
        own["store"] = str(models[0].with_name(STORE))
    told_outside = {name for name in ("page", "store") if f"PALATE_{name.upper()}" in os.environ}
    begun = {name: value for name, value in own.items() if name not in told_outside}
    if not {"store"} & (given.keys() | begun.keys() | told_outside):
        raise common.usage_error("name a model file to begin with, or a store with --store or PALATE_STORE")
    return told(**{**begun, **given})


def _serve(settings: Settings, models: list[Path], *, wait: bool, as_json: bool) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from palate.serve.running import run

    coming = [path.stem for path in models if wait and not path.exists()]

    def started(url: str) -> None:
        if as_json:
            _emit(url, settings, models, coming)
        else:
            _say(url, settings, coming)

    run(settings, models, wait=wait, started=started)


def _emit(url: str, settings: Settings, models: list[Path], coming: list[str]) -> None:
    record = {"url": url, "docs": f"{url}docs", "workers": settings.workers, "page": settings.page}
    record |= {"store": _said(settings), "models": [str(path) for path in models], "coming": coming}
    common.emit(record)
    sys.stdout.flush()


def _say(url: str, settings: Settings, coming: list[str]) -> None:
    stdout = common.console()
    what = "Palate answers at" if settings.page == "off" else "Palate is at"
    stdout.print(f"{what} {url}, its API at {url}docs  (Ctrl-C ends it)", soft_wrap=True)  # addresses stay whole
    stdout.print(f"What people say is kept in {_said(settings)}", soft_wrap=True, markup=False)
    if coming:
        stdout.print(f"As soon as they are trained it also takes: {', '.join(coming)}", markup=False)
    sys.stdout.flush()


def _said(settings: Settings) -> str:
    """Return the store's address without its password."""
    from palate.store.engine import parsed, said

    return said(parsed(settings.store))
