"""What a store is given before, and while, workers answer from it: versions of model files, items, the page's kinds.

Everything here can be done again and changes nothing then: a service that is started anew with the same words finds
its versions there, and a version that was trained meanwhile goes on answering.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import select

from palate.errors import ModelFileError, PalateError
from palate.files.parquet_parts import is_folder_of_model
from palate.models import MODELS
from palate.serve.logs import log
from palate.store import items, schedules, versions
from palate.store.records import Thing
from palate.store.schema import items as item_rows
from palate.store.store import open_store
from palate.store.versions import folders
from palate.store.versions.keeping import ACTIVE, FAILED, REMOVED

if TYPE_CHECKING:
    from palate.models import Recommender
    from palate.serve.settings import Settings
    from palate.store.records import Namespace
    from palate.store.store import Store

MANY_ITEMS = 200_000  # of a model; more of them are for `palate store import`
AT_ONCE = 2_000  # items written in one transaction
GONE = (REMOVED, FAILED)  # states of versions that cannot answer
SECONDS = 0.5  # between two looks for a file that is to come


def prepare(settings: Settings, models: Sequence[Path], *, first_answers: bool = False) -> None:
    """Open the store once, so that its faults are told before workers start, and make versions of model files.

    A file that is a version already stays that version, and answers only where nothing does: what was activated since
    it was added is somebody's choice.

    Args:
        settings: of the service.
        models: files that become versions; the last one answers.
        first_answers: the first one answers, instead.

    Raises:
        StoreError: the store is of another schema, or cannot be opened.
        ModelFileError: a file is no model.
        ParameterError: the schedule is no time.
        DataError: the settings' figures cannot be read, or are none.
    """
    with open_store(settings.store, folder=settings.folder) as store:
        ns = _namespace(store, settings.namespace)
        _take_in(store, ns, settings, models, first_answers)
        if settings.schedule is not None:
            _set_schedule(store, ns, settings.schedule)


def _namespace(store: Store, name: str) -> Namespace:
    known = name in [each.name for each in store.namespaces()]
    return store.namespace(name) if known else store.create_namespace(name)


def _take_in(store: Store, ns: Namespace, settings: Settings, models: Sequence[Path], first: bool = False) -> None:
    """Make versions of files, and let the first or the last one answer; and give the page what it needs of them."""
    before = {one.number: one for one in versions.listed(store, ns)}
    active = next((number for number, one in before.items() if one.state == ACTIVE), None)
    numbers = [_version_of(store, ns, settings, path, list(before.values())) for path in models]
    chosen = numbers[0 if first else -1] if numbers else None
    if chosen is not None and (chosen not in before or active is None):
        versions.activate(store, ns, chosen)
    _keep_measured(store, ns, settings, numbers)
    if settings.page != "off":
        _prepare_page(store, ns)


def _keep_measured(store: Store, ns: Namespace, settings: Settings, numbers: Sequence[int]) -> None:
    """Keep what was measured with versions of given files; the models of a purpose are chosen by it."""
    if settings.figures is not None:
        versions.fill_figures(store, ns, versions.read_figures(settings.figures), numbers)


def _version_of(store: Store, ns: Namespace, settings: Settings, path: Path, before: Sequence[versions.Version]) -> int:
    """Return the version that a file is, or becomes."""
    whole = {one.digest: one.number for one in before[::-1] if one.state not in GONE}
    if whole and path.is_file() and not is_folder_of_model(path):
        number = whole.get(folders.digest_of(path))
        if number is not None:
            return number
    many: dict[str, Any] = {} if settings.candidates_from is None else {"many": settings.candidates_from}
    return versions.add(store, ns, path, **many)


def _prepare_page(store: Store, ns: Namespace) -> None:
    """Let the page's buttons write, its models be chosen by purpose, and its search find what the model knows."""
    from palate.serve.engine.purposes import make_purposes
    from palate.serve.web.kinds import add_kinds

    add_kinds(store, ns, _scale(store, ns))
    make_purposes(store, ns)
    try:
        active = versions.load_active(store, ns)
    except ModelFileError:
        return  # the service starts, and says so in /readyz
    if active is not None and not _has_items(store, ns):
        things = list(_things(active.model))
        for start in range(0, len(things), AT_ONCE):
            items.upsert(store, ns, things[start : start + AT_ONCE])


def _scale(store: Store, ns: Namespace) -> tuple[float, float] | None:
    """Return the ratings of the newest version that predicts some; None without one."""
    for one in versions.listed(store, ns):
        if one.state in GONE or one.model not in MODELS or "predict" not in MODELS[one.model].supports:
            continue
        with suppress(ModelFileError):
            low, high = versions.load(store, ns, one.number).model.rating_range_
            return (float(low), float(high)) if low < high else None
    return None


def _has_items(store: Store, ns: Namespace) -> bool:
    """Return whether somebody has described an item."""
    asked = select(item_rows.c.key).where(item_rows.c.namespace == ns.key, item_rows.c.described).limit(1)
    with store.read() as conn:
        return conn.execute(asked).first() is not None


def _things(model: Recommender) -> Iterator[Thing]:
    """Yield the items of a model that have columns, as the store keeps them."""
    table = model.item_table_
    if len(table) > MANY_ITEMS:
        log.warning("the model's %d items are not written into the store: palate store import does it", len(table))
        return
    for id_, row in zip(model.items_.values, table.iter_rows(named=True), strict=True):
        attributes = {name: _plain(value) for name, value in row.items() if name != "item_id" and value is not None}
        if attributes:
            yield Thing(str(id_), attributes)


def _plain(value: Any) -> Any:
    """Return a cell as JSON has it; moments become texts."""
    return value if isinstance(value, bool | int | float | str | list) else str(value)


def _set_schedule(store: Store, ns: Namespace, every: str) -> None:
    """Let a namespace be trained anew so often; a schedule that says so already stays as it is."""
    with store.read() as conn:
        known = {one.kind: one for one in schedules.listed(conn, ns)}.get("retrain")
    if known is None or known.every != schedules.interval(every):
        schedules.put(store, ns, "retrain", every, {} if known is None else known.details)


class ModelArrivals:
    """Model files that are still to come: each becomes a version when it is there. Ends with its ``with`` block.

    Args:
        settings: of the service.
        coming: the files.
    """

    def __init__(self, settings: Settings, coming: Sequence[Path]) -> None:
        self._settings, self.coming = settings, list(coming)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="palate-arrivals")

    def __enter__(self) -> Self:
        if self.coming:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _watch(self) -> None:
        while self.coming and not self._ended.wait(SECONDS):
            self.look()

    def look(self) -> None:
        """Take in the files that are there now; one that is no model is told of, and left."""
        for path in [one for one in self.coming if one.exists()]:
            try:
                with open_store(self._settings.store, folder=self._settings.folder) as store:
                    self._add(store, path)
            except ModelFileError as error:
                log.error("a model file was left out: %s", error.code)
            except PalateError as error:
                log.warning("a model file waits for the store: %s", error.code)
                continue
            self.coming.remove(path)

    def _add(self, store: Store, path: Path) -> None:
        """Make a version of a file; it answers only where nothing does."""
        ns = store.namespace(self._settings.namespace)
        active = [one for one in versions.listed(store, ns) if one.state == ACTIVE]
        if not active:
            _take_in(store, ns, self._settings, [path])
            return
        number = _version_of(store, ns, self._settings, path, versions.listed(store, ns))
        _keep_measured(store, ns, self._settings, [number])
        if self._settings.page != "off":
            _prepare_page(store, ns)
