"""The kinds that the page writes: what each teaches, and that a namespace's own stay as they are."""

from __future__ import annotations

import numpy as np

from palate.serve.web.kinds import add_kinds, with_page_kinds
from palate.store import open_store
from palate.store.kinds import DEFAULTS, EventKind, Kinds, kinds_of

STARS = (1.0, 5.0)


def test_hide_stands_for_a_low_rating_where_a_model_learns_from_ratings():
    assert with_page_kinds(Kinds(), STARS)["hide"].rating == 2.0
    assert with_page_kinds(Kinds(), (0.0, 10.0))["hide"].rating == 2.5
    assert with_page_kinds(Kinds(), None)["hide"].rating is None


def test_seen_says_neither_good_nor_bad():
    seen = with_page_kinds(Kinds(), STARS)["seen"]
    assert not seen.is_positive(np.zeros(1)).any()
    assert (seen.negative, seen.is_hiding, seen.rating, seen.returns_after) == (False, False, None, None)


def test_kinds_of_a_namespace_stay_as_they_are():
    own = EventKind(name="hide", negative=True, rating=0.5), EventKind(name="seen", weight=3.0)
    assert with_page_kinds(Kinds((*DEFAULTS[:1], *own)), STARS).every == (*DEFAULTS[:1], *own)


def test_they_are_written_once(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as store:
        ns = store.namespace()
        add_kinds(store, ns, STARS)
        before = store.counters(ns, []).changes
        add_kinds(store, ns, STARS)
        assert store.counters(ns, []).changes == before
        with store.read() as conn:
            assert list(kinds_of(conn, ns))[-1] == "seen"


def test_films_are_answered_by_a_real_model(films_service):
    visitor = films_service("demo")()
    got = visitor.get("/v1/recommendations?user=p1&n=3").json()
    assert (got["policy"], got["model"]["version"], len(got["items"])) == ("model", 3, 3)
    assert got["items"][0]["attributes"]["title"].endswith(")")
