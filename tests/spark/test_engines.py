"""The same work on every engine: one core, two, two executor processes, and a Connect server."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from engine_jobs import fails, summed
from engines import CONNECT, ENGINES


@pytest.mark.long
@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_does_its_work(engine, name):
    found = engine(name).run(summed, 10)
    np.testing.assert_array_equal(found["ids"], np.arange(10))
    assert found["sum"] == 45
    assert (".connect." in found["kind"]) == (name == CONNECT)


@pytest.mark.long
def test_a_failure_is_told(engine):
    with pytest.raises(RuntimeError, match="no luck"):
        engine(CONNECT).run(fails)


def doubled(batches):
    for batch in batches:
        yield pa.record_batch({"id": pc.multiply(batch.column("id"), 2)})


def test_executors_find_functions_of_test_modules(spark):
    assert spark.range(1, 3).mapInArrow(doubled, "id long").toArrow()["id"].to_pylist() == [2, 4]
