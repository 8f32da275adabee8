"""An event that waits hides its item from its time on, also from who is known already."""

from __future__ import annotations

from palate.store import feedback
from palate.store.records import Event
from palate.store.times import now

MINUTE = 60_000_000


def test_what_waits_counts_from_its_time_on(world):
    world.use()
    first = world.items(n=3)
    soon = now() + 10 * MINUTE
    later = [Event("u1", item, "click", time=soon, waits=True) for item in first]
    assert [one.status for one in feedback.add(world.store, world.ns, later)] == ["new"] * 3
    assert world.items(n=3) == first
    assert world.items("new", n=3)
    world.engine.clock = lambda: soon - MINUTE
    assert world.items(n=3) == first
    world.engine.clock = lambda: soon + 1
    assert not {*first} & {*world.items(n=30)}


def test_an_event_of_a_client_whose_clock_is_ahead_counts_at_once(world):
    world.use()
    (item,) = world.items(n=1)
    feedback.add(world.store, world.ns, [Event("u1", item, "click", time=now() + 10 * MINUTE)])
    assert item not in world.items(n=30)


def test_somebody_who_has_nothing_but_what_waits(world):
    first = world.use() and world.items("nobody-yet", n=2)
    soon = now() + 10 * MINUTE
    feedback.add(world.store, world.ns, [Event("nobody-yet", item, "click", time=soon, waits=True) for item in first])
    assert world.items("nobody-yet", n=2) == first
    world.engine.clock = lambda: soon + 1
    assert not {*first} & {*world.items("nobody-yet", n=30)}
