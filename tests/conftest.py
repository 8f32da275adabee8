"""Fixtures for all tests, and the rule that a skipped browser test fails where a browser is required."""

from __future__ import annotations

import gc
import os
import signal

import hypothesis
import own_cache  # noqa: F401 - before anything imports Numba
import pytest

from palate import Interactions, MatrixFactorization, load_movielens, save

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # tests ask no outside host

# the same examples in every run
hypothesis.settings.register_profile("palate", derandomize=True, deadline=None)
hypothesis.settings.load_profile("palate")


def pytest_configure():
    """Let Ctrl-C tests work in the background, too, where a shell has SIGINT ignored; children inherit it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """Leave what is there now out of garbage collections, and have fewer: they took up to a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)


@pytest.fixture(scope="session")
def movielens():
    """MovieLens 100K, from PALATE_DATA or the cache; 99,991 ratings."""
    return load_movielens("100k")


@pytest.fixture(scope="session")
def tiny_model_file(tmp_path_factory):
    """A model file of twelve users and nine items."""
    rows = [(u, i, 1.0 + (u * i) % 5) for u in range(12) for i in range(9) if (u + i) % 4]
    table = dict(zip(("user", "item", "rating"), map(list, zip(*rows, strict=True)), strict=True))
    model = MatrixFactorization(3, n_epochs=5, random_state=0).fit(Interactions.from_table(table))
    path = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    save(model, path)
    return path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("PALATE_REQUIRE_BROWSER") and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"a browser test was skipped, and PALATE_REQUIRE_BROWSER is set: {report.longrepr}"
    return report
