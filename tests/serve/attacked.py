"""A shop to be attacked: two namespaces with people, items and keys of each role, and a service over it in process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from palate import ImplicitALS, save
from palate.serve.app import create_app
from palate.serve.settings import Settings
from palate.store import Event, Thing, feedback, items, keys, open_store, versions
from palate.store.rule import interactions

ROLES = ("read", "write", "admin")
HERE = "http://127.0.0.1:8000"


def made(url: str, folder: Path | None = None) -> dict[tuple[str, str], str]:
    """Make the shop and return its keys by namespace and role."""
    with open_store(url, folder=folder) as store:
        store.create_namespace("numbers", "integer")
        store.folder.mkdir(parents=True, exist_ok=True)
        for name in ("default", "numbers"):
            ns = store.namespace(name)
            items.upsert(
                store, ns, [Thing(str(n), {"title": f"Film {n}", "year": 1990 + n % 30}) for n in range(1, 41)]
            )
            events = [
                Event(str(u), str(1 + (u * i) % 40), "rating", 1.0 + (u + i) % 5, event_id=f"{name}-{u}-{i}")
                for u in range(1, 13)
                for i in range(1, 9)
            ]
            feedback.add(store, ns, events)
            with store.read() as connection:
                known = interactions(connection, ns)
            save(ImplicitALS(4, n_epochs=2, random_state=0).fit(known), store.folder / "new.safetensors")
            versions.activate(store, ns, versions.add(store, ns, store.folder / "new.safetensors"))
        return {
            (name, role): keys.create(store, store.namespace(name), role)[1]
            for name in ("default", "numbers")
            for role in ROLES
        }


class Client(TestClient):
    """A client that sends a key."""

    keys: dict[tuple[str, str], str]

    def ask(self, method: str, path: str, *, role: str = "admin", namespace: str = "default", **request):
        """Send a request with a key."""
        headers = {"authorization": f"Bearer {self.keys[namespace, role]}"} | request.pop("headers", {})
        return self.request(method, path, headers=headers, **request)


@contextmanager
def served(url: str, folder: Path | None = None, **settings) -> Iterator[Client]:
    """Serve a store in this process."""
    app = create_app(Settings(store=url, folder=folder, allow_host=("testserver",), **settings))
    with Client(app, base_url=HERE, client=("127.0.0.1", 50000), raise_server_exceptions=False) as client:
        yield client


def refused(answer, status: int | tuple[int, ...]) -> dict:
    """Assert that an answer is a refusal as RFC 9457 has it, of this status, and return it."""
    assert answer.status_code in ((status,) if isinstance(status, int) else status), (
        answer.status_code,
        answer.text[:500],
    )
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail"} <= set(problem)
    assert problem["status"] == answer.status_code
    return problem
