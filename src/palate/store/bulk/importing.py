"""Users, items and events from files into a namespace: all is checked first, then written chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from palate.data.checking import Policy
from palate.errors import DataError, ParameterError
from palate.progress import Progress, ProgressCallback, silent
from palate.store import scenarios
from palate.store.bulk import thing_writing, writing
from palate.store.bulk.columns import KINDS, Kind, event_columns
from palate.store.bulk.comparing import conflicts
from palate.store.bulk.events import Events, Reading, column_of, events_of
from palate.store.bulk.exporting import SAID
from palate.store.bulk.sources import ImportSource, of_frame, opened
from palate.store.bulk.thing_writing import PutThings, ThingWriter
from palate.store.bulk.things import Things, things_of
from palate.store.bulk.writing import EventWriter, WrittenEvents
from palate.store.configuring import set_kinds
from palate.store.kinds import EventKind, Kinds, kinds_of
from palate.store.presets import Preset
from palate.store.records import IMPRESSION, UNDO, Namespace

if TYPE_CHECKING:
    from palate.store.store import Store

DROPPING = ("on_missing", "on_invalid")
POLICY = (*DROPPING, "time_unit")  # of reading options, those that `Policy` takes
OF_TABLES = (*POLICY, "columns", "lists")  # those that hold for a table in memory


@dataclass
class Imported:
    """What an import did.

    Attributes:
        users, items: what became of them.
        events: what became of them.
        faulty: {reason: rows that were left out}.
        new_kinds: event kinds that were added.
        new_scenarios: scenarios of an export that were added.
        notes: sentences on where the rows came from.
    """

    users: PutThings = field(default_factory=PutThings)
    items: PutThings = field(default_factory=PutThings)
    events: WrittenEvents = field(default_factory=WrittenEvents)
    faulty: dict[str, int] = field(default_factory=dict)
    new_kinds: tuple[str, ...] = ()
    new_scenarios: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def import_into(
    store: Store,
    ns: Namespace,
    source: str | Path,
    *,
    kind: Kind | None = None,
    event_kind: str | None = None,
    rename: Mapping[str, str] | None = None,
    new_kinds: bool = False,
    skip_faulty: bool = False,
    progress: ProgressCallback | None = None,
    **read: Any,
) -> Imported:
    """Import users, items and events; nothing is written before all of it is checked.

    Rows with ids count once, however often they are imported; rows of events without ids get ids made of what they say
    and of how often it stands above them, so that the same holds for a file that has grown.

    Args:
        store, ns: where to.
        source: a file of users, items or events (Parquet, CSV, JSON lines), or a folder of parts as Spark writes it; a
            folder as `export` writes it, the files of Gorse's dashboard or its dump, a folder of MovieLens, or whatever
            else `palate.load_dataset` opens; "-" for standard input.
        kind: "users", "items" or "events", where the columns of a file do not say it.
        event_kind: of events where the file names none; None: a rating where there are values, else a click.
        rename: kinds of the file under names of the namespace.
        new_kinds: add kinds that the namespace has not; each event of theirs is positive.
        skip_faulty: leave faulty rows out, and count them.
        progress: called after every chunk.
        read: options of `palate.read_ratings`.

    Raises:
        DataError: the source cannot be read, or one error that lists every fault with its lines.
        ParameterError: an option is none.
        ConflictError: somebody else wrote other events under the same ids meanwhile.
        UnavailableError: the store cannot be written now; chunks that were written stay, and count once.
    """
    _check_kind(kind)
    with opened(source, kind, _reading_options(read, skip_faulty)) as given:
        plan = _Plan(store, ns, given, _policy(read, skip_faulty), read)
        plan.check(event_kind, dict(rename or {}), new_kinds=new_kinds)
    plan.write(progress or silent)
    return plan.done


def import_table(
    store: Store,
    ns: Namespace,
    table: Any,
    *,
    kind: Kind | None = None,
    event_kind: str | None = None,
    rename: Mapping[str, str] | None = None,
    new_kinds: bool = False,
    skip_faulty: bool = False,
    progress: ProgressCallback | None = None,
    **read: Any,
) -> Imported:
    """Import a table in memory, of Polars, pandas, Arrow or Spark: what `import_into` does with a file of it.

    Args:
        store, ns: where to.
        table: of users, items or events; its columns are named as those of files are.
        kind, event_kind, rename, new_kinds, skip_faulty, progress: as in `import_into`.
        read: of its options ``columns``, ``time_unit``, ``on_missing``, ``on_invalid`` and ``lists``.

    Raises:
        DataError: it is no table, or one error that lists every fault with its rows.
        ParameterError: an option is none.
        ConflictError: somebody else wrote other events under the same ids meanwhile.
        UnavailableError: the store cannot be written now; chunks that were written stay, and count once.
    """
    _check_kind(kind)
    for name in read:
        if name not in OF_TABLES:
            raise ParameterError.unknown("a table in memory has no option", name, OF_TABLES, having="there are")
    plan = _Plan(store, ns, of_frame(table, kind), _policy(read, skip_faulty), read)
    plan.check(event_kind, dict(rename or {}), new_kinds=new_kinds)
    plan.write(progress or silent)
    return plan.done


def _check_kind(kind: Kind | None) -> None:
    if kind is not None and kind not in KINDS:
        raise ParameterError.outside("kind", "'users', 'items' or 'events'", kind)


def _policy(read: Mapping[str, Any], skip_faulty: bool) -> Policy:
    said: dict[str, Any] = {name: read[name] for name in POLICY if name in read}
    drop: dict[str, Any] = dict.fromkeys(DROPPING, "drop") if skip_faulty else {}
    return Policy(**drop, **said)


def _reading_options(read: Mapping[str, Any], skip_faulty: bool) -> dict[str, Any]:
    """Return the options for readers of data sets, which know no flag that stands for both."""
    return {**(dict.fromkeys(DROPPING, "drop") if skip_faulty else {}), **read}


class _Plan:
    """One import: what it is given, checked, and then written."""

    def __init__(
        self, store: Store, ns: Namespace, given: ImportSource, policy: Policy, read: Mapping[str, Any]
    ) -> None:
        self.store, self.ns, self.given, self.policy, self.read = store, ns, given, policy, read
        self.done = Imported(notes=given.notes)
        self.things: list[Things] = []
        self.events: Events | None = None
        self.kinds: Kinds | None = None  # to be set
        self.presets: dict[str, Preset] = {}  # of scenarios to be added

    def check(self, event_kind: str | None, rename: dict[str, str], *, new_kinds: bool) -> None:
        """Check all tables, and compare them with the store."""
        with self.store.read() as connection:
            kinds = kinds_of(connection, self.ns)
            there = {each.name for each in scenarios.listed(connection, self.ns)}
        self._check_scenarios(there)
        columns = self.read.get("columns") or {}
        for kind in ("users", "items"):
            if kind in self.given.tables:
                lists = self.read.get("lists", True)
                made = things_of(self.given.tables[kind], kind, self.ns.id_kind, self.policy, columns, lists)
                self._note(made.dropped)
                self.things.append(made)
        if "events" in self.given.tables:
            self._check_events(
                Reading(self.ns.id_kind, kinds, event_kind, rename, columns, self.policy), new_kinds=new_kinds
            )

    def _check_events(self, reading: Reading, *, new_kinds: bool) -> None:
        kinds = _with_told(reading.kinds, self.given)
        if new_kinds:
            kinds = _with_new(kinds, self.given, reading)
        if kinds != reading.kinds:
            self.kinds = kinds
            self.done.new_kinds = tuple(name for name in kinds if name not in reading.kinds)
        made = events_of(self.given.tables["events"], replace(reading, kinds=kinds))
        with self.store.read() as connection:
            faults, known = conflicts(connection, self.ns, made.frame)
        made = made.without(faults)
        self._note(made.dropped)
        new = made.frame.filter(~pl.col("event_id").is_in(known["event_id"].implode()))
        self.done.events.known += made.again + len(made.frame) - len(new)
        self.events = replace(made, frame=new)

    def _check_scenarios(self, there: set[str]) -> None:
        """Take the scenarios of an export that the namespace has not, but those that name a version of its models."""
        told = {} if self.given.told is None else self.given.told.presets
        new = {name: preset for name, preset in told.items() if name not in there}
        self.presets = {
            name: _scenario(self.ns, name, preset) for name, preset in new.items() if not isinstance(preset.model, int)
        }
        self.done.new_scenarios = tuple(self.presets)
        self.done.notes += tuple(
            f"the scenario '{name}' was left out: it names model version {preset.model}, which an export does not hold"
            for name, preset in new.items()
            if name not in self.presets
        )

    def _note(self, dropped: Mapping[str, int]) -> None:
        for reason, count in dropped.items():
            self.done.faulty[reason] = self.done.faulty.get(reason, 0) + count

    def write(self, progress: ProgressCallback) -> None:
        """Write users, items and events, chunk by chunk."""
        if self.kinds is not None:
            set_kinds(self.store, self.ns, self.kinds)
        things = ThingWriter(self.store, self.ns)
        for made in self.things:
            total = getattr(self.done, made.kind)
            for chunk in _chunks(made.frame, thing_writing.CHUNK, made.kind, progress):
                _add(total, things.write(made, chunk))
        if self.events is not None:
            events = EventWriter(self.store, self.ns)
            for chunk in _chunks(self.events.frame, writing.CHUNK, "events", progress):
                _add(self.done.events, events.write(chunk))
        for name, preset in self.presets.items():
            scenarios.put(self.store, self.ns, name, preset)


def _scenario(ns: Namespace, name: str, preset: Preset) -> Preset:
    """Return a preset of an export that may be written.

    Raises:
        DataError: it may not, in this namespace.
    """
    try:
        return scenarios.checked(ns, name, preset)
    except ParameterError as error:
        raise error.within(f"the scenario '{name}' of {SAID}: ", kind=DataError) from None


def _with_told(kinds: Kinds, given: ImportSource) -> Kinds:
    """Return the kinds of the namespace and those of an export that it has not."""
    told = () if given.told is None else given.told.kinds.every
    return Kinds((*kinds.every, *(kind for kind in told if kind.name not in kinds)))


def _with_new(kinds: Kinds, given: ImportSource, reading: Reading) -> Kinds:
    """Return the kinds and a plain one for each that a file of events has beside them."""
    table = given.tables["events"]
    name = event_columns(table.names, reading.columns, table.where.name).get("kind")
    words = (
        [] if name is None else column_of(table, name, "kind").cast(pl.String).drop_nulls().unique().sort().to_list()
    )
    named = {reading.renamed.get(word, word) for word in words} | {reading.kind or IMPRESSION}
    new = sorted(word for word in named if word and word not in kinds and word not in (IMPRESSION, UNDO))
    return Kinds((*kinds.every, *(EventKind(name=word) for word in new)))


def _chunks(frame: pl.DataFrame, size: int, name: str, progress: ProgressCallback) -> Iterator[pl.DataFrame]:
    total = -(-len(frame) // size)
    for number, chunk in enumerate(frame.iter_slices(size)):
        yield chunk
        progress(Progress(name, number + 1, total, {}))


def _add(total: Any, more: Any) -> None:
    for name, count in vars(more).items():
        setattr(total, name, getattr(total, name) + count)
