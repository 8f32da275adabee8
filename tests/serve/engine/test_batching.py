"""The asyncio side: what waits together is answered together, nobody waits for company, nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading

import pytest

from palate.errors import ParameterError, UnavailableError
from palate.serve.engine import Ask, Batcher, Begun


class Gate:
    """An engine whose batches begin when they may."""

    def __init__(self, engine=None, fails=None):
        self.engine, self.fails = engine, fails
        self.batches, self.may = [], threading.Event()
        self.came = threading.Event()

    def begin(self, asks):
        self.batches.append(len(asks))
        self.came.set()
        self.may.wait(10)
        if self.fails is not None:
            raise self.fails
        return self.engine.begin(asks) if self.engine is not None else Begun([ParameterError("no")] * len(asks))


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_many_at_once_are_answered_together_and_each_as_alone(world):
    world.use("ials")
    users = [f"u{k}" for k in range(20)]
    alone = [world.items(user) for user in users]
    gate = Gate(world.engine)
    batcher = Batcher(gate)

    async def ask():
        first = asyncio.create_task(batcher.answer(Ask(ns=world.ns, user="u1")))
        await asyncio.to_thread(gate.came.wait, 10)
        others = [asyncio.create_task(batcher.answer(Ask(ns=world.ns, user=user))) for user in users]
        await asyncio.sleep(0)
        gate.may.set()
        return await first, await asyncio.gather(*others)

    try:
        first, answers = run(ask())
    finally:
        batcher.close()
    assert [[place.item for place in answer.places] for answer in answers] == alone
    assert gate.batches == [1, 20]
    assert first.logged


def test_those_that_come_in_one_turn_of_the_loop_to_an_idle_thread_are_one_batch():
    """Woken by the first of them, it would answer that one alone."""
    gate = Gate()
    gate.may.set()
    batcher = Batcher(gate)

    async def ask():
        waiting = [asyncio.ensure_future(batcher.answer(Ask(ns=None, user=f"u{k}"))) for k in range(20)]
        return await asyncio.gather(*waiting, return_exceptions=True)

    try:
        for _ in range(5):
            assert all(isinstance(error, ParameterError) for error in run(ask()))
    finally:
        batcher.close()
    assert gate.batches == [20] * 5


def test_one_faulty_request_harms_no_other(world):
    world.use("ials")
    batcher = Batcher(world.engine)

    async def ask():
        asks = [Ask(ns=world.ns, user="u1"), Ask(ns=world.ns, user="u2", where=("size=3",)), Ask(ns=world.ns, n=0)]
        return await asyncio.gather(*map(batcher.answer, asks), return_exceptions=True)

    try:
        good, *bad = run(ask())
    finally:
        batcher.close()
    assert good.policy == "model"
    assert [type(error) for error in bad] == [ParameterError, ParameterError]


def test_a_full_queue_says_come_again_and_a_mistake_ends_no_thread(world):
    gate = Gate(fails=ZeroDivisionError("a mistake"))
    batcher = Batcher(gate, waiting=2)

    async def ask():
        first = asyncio.create_task(batcher.answer(Ask(ns=world.ns)))
        await asyncio.to_thread(gate.came.wait, 10)
        others = [asyncio.create_task(batcher.answer(Ask(ns=world.ns))) for _ in range(3)]
        await asyncio.sleep(0)
        gate.may.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    try:
        errors = run(ask())
        assert [type(error) for error in errors] == [ZeroDivisionError] * 3 + [UnavailableError]
        assert "2 requests are waiting" in str(errors[3])
        gate.fails = None
        assert isinstance(run(_refused(batcher, world)), ParameterError)
    finally:
        batcher.close()
    with pytest.raises(UnavailableError, match="the service is ending"):
        run(batcher.answer(Ask(ns=world.ns)))


async def _refused(batcher, world):
    return (await asyncio.gather(batcher.answer(Ask(ns=world.ns)), return_exceptions=True))[0]


def test_whoever_goes_away_is_not_missed(world):
    world.use("ials")
    gate = Gate(world.engine)
    batcher = Batcher(gate)

    async def ask():
        gone = asyncio.create_task(batcher.answer(Ask(ns=world.ns, user="u1")))
        await asyncio.to_thread(gate.came.wait, 10)
        stays = asyncio.create_task(batcher.answer(Ask(ns=world.ns, user="u2")))
        await asyncio.sleep(0)
        gone.cancel()
        gate.may.set()
        return await stays

    try:
        assert run(ask()).policy == "model"
    finally:
        batcher.close()


def test_closing_answers_all_that_wait(world):
    world.use("ials")
    gate = Gate(world.engine)
    batcher = Batcher(gate)

    async def ask():
        waiting = [asyncio.create_task(batcher.answer(Ask(ns=world.ns, user=f"u{k}"))) for k in range(3)]
        await asyncio.to_thread(gate.came.wait, 10)
        gate.may.set()
        await asyncio.to_thread(batcher.close)
        return await asyncio.gather(*waiting)

    assert len(run(ask())) == 3
