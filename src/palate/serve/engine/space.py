"""One namespace in a worker: its version, items, people and settings, brought up to date before each batch.

The counters of the namespace are read first. A version is loaded in the background while the one before it answers; a
list is of one version throughout. Tombstones, event kinds and items are those of the batch's own transaction. Where
presets name other versions than the active one, there is a tenant for each (`palate.serve.engine.scenarios`).
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from sqlalchemy import Connection, bindparam, select

from palate.errors import ModelFileError, PalateError, UnavailableError
from palate.serve import measures
from palate.serve.engine.asking import DEPTH
from palate.serve.engine.catalogue import Catalogue
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.engine.people import KnownPeople, KnownPerson, Moment, moment_of
from palate.serve.engine.ranking import ListRanking
from palate.serve.engine.warming import warm
from palate.store import popular
from palate.store.kinds import Kinds
from palate.store.prepared import PreparedSQL
from palate.store.records import Namespace
from palate.store.schema import items, namespaces, versions

if TYPE_CHECKING:
    from palate.store.store import Store

log = logging.getLogger(__name__)

_NAMESPACE = PreparedSQL(
    select(namespaces.c.kinds, namespaces.c.settings, namespaces.c.catalogue).where(
        namespaces.c.key == bindparam("namespace")
    ),
    "namespace",
)
_ACTIVE = PreparedSQL(
    select(versions.c.number, versions.c.digest).where(
        versions.c.namespace == bindparam("namespace"), versions.c.state == bindparam("state")
    ),
    "namespace",
    "state",
)
_NUMBERED = PreparedSQL(
    select(versions.c.number, versions.c.digest).where(
        versions.c.namespace == bindparam("namespace"), versions.c.number == bindparam("number")
    ),
    "namespace",
    "number",
)
_CHANGED = select(
    items.c.key, items.c.id, items.c.attributes, items.c.hidden, items.c.deleted, items.c.described, items.c.created
).where(items.c.namespace == bindparam("namespace"), items.c.changed > bindparam("changed"))
_ITEMS = PreparedSQL(_CHANGED, "namespace", "changed")
_WRITTEN = PreparedSQL(_CHANGED.where(items.c.described | items.c.hidden | items.c.deleted), "namespace", "changed")
OLDER = 3  # versions beside the one that answers, for pages of older lists
AGAIN = 5.0  # seconds until a version that could not be loaded is tried again
T = TypeVar("T")
Wanted = tuple[int, bytes] | None


class LoadsVersions(Protocol):
    """Loads versions, as `palate.store.versions` does."""

    def load_active(self, store: Store, ns: Namespace) -> LoadedVersion | None:
        """Return the active version, loaded, or an older one where that cannot be; None for none."""

    def load(self, store: Store, ns: Namespace, number: int) -> LoadedVersion:
        """Return a version, loaded."""

    def renewed(self, store: Store, ns: Namespace, loaded: Any) -> Any:
        """Return the same version with the tombstones of this moment."""


@dataclass(frozen=True, eq=False, slots=True)
class Came:
    """What became of loading a version: it and its items, or an error."""

    wanted: Wanted
    loaded: LoadedVersion | None
    catalogue: Catalogue | None
    error: PalateError | None


class Tenant:
    """What a worker knows of a namespace. Not safe for several threads: the engine's lock guards it.

    Args:
        store: what it is read from.
        ns: the namespace.
        versions: loads versions, as `palate.store.versions` does.
        share: of places for new items, where the namespace's settings do not say.
        number: the version that answers; None for the active one.
    """

    def __init__(
        self, store: Store, ns: Namespace, versions: LoadsVersions, share: float, number: int | None = None
    ) -> None:
        self.store, self.ns, self.versions, self.number = store, ns, versions, number
        self.share = self.default_share = share
        self.changes = -1
        self.active: tuple[Any, ...] | None = None  # which version the store says is to answer
        self.loaded: LoadedVersion | None = None
        self.error: PalateError | None = None  # why that version is not the one that answers
        self._loading: threading.Thread | None = None
        self._came: Came | None = None
        self._again = math.inf
        self._missed = False  # another change came while a version was being loaded
        self._older: dict[int, LoadedVersion] = {}
        self._settle(None, Catalogue(None), Kinds())

    def _settle(self, loaded: LoadedVersion | None, catalogue: Catalogue, kinds: Kinds) -> None:
        """Answer by a version from now on."""
        self.loaded, self.catalogue, self.kinds = loaded, catalogue, kinds
        self._derived: dict[str, Any] = {}
        catalogue.loaded = loaded
        self.people = KnownPeople(self.ns, loaded, catalogue, kinds)
        self.ranking = ListRanking(loaded, catalogue, self.share, np.empty(0, np.int32))

    # -- before each batch ------------------------------------------------------------------------------------------

    def refresh(self, conn: Connection, moment: Moment) -> None:
        """Bring what is known up to the moment of a read transaction.

        Raises:
            UnavailableError: the store cannot be read, or no version could be loaded yet.
        """
        if self._missed and self._loading is None:
            self.changes, self._missed = -1, False
        if moment.changes != self.changes or time.monotonic() > self._again:
            self.changes, self._again = moment.changes, math.inf
            self._changed(conn)
        if self._came is not None:
            self._switch()
        if self.loaded is None and self.number is not None:
            return  # nobody asks it yet
        if self.loaded is None and self.error is not None:
            raise UnavailableError.of(
                f"namespace '{self.ns.name}'", f"has no model version that can be loaded: {self.error}"
            )
        if moment.catalogue != self.catalogue.counter:
            read_items(conn, self.ns, self.catalogue, moment.catalogue)
        if self.loaded is None:
            counted = self.catalogue.index([one.id for one in popular.popular(conn, self.ns, 4 * DEPTH)])
            self.ranking.counted = counted[counted >= 0]

    def _changed(self, conn: Connection) -> None:
        kinds, settings, _ = _NAMESPACE.tuples(conn, self.ns.key)[0]
        self.share = float(json.loads(settings).get("new_items_share", self.default_share))
        wanted = self.wanted(conn)
        loaded = self.loaded if self.loaded is None else self.versions.renewed(self.store, self.ns, self.loaded)
        self._settle(loaded, self.catalogue, Kinds.from_json(kinds))
        if self._loading is not None:
            self._missed = True  # look again when that has come
        elif wanted == self.active:
            self._came = self.error = None  # another was to answer meanwhile, and is not any more
        elif self.loaded is None and self.number is None:
            self._fetch(wanted)
        else:
            self._loading = threading.Thread(target=self._fetch, args=(wanted,), name="palate-load", daemon=True)
            self._loading.start()

    def wanted(self, conn: Connection) -> Wanted:
        """Return which version is to answer, as the store has it now."""
        if self.number is None:
            rows = _ACTIVE.tuples(conn, self.ns.key, "active")
        else:
            rows = _NUMBERED.tuples(conn, self.ns.key, self.number)
        return (rows[0][0], bytes(rows[0][1])) if rows else None

    def _load(self, wanted: Wanted) -> LoadedVersion | None:
        if self.number is not None:
            return self.versions.load(self.store, self.ns, self.number)
        return None if wanted is None else self.versions.load_active(self.store, self.ns)

    def _fetch(self, wanted: Wanted) -> None:
        """Load a version and its catalogue; what goes wrong leaves the one that answers."""
        what = "the active model version" if self.number is None else f"model version {self.number}"
        try:
            loaded = self._load(wanted)
            catalogue = Catalogue(loaded)
            with self.store.read() as conn:
                read_items(conn, self.ns, catalogue, _NAMESPACE.tuples(conn, self.ns.key)[0][2])
            if loaded is not None:
                warm(loaded)
            measures.SWITCHES.labels("loaded").inc()
            self._came = Came(wanted, loaded, catalogue, None)
        except PalateError as error:
            log.error("namespace %s: %s cannot be loaded: %s", self.ns.name, what, error)
            self._failed(wanted, error)
        except Exception as error:  # a mistake of ours: the version that answers goes on
            log.exception("namespace %s: %s cannot be loaded", self.ns.name, what)
            self._failed(wanted, ModelFileError.of("the model", f"fails: {error!r}"))
        self._loading = None

    def _failed(self, wanted: Wanted, error: PalateError) -> None:
        measures.SWITCHES.labels("failed").inc()
        self._came = Came(wanted, None, None, error)

    def _switch(self) -> None:
        came, self._came = self._came, None
        if came is None:
            return
        self.error = came.error
        if came.catalogue is None:
            self._again = time.monotonic() + AGAIN
        else:
            self.active = came.wanted
            self._settle(came.loaded, came.catalogue, self.kinds)
            if self.number is None:
                self._count_version(came.loaded)

    def _count_version(self, loaded: LoadedVersion | None) -> None:
        namespace = str(self.ns.key)
        measures.VERSION.labels(namespace).set(0 if loaded is None else loaded.number)
        measures.TRAINED.labels(namespace).set(0 if loaded is None else loaded.trained / 1e6)

    def person(self, conn: Connection, user: str, now: int) -> KnownPerson:
        """Return what is known of one user at this moment."""
        return self.people.of(conn, moment_of(conn, self.ns, [user]).stands, now)[user]

    def older(self, number: int) -> LoadedVersion:
        """Return a version that lists were made by; a few are kept.

        Raises:
            NotFoundError: there is none of this number.
            ModelFileError: its files are gone or damaged.
        """
        if number not in self._older:
            if len(self._older) >= OLDER:
                self._older.pop(next(iter(self._older)))
            self._older[number] = self.versions.load(self.store, self.ns, number)
        return self._older[number]

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """Return what is derived of the version that answers, computed at its first use."""
        if name not in self._derived:
            self._derived[name] = compute()
        value: T = self._derived[name]
        return value

    @property
    def problem(self) -> PalateError | None:
        """Why the active version is not the one that answers."""
        return self.error or getattr(self.loaded, "error", None)

    def wait(self) -> None:
        """Wait for a version that is being loaded."""
        loading = self._loading
        if loading is not None:
            loading.join()


def read_items(conn: Connection, ns: Namespace, catalogue: Catalogue, counter: int) -> None:
    """Read what was written of items since; of those that a model knows, at first only where it matters."""
    whole = catalogue.counter >= 0 or catalogue.loaded is None
    rows = (_ITEMS if whole else _WRITTEN).tuples(conn, ns.key, catalogue.counter)
    every = ((key, id_, text, hidden or gone, *rest) for key, id_, text, hidden, gone, *rest in rows)
    catalogue.update(every, counter)
