"""The event kinds that the page's buttons write, beside those that a namespace has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from palate.store.configuring import set_kinds
from palate.store.kinds import EventKind, Kinds, kinds_of
from palate.store.records import Namespace

if TYPE_CHECKING:
    from palate.store.store import Store

SEEN: Final = EventKind(name="seen", positive="value >= 1", repeated="last")  # written with 0: had, and no opinion
NOT_SO_GOOD = 0.25  # of the scale: what "not for me" stands for where a model learns from ratings


def add_kinds(store: Store, ns: Namespace, scale: tuple[float, float] | None) -> None:
    """Let a namespace take what the page writes; kinds that it has stay as they are.

    Args:
        store, ns: where.
        scale: lowest and highest rating of a model of ratings; None without one. "hide" gives a low rating then, so
            that it teaches such a model, too.
    """
    with store.read() as conn:
        before = kinds_of(conn, ns)
    after = with_page_kinds(before, scale)
    if after != before:
        set_kinds(store, ns, after)


def with_page_kinds(kinds: Kinds, scale: tuple[float, float] | None) -> Kinds:
    """Return kinds with those that the page writes."""
    every = [_teaching(kind, scale) for kind in kinds.values()]
    if "hide" not in kinds:
        every.append(_teaching(EventKind(name="hide", negative=True), scale))
    if "seen" not in kinds:
        every.append(SEEN)
    return Kinds(tuple(every))


def _teaching(kind: EventKind, scale: tuple[float, float] | None) -> EventKind:
    if kind.name != "hide" or kind.rating is not None or scale is None:
        return kind
    low, high = scale
    return replace(kind, rating=low + NOT_SO_GOOD * (high - low))
