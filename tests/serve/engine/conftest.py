"""A store in SQLite with a small model that answers for its namespace."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import make

import palate
from palate.data.features import Features
from palate.serve.engine import Ask, Engine
from palate.store import open_store, versions
from palate.store.records import Event

N_USERS, N_ITEMS = 40, 30


def dataset():
    """Return ratings of two crowds, text ids, and a table of items."""
    rng = np.random.default_rng(5)
    rows = [(u, i) for u in range(N_USERS) for i in range(N_ITEMS) if rng.random() < (0.6 if (u + i) % 2 else 0.15)]
    users, items = ([f"{name}{k}" for k in column] for name, column in zip("ui", zip(*rows, strict=True), strict=True))
    values = [5.0 if (u + i) % 2 else float(rng.integers(1, 4)) for u, i in rows]
    interactions = palate.Interactions.from_table({"user": users, "item": items, "rating": values})
    table = {
        "item_id": [f"i{k}" for k in range(N_ITEMS)],
        "title": [f"Title {k}" for k in range(N_ITEMS)],
        "year": [1990 + k for k in range(N_ITEMS)],
        "genres": [["odd"] if k % 2 else ["even", "quiet"] for k in range(N_ITEMS)],
        "owner": [f"u{k % 3}" for k in range(N_ITEMS)],
    }
    return palate.Dataset.from_tables(interactions, items=table)


DATA = dataset()


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Return a function from a key, and whether it takes features, to a fitted model and its file."""
    made = {}

    def of(key, features=False):
        if (key, features) not in made:
            model = make(key, positive=4.0)
            given = {}
            if features:
                given = {"item_features": Features.from_table(DATA.items, "item", columns=["genres"])}
            model.fit(DATA, **given)
            path = tmp_path_factory.mktemp("models") / f"{key}.safetensors"
            palate.save(model, path)
            made[key, features] = model, path
        return made[key, features]

    return of


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory):
    """The file of an empty store."""
    file = tmp_path_factory.mktemp("empty") / "empty.db"
    open_store(f"sqlite:///{file}").close()
    return file


class World:
    """A store, its namespace and an engine, with short words for what tests do."""

    def __init__(self, store, models):
        self.store, self.models, self.ns = store, models, store.namespace()
        self.engine = Engine(store)

    def use(self, key="ials", features=False):
        """Add and activate a model, and return it."""
        model, path = self.models(key, features)
        versions.activate(self.store, self.ns, versions.add(self.store, self.ns, path))
        self.engine.refresh()
        return model

    def ask(self, user="u1", **more):
        """Return the answer of one request."""
        (answer,) = self.engine.answer([Ask(ns=self.ns, user=user, **more)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def items(self, user="u1", **more):
        """Return the items of a request's answer."""
        return [place.item for place in self.ask(user, **more).places]

    def events(self, user, *events):
        """Write events: (item, kind, value) each."""
        rows = [Event(user, item, kind, value) for item, kind, value in events]
        receipts = self.store.writer.feedback(self.ns, rows).result(10)
        assert [receipt.error for receipt in receipts] == [None] * len(rows)
        return receipts

    def rate(self, user, **ratings):
        """Write ratings: item=value."""
        return self.events(user, *((item, "rating", float(value)) for item, value in ratings.items()))


@pytest.fixture(scope="session")
def make_world():
    """The class, for stores that are made elsewhere."""
    return World


@pytest.fixture
def world(empty_file, tmp_path, models):
    """An empty store with an engine."""
    import shutil

    shutil.copy(empty_file, tmp_path / "shop.db")
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as store:
        made = World(store, models)
        yield made
        made.engine.close()
