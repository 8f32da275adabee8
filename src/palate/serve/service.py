"""What stands behind the routes of one worker: the store, the engine, keys, rates and cursors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from palate.errors import PalateError, UnavailableError
from palate.serve import counting
from palate.serve.access import Access
from palate.serve.chores import Chores
from palate.serve.cursors import Cursors
from palate.serve.limits import Rates
from palate.serve.scheduler import Scheduler
from palate.serve.settings import Settings
from palate.store import jobs, working
from palate.store.cleaning import clean
from palate.store.forgetting import QUICK, scrub
from palate.store.store import open_store
from palate.store.versions import prune

if TYPE_CHECKING:
    from palate.serve.web.guards import Guards
    from palate.serve.web.visitors import Visitors
    from palate.store.store import Store

log = logging.getLogger(__name__)
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
    guards: Guards | None = None

    @property
    def visitors(self) -> Visitors:
        """Makes and reads the cookies of the page's visitors."""
        return self.guard.visitors

    @property
    def guard(self) -> Guards:
        """Says who is who on the page.

        Raises:
            UnavailableError: this service has no page.
        """
        if self.guards is None:
            raise UnavailableError("this service has no page", subject="page")
        return self.guards


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
    with ExitStack() as stack:
        store = stack.enter_context(open_store(settings.store, settings.folder))
        store.folder.mkdir(parents=True, exist_ok=True)
        rates = Rates(store.folder / "rates", settings.rate, settings.burst or max(1.0, settings.rate))
        stack.callback(rates.close)
        access = Access(store, settings.namespace, settings.host, settings.key_seconds)
        stack.callback(access.close)
        access.start()
        engine, batcher = (make_engine or _engine)(store, settings)
        stack.callback(engine.close)
        stack.callback(batcher.close)
        _load(engine)
        cursors = Cursors(store.secret, settings.cursor_seconds)
        stack.enter_context(Chores(store.folder, partial(_clean, store, settings)))
        _count_propensities(stack, store)
        if settings.run_jobs:
            stack.enter_context(Scheduler(store))
        yield Service(settings, store, engine, batcher, access, rates, cursors, _guards(stack, store, settings, access))


def _guards(stack: ExitStack, store: Store, settings: Settings, access: Access) -> Guards | None:
    """Return what knows who is who on the page, where there is one."""
    if settings.page == "off":
        return None
    from palate.serve.web.guards import Guards

    guards = Guards(store, settings, access)
    stack.callback(guards.close)
    return guards


def _count_propensities(stack: ExitStack, store: Store) -> None:
    """Count in one of the workers what lists are still without, from the start on."""
    stop = threading.Event()
    job = partial(counting.count, store, stop, rest=counting.REST)
    chores = Chores(
        store.folder,
        job,
        seconds=counting.SECONDS,
        first=counting.FIRST_SECONDS,
        lock=counting.LOCK,
        what="the counting of propensities",
        tell=lambda _: None,
    )
    stack.enter_context(chores)
    stack.callback(stop.set)


def _load(engine: Any) -> None:
    """Load the models before the first request; one that cannot be loaded is tried again, and `/readyz` says why."""
    try:
        engine.refresh()
    except PalateError as error:
        log.warning("not all models are loaded: %s", error.code)


def _clean(store: Store, settings: Settings) -> None:
    """Delete what is kept too long, old versions and jobs too, and the bytes of people who were forgotten."""
    clean(store, settings.keep_lists, settings.keep_events)
    more = {} if settings.keep_versions is None else {"keep": settings.keep_versions}
    for ns in store.namespaces():
        prune(store, ns, **more)
        jobs.forget_old(store, ns)
    working.remove_leftovers(store)
    scrub(store, most=QUICK)


def _engine(store: Store, settings: Settings) -> tuple[Any, Any]:
    from palate.serve.engine import Batcher, Engine

    engine = Engine(store, new_items_share=settings.new_items_share)
    return engine, Batcher(engine)
