"""An engine that answers at once, the same for all: what stands behind the routes is tested elsewhere."""

from __future__ import annotations

import secrets
from types import SimpleNamespace

from palate.errors import NotFoundError, UnavailableError
from palate.serve.engine.asking import Left, Scale
from palate.serve.engine.spread import Spread
from palate.serve.engine.typed import typed_user
from palate.store.records import Place

KNOWN = {"50", "181", *map(str, range(1, 41))}
ITEMS = tuple(str(item) for item in range(1, 41))


class Engine:
    """Knows the items 1 to 40, and the list that it made last."""

    def __init__(self, store):
        self.store, self.lists, self.asked = store, {}, []
        self.fails = self.away = None

    def answer(self, ask):
        self.asked.append(ask)
        if self.fails is not None:
            raise self.fails
        list_id = secrets.token_hex(16)
        self.lists[ask.ns.key, list_id] = ask
        return self._page(list_id, 1, ask.n)

    def _page(self, list_id, first, n):
        ids = ITEMS[first - 1 : first - 1 + n]
        return SimpleNamespace(
            list_id=list_id,
            first=first,
            places=tuple(Place(item, 5.0 - int(item) / 10) for item in ids),
            columns=tuple({"title": f"Film {item}"} for item in ids),
            why=None,
            version=3,
            trained=1_700_000_000_000_000,
            newest_feedback=None,
            policy="model",
            scenario=None,
            experiment=None,
            arm=None,
            explored={},
            more=first - 1 + n < len(ITEMS),
            logged=True,
            withheld=0,
            timings={"model": 0.0002, "store": 0.0004},
        )

    def following(self, ns, list_id, first, n):
        if (ns.key, list_id) not in self.lists:
            raise NotFoundError("there is no such list", subject="list_id")
        return self._page(list_id, first, n)

    def similar(self, ns, item, *, n, where, include, exclude):
        if item not in KNOWN:
            raise NotFoundError(f"there is no item '{item}'", subject="item", value=item)
        return self._page(secrets.token_hex(16), 1, n)

    def onboarding(self, ns, *, n, where, include, exclude, user=None, session=None, skipped=()):
        page = self._page(secrets.token_hex(16), 1, n)
        page.known = 0.25
        return page

    def predict(self, ns, user, items, interval, scenario=None):
        rows = [(item, 3.5, 2.0, 5.0, True) if item in ITEMS else (item, None, None, None, False) for item in items]
        return SimpleNamespace(rows=rows, version=3, trained=1_700_000_000_000_000, newest_feedback=None)

    def left(self, ask):
        return Left(len(ITEMS), len(ITEMS), known=True, varies=True)

    def items(self, ns, ids):
        return {item: {"title": f"Film {item}"} for item in ids if item in KNOWN}

    def own_ratings(self, ns, user, scenario=None):
        return {}

    trained_ratings = own_ratings

    def has_scenario(self, ns, name):
        return False

    def scale(self, ns, scenario=None):
        return Scale(1.0, 5.0, predicted=True)

    def explain(self, ns, user, item, n, scenario=None):
        if item not in KNOWN:
            raise NotFoundError(f"there is no item '{item}'", subject="item", value=item)
        reasons = [{"item": "2", "share": 0.5}]
        return SimpleNamespace(reasons=reasons, text=None, version=3, trained=None, newest_feedback=None)

    def best(self, ns, kind, n=10, where=(), include=None, exclude=(), days=None):
        self.asked.append((kind, n, where, include, days))
        page = self._page(None, 1, n)
        page.places = tuple(place for place in page.places if include is None or place.item in include)
        return page

    def facts(self, ns):
        return True, Spread(("Comedy", "Drama"), (1950, 1999))

    def typed_user(self, ns, typed):
        with self.store.read() as conn:
            return typed_user(conn, ns, None, typed)

    def close(self):
        pass

    def refresh(self):
        pass

    def ready(self):
        if self.away:
            raise UnavailableError("no model can be loaded", subject="model")


class Batcher:
    def __init__(self, engine):
        self.engine = engine

    async def answer(self, ask):
        return self.engine.answer(ask)

    def close(self):
        pass


def make_engine(store, settings):
    engine = Engine(store)
    return engine, Batcher(engine)
