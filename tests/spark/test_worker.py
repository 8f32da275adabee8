"""What spares Python workers of Spark work."""

from itertools import count

import pytest

from palate.spark import worker


@pytest.mark.parametrize(("stays", "frozen"), [(True, [1, 2, 4, 8]), (False, [])])
def test_a_worker_that_stays_settles_as_its_first_tasks_begin_and_ever_more_seldom(monkeypatch, stays, frozen):
    task, found = 0, []
    monkeypatch.setattr(worker, "_tasks", count(1))
    monkeypatch.setattr(worker.gc, "freeze", lambda: found.append(task))
    monkeypatch.delenv("SPARK_REUSE_WORKER", raising=False)
    if stays:
        monkeypatch.setenv("SPARK_REUSE_WORKER", "1")
    for task in range(1, 16):  # noqa: B007 - what freezing notes
        worker.settle()
    assert found == frozen
