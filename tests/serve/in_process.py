"""A service in this process, over a store's file and a stand-in for the engine."""

from __future__ import annotations

import time
from contextlib import contextmanager

from standins import make_engine
from starlette.testclient import TestClient

from palate.serve.app import create_app
from palate.serve.settings import Settings

HERE = "http://127.0.0.1:8000"


class Visitor(TestClient):
    """A browser without a screen: it keeps its cookies, and says where its requests come from."""

    def __init__(self, app, **options):
        super().__init__(app, base_url=HERE, client=("127.0.0.1", 50000), headers={"origin": HERE}, **options)


@contextmanager
def serving(store, *, base_url=HERE, client=("127.0.0.1", 50000), engine=make_engine, **settings):
    """Yield a client of a service over a store's file."""
    app = create_app(Settings(store=f"sqlite:///{store}", **{"run_jobs": False} | settings), engine)
    with TestClient(app, base_url=base_url, client=client, raise_server_exceptions=False) as there:
        yield there


def wait_until(holds, seconds=1.0):
    """Wait until something holds, and fail where it takes longer."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} seconds"
        time.sleep(0.02)
