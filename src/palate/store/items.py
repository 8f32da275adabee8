"""Items with attributes: written, read, hidden, deleted, found as one types; each change has a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, FromClause, bindparam, delete, func, select, update

from palate.errors import NotFoundError, shown
from palate.store.attributes import LETTERS, WORDS, encoded, title_words, words
from palate.store.ids import canonical
from palate.store.many import inserts, updates
from palate.store.prepared import Among
from palate.store.records import Namespace, Thing
from palate.store.rows import add_items, item_keys, raise_catalogue
from palate.store.schema import item_words, items
from palate.store.times import now
from palate.store.users import thing_of

if TYPE_CHECKING:
    from palate.store.store import Store

LAST_LETTER = "\U0010ffff"  # sorts behind every word of a prefix, in both databases
_COLUMNS = (
    items.c.key,
    items.c.id,
    items.c.attributes,
    items.c.hidden,
    items.c.deleted,
    items.c.created,
    items.c.updated,
)
_GET = Among(
    lambda among: select(*_COLUMNS).where(items.c.namespace == bindparam("namespace"), among), items.c.id, "namespace"
)
_WRITTEN = ("attributes", "hidden", "described", "deleted", "changed", "created", "updated")
_WRITE = updates(items, *_WRITTEN, "key", where=("key",), change=lambda given: {name: given[name] for name in _WRITTEN})
_PUT_WORD = inserts(item_words, "namespace", "word", "item")
_DROP_WORDS = Among(lambda among: delete(item_words).where(among), item_words.c.item)


def upsert(store: Store, ns: Namespace, things: Sequence[Thing]) -> None:
    """Write items: new ones, and new attributes, which take the place of all old ones, of those that are there.

    Raises:
        ParameterError: an id or attributes are none that the store keeps; nothing was written.
    """
    given = {canonical(ns, thing.id, "item"): thing for thing in things}
    texts = {item: encoded(thing.attributes) for item, thing in given.items()}
    if given:
        with store.write() as connection:
            _put(connection, ns, given, texts)


def change(store: Store, ns: Namespace, item: str, make: Callable[[Thing], Thing]) -> None:
    """Write what a function makes of an item: it is read and written in one transaction.

    Raises:
        NotFoundError: the namespace has no such item.
        ParameterError: the attributes are none that the store keeps; nothing was written.
    """
    item = canonical(ns, item, "item")
    with store.write() as connection:
        found = get(connection, ns, [item]).get(item)
        if found is None:
            raise NotFoundError(f"there is no item {shown(item)}", subject="item", value=item)
        made = make(found)
        _put(connection, ns, {item: made}, {item: encoded(made.attributes)})


def _put(connection: Connection, ns: Namespace, given: dict[str, Thing], texts: dict[str, str]) -> None:
    time = now()
    keys = item_keys(connection, ns, given)
    add_items(connection, ns, keys, given, time)
    was = {row.id: (row.hidden and not row.deleted, row.created) for row in _GET.rows(connection, given, ns.key)}
    changed = raise_catalogue(connection, ns)
    rows = [
        (
            texts[item],
            bool(was[item][0] if thing.hidden is None else thing.hidden),
            True,
            False,
            changed,
            thing.created or was[item][1],
            time,
            keys[item],
        )
        for item, thing in given.items()
    ]
    _WRITE.run_many(connection, rows)
    put_words(connection, ns, {keys[item]: title_words(thing.attributes) for item, thing in given.items()})


def put_words(connection: Connection, ns: Namespace, found_by: dict[int, set[str]]) -> None:
    """Let items be found by these words alone."""
    _DROP_WORDS.run(connection, found_by)
    _PUT_WORD.run_many(connection, [(ns.key, word, item) for item, its in found_by.items() for word in sorted(its)])


def get(connection: Connection, ns: Namespace, ids: Iterable[str]) -> dict[str, Thing]:
    """Return the items that are there, hidden ones too, by id."""
    return {row.id: thing_of(row) for row in _GET.rows(connection, ids, ns.key) if not row.deleted}


def page(connection: Connection, ns: Namespace, after: str, n: int) -> list[Thing]:
    """Return so many items in the order of their ids, those behind an id, hidden ones too; "" is before all."""
    chosen = select(*_COLUMNS).where(items.c.namespace == ns.key, items.c.id > after, items.c.deleted.is_(False))
    return [thing_of(row) for row in connection.execute(chosen.order_by(items.c.id).limit(n))]


def hide(store: Store, ns: Namespace, ids: Iterable[str], hidden: bool = True) -> int:
    """Keep items out of all lists, or let them in again; returns how many are there."""
    return _change(store, ns, ids, hidden=hidden)


def delete_items(store: Store, ns: Namespace, ids: Iterable[str]) -> int:
    """Delete items: they are in no list, have no attributes, and are found no more. The log goes on naming them."""
    return _change(store, ns, ids, deleted=True, hidden=True, attributes="{}", described=False)


def _change(store: Store, ns: Namespace, ids: Iterable[str], **values: object) -> int:
    """Change the items that are there in the same way."""
    wanted = [canonical(ns, each, "item") for each in ids]
    with store.write() as connection:
        rows = [row for row in _GET.rows(connection, wanted, ns.key) if not row.deleted]
        if rows:
            numbered = {"changed": raise_catalogue(connection, ns), "updated": now(), **values}
            for row in rows:
                connection.execute(update(items).where(items.c.key == row.key).values(numbered))
            if values.get("deleted"):
                put_words(connection, ns, {row.key: set() for row in rows})
    return len(rows)


def search(connection: Connection, ns: Namespace, typed: str, n: int = 10, hidden: bool = False) -> list[Thing]:
    """Return items by what somebody has typed so far: each word begins a word of the title.

    Those with the very word come first, then the others by the word that was begun.

    Args:
        connection: of a read transaction.
        ns: the namespace.
        typed: words, the last one perhaps unfinished.
        n: at most so many.
        hidden: hidden items, too.
    """
    starts = list(dict.fromkeys(word[:LETTERS] for word in words(typed)))[:WORDS]
    if not starts:
        return []
    rarest = starts[0] if len(starts) == 1 else min(starts, key=lambda start: _how_many(connection, ns, start))
    chosen = select(*_COLUMNS).join(item_words, item_words.c.item == items.c.key).where(_begins(ns, rarest))
    for start in starts:
        if start != rarest:
            also = item_words.alias()
            chosen = chosen.where(
                select(also.c.item).where(also.c.item == items.c.key, _begins(ns, start, also)).exists()
            )
    chosen = chosen.where(items.c.deleted.is_(False), *([] if hidden else [items.c.hidden.is_(False)]))
    most = n * WORDS  # each word of a title may begin so
    ordered = chosen.order_by(item_words.c.word, item_words.c.item).limit(most)
    found = {row.id: row for row in connection.execute(ordered)}
    return [thing_of(row) for row in list(found.values())[:n]]


def _begins(ns: Namespace, start: str, of: FromClause = item_words) -> ColumnElement[bool]:
    """Return the condition that a word begins so; an index answers it."""
    return (of.c.namespace == ns.key) & (of.c.word >= start) & (of.c.word < start + LAST_LETTER)


def _how_many(connection: Connection, ns: Namespace, start: str) -> int:
    """Return how many words begin so, counted up to a thousand."""
    some = select(item_words.c.item).where(_begins(ns, start)).limit(1000).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def changed_since(connection: Connection, ns: Namespace, counter: int) -> list[tuple[int, Thing, bool]]:
    """Return the items that were written after the catalogue stood at a number, as (key, item, deleted).

    The order is that of the changes; a deleted item is there once more, hidden.
    """
    chosen = select(*_COLUMNS).where(items.c.namespace == ns.key, items.c.changed > counter)
    rows = connection.execute(chosen.order_by(items.c.changed, items.c.key))
    return [(row.key, thing_of(row), bool(row.deleted)) for row in rows]


def count(connection: Connection, ns: Namespace) -> int:
    """Return how many items a namespace has, without deleted ones."""
    counted = select(func.count()).select_from(items).where(items.c.namespace == ns.key, items.c.deleted.is_(False))
    return int(connection.execute(counted).scalar_one())
