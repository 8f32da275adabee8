"""Lists that a small world shows by a preset, and clicks on them, as `tests/serve/engine` has it."""

from __future__ import annotations

import numpy as np

from palate.experiments.explore import Explore
from palate.serve.engine import Ask
from palate.store import scenarios
from palate.store.records import Event

SOFTMAX = Explore(policy="softmax", temperature=1.0, share=0.8, uniform=0.1, depth=12)
KNOWN = [f"u{k}" for k in range(40)]


def shown(world, preset, times=1, users=KNOWN, **more):
    """Show lists by a preset, and return their answers."""
    scenarios.put(world.store, world.ns, "now", preset)
    asks = [Ask(ns=world.ns, user=user, scenario="now", **more) for user in users]
    answers = [answer for _ in range(times) for answer in world.engine.answer(asks)]
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    return answers


def click(world, answers, rate=0.4, seed=0):
    """Let people click some of what they were shown."""
    rng = np.random.default_rng(seed)
    rows = []
    for user, answer in answers:
        for at, place in enumerate(answer.places):
            if rng.random() < rate / (1 + at):
                rows.append(Event(user, place.item, "rating", 5.0, list_id=answer.list_id, place=at + 1))
    receipts = world.store.writer.feedback(world.ns, rows).result(10)
    assert all(receipt.error is None for receipt in receipts)
    return len(rows)
