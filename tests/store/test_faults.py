"""A disk that is full, failing or read-only under a writer: nothing is lost meanwhile, and it heals by itself."""

from __future__ import annotations

import errno

import pytest
from store.killed import Outcome, Told, events_of, heard, started, stored, writers
from store.recorded_disk import environment, faulty

from palate.store.store import open_store

FAULTS = {
    "a full disk": ("w", errno.ENOSPC),
    "a disk that fails": ("w", errno.EIO),
    "a disk that became read-only": ("w", errno.EROFS),
    "a disk that fails to sync": ("s", errno.EIO),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_writer_waits_for_the_disk_and_goes_on(tmp_path, library, fault):
    disk, log = tmp_path / "disk", tmp_path / "log"
    disk.mkdir()
    where = {"url": f"sqlite:///{disk}/shop.db", "folder": None}
    open_store(**where).close()
    told = Told()
    with writers(**environment(library, disk, log)) as process:
        started(process, threads=events_of(0), **where)
        hearing = heard(process, told)
        while len(told.acknowledged) < 20:
            next(hearing)
        with faulty(log, *FAULTS[fault]):
            while told.again < 8:  # each of four threads was refused once at least
                next(hearing)
            with open_store(**where) as store:  # others still read
                during = set(stored(store))
            before = set(told.acknowledged)
        for _ in hearing:
            pass
    assert before <= during
    with open_store(**where) as store:
        outcome = Outcome()
        outcome.look(told, store)
        assert set(stored(store)) == {name for names in events_of(0) for name in names}
    assert (outcome.missing, outcome.doubled) == (0, 0)
