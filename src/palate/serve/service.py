"""What stands behind the routes of one worker: the store, the engine, keys, rates and cursors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from palate.serve.access import Access
from palate.serve.cursors import Cursors
from palate.serve.limits import Rates
from palate.serve.settings import Settings
from palate.store.store import open_store

if TYPE_CHECKING:
    from palate.store.store import Store

MakeEngine = Callable[["Store", Settings], Any]


@dataclass(frozen=True, slots=True)
class Service:
    """What one worker answers with."""

    settings: Settings
    store: Store
    engine: Any
    batcher: Any
    access: Access
    rates: Rates
    cursors: Cursors


@contextmanager
def opened(settings: Settings, make_engine: MakeEngine | None = None) -> Iterator[Service]:
    """Open what a worker answers with; it is closed at the end of the block.

    Args:
        settings: what the service was told.
        make_engine: makes the engine; of a test.

    Raises:
        StoreError: the store is of another schema, or none.
        UnavailableError: it cannot be reached now.
    """
    with open_store(settings.store, settings.folder) as store:
        engine, batcher = (make_engine or _engine)(store, settings)
        access = Access(store, settings.namespace, settings.host, settings.key_seconds)
        store.folder.mkdir(parents=True, exist_ok=True)
        rates = Rates(store.folder / "rates", settings.rate, settings.burst or max(1.0, settings.rate))
        access.start()
        try:
            yield Service(
                settings, store, engine, batcher, access, rates, Cursors(store.secret, settings.cursor_seconds)
            )
        finally:
            access.close()
            rates.close()
            close = getattr(batcher, "close", None)
            if close is not None:
                close()


def _engine(store: Store, settings: Settings) -> tuple[Any, Any]:
    made = import_module("palate.serve.engine")
    engine = made.Engine(store)
    return engine, made.Batcher(engine)
