"""Lists are those of the model's own ranker, with the feedback of this moment."""

from __future__ import annotations

from dataclasses import replace

import naive
import numpy as np
import pytest
from small_models import make

import palate
from palate.data.features import Features
from palate.errors import ParameterError
from palate.models.contract.scoring import WeightScorer
from palate.serve.engine import DEPTH, Ask, ranking
from palate.serve.engine.boosts import lifted
from palate.serve.engine.people import NOBODY
from palate.sparse import Rows
from palate.store import items, versions
from palate.store.configuring import set_kinds
from palate.store.kinds import EventKind
from palate.store.records import Event, Thing

from .conftest import DATA


def listed(model, user, n=10, **more):
    """Return items and scores of `Recommender.recommend`."""
    table = model.recommend(user, n, **more)
    return table["item_id"].to_list(), table["score"].to_list()


def said(answer):
    return [place.item for place in answer.places], [place.score for place in answer.places]


@pytest.mark.parametrize("key", ["ials", "ease", "als", "bayes", "blend"])
def test_a_known_user_gets_the_models_own_list(world, key):
    model = world.use(key)
    answer = world.ask("u1")
    assert said(answer) == listed(model, "u1")
    assert (answer.policy, answer.version, answer.logged, answer.first) == ("model", 1, True, 1)
    assert answer.columns[0]["title"] == answer.places[0].item.replace("i", "Title ")
    assert set(answer.timings) == {"store", "model"}


@pytest.mark.parametrize("key", ["ials", "ease", "als", "blend"])
def test_somebody_new_is_the_person_folded_in(world, key):
    model = world.use(key)
    world.rate("ann", i1=5, i3=5, i5=5, i2=2)
    rows = {"i1": 5.0, "i3": 5.0, "i5": 5.0}
    rows |= {"i2": 2.0} if model.score_kind == "rating" else {}
    person = model.person({item: 4.0 if key == "ials" else value for item, value in rows.items()})
    expected = listed(model, person, deny=["i2"])
    assert said(world.ask("ann")) == expected
    assert world.ask("ann").newest_feedback is not None


def test_a_known_user_who_rated_since_gets_another_list(world):
    model = world.use("ials")
    before = world.items("u1")
    world.rate("u1", **{before[0]: 5, before[1]: 1})
    answer = world.ask("u1")
    at = model.users_.index(["u1"])[0]
    had, values = model.seen_.row(at)
    rows = {model.items_.at([i])[0]: float(v) for i, v in zip(had, values, strict=True)} | {before[0]: 5.0}
    assert said(answer) == listed(model, model.person(rows), deny=[before[1]])
    assert not {before[0], before[1]} & set(said(answer)[0])


def test_what_the_log_says_of_an_item_goes_before_what_the_model_knows(world):
    model = world.use("ials")
    at = model.users_.index(["u1"])[0]
    had = [model.items_.at([i])[0] for i, v in zip(*model.seen_.row(at), strict=True) if v >= 4]
    world.events("u1", (had[0], "hide", None))
    world.items("u1")
    (person,) = world.engine._spaces[world.ns.key].people._kept.values()
    assert model.items_.index([had[0]])[0] not in person.rows.indices
    assert model.items_.index([had[1]])[0] in person.rows.indices
    assert had[0] not in world.items("u1", n=N_ALL, seen=True)


N_ALL = 30


def test_whoever_took_everything_back_is_nobody(world):
    """A model trained on this log knows the user; of what it learned, nothing counts any more."""
    world.use("ials")
    space = world.engine._spaces[world.ns.key]
    space.loaded = space.people.loaded = replace(space.loaded, trained_to=0)
    world.events("u1", ("i1", "hide", None))
    assert world.ask("u1").policy == "popular"


def test_a_model_without_its_training_rows_answers_people_alone(world, tmp_path):
    model = make("ease", positive=4.0, store_history=False).fit(DATA)
    palate.save(model, tmp_path / "m")
    versions.activate(world.store, world.ns, versions.add(world.store, world.ns, tmp_path / "m"))
    assert world.ask("u1").policy == "popular"
    world.rate("u1", i1=5, i3=5)
    assert said(world.ask("u1")) == listed(model, model.person({"i1": 5.0, "i3": 5.0}))


def test_an_undone_event_is_gone_from_the_next_list(world):
    world.use("ials")
    world.rate("ann", i1=5)
    first = said(world.ask("ann"))
    (receipt,) = world.rate("ann", i2=5)
    assert said(world.ask("ann")) != first
    undo = Event("ann", None, "undo", withdraws=receipt.event_id)
    world.store.writer.feedback(world.ns, [undo]).result(10)
    assert said(world.ask("ann")) == first


def test_many_together_get_what_each_gets_alone(world):
    world.use("ials")
    world.rate("ann", i1=5, i3=5)
    world.rate("bob", i2=5)
    asks = [Ask(ns=world.ns, user=user) for user in ("u1", "ann", "u2", "nobody", "bob", "u1", "ann")]
    asks += [Ask(ns=world.ns, session=(("i1", None), ("i2", 5.0))), Ask(ns=world.ns)]
    asks += [Ask(ns=world.ns, user="u3", where=("genres=odd",)), Ask(ns=world.ns, user="u4", where=("genres=odd",))]
    alone = [world.engine.answer([ask])[0] for ask in asks]
    together = world.engine.answer(asks)
    assert str([said(one) for one in together]) == str([said(one) for one in alone])  # NaN is NaN
    assert [one.policy for one in together] == [one.policy for one in alone]
    assert len({one.list_id for one in together}) == len(asks)


def test_a_person_is_read_and_folded_in_once(world, monkeypatch):
    model = world.use("ials")
    world.rate("ann", i1=5, i3=5)
    calls = []
    folded = type(model)._fold
    monkeypatch.setattr(type(model), "_fold", lambda self, *given: [calls.append(1), folded(self, *given)][1])
    first = world.items("ann")
    assert world.items("ann") == first
    assert len(calls) == 1
    world.rate("ann", i5=5)
    world.items("ann")
    assert len(calls) == 2


def test_a_session_is_a_basket(world):
    model = world.use("ials")
    answer = world.ask(None, session=(("i1", None), ("i3", None), ("unknown", None)))
    assert said(answer) == listed(model, model.person(["i1", "i3"]))
    assert world.ask(None, session=(("unknown", None),)).policy == "popular"


def test_a_session_without_ratings_is_refused_by_a_model_of_ratings_alone(world):
    world.use("als")
    asks = [Ask(ns=world.ns, session=(("i1", None),)), Ask(ns=world.ns, session=(("i1", 5.0),)), Ask(ns=world.ns)]
    refused, answered, nobody = world.engine.answer(asks)
    assert isinstance(refused, ParameterError)
    assert "has an item without a rating" in str(refused)
    assert (answered.policy, nobody.policy) == ("model", "popular")


def test_nobody_gets_what_is_popular(world):
    model = world.use("ials")
    answer = world.ask("somebody new")
    order = model.items_.at(model.item_order.order[:10]).to_list()
    assert ([place.item for place in answer.places], answer.policy) == (order, "popular")
    assert {place.source for place in answer.places} == {"popular"}
    assert all(np.isnan(place.score) for place in answer.places)


def test_without_a_model_what_is_counted_and_then_what_is_new(world):
    assert world.ask("u1").places == ()
    items.upsert(world.store, world.ns, [Thing("x", {"stock": 3}), Thing("y", {"stock": 0})])
    world.events("ann", ("z", "click", None))
    assert set(world.items("bob")) == {"x", "y", "z"}
    assert world.items("bob")[0] == "z"
    assert set(world.items("ann")) == {"x", "y"}
    assert world.items("bob", where=("stock>0",)) == ["x"]
    assert world.ask("bob").version is None


# -- choices --------------------------------------------------------------------------------------------------------


def test_filters_and_lists_of_ids(world):
    model = world.use("ials")
    assert said(world.ask(where=("genres=odd", "year>=2000"))) == listed(
        model, "u1", where=["genres=odd", "year>=2000"]
    )
    assert world.items(include=("i7", "i8", "i9", "never")) == listed(model, "u1", allow=["i7", "i8", "i9"])[0]
    assert said(world.ask(exclude=("i7", "never", "i9"))) == listed(model, "u1", deny=["i7", "i9"])
    unsorted = ("i9", "i7", "i9", "i8")
    without = listed(model, "u1", exclude_seen=False, deny=["i7", "i8", "i9"])
    ask = Ask(ns=world.ns, user="u1", exclude=unsorted, seen=True)
    assert [said(answer) for answer in world.engine.answer([ask, ask])] == [without] * 2
    closed = world.engine._spaces[world.ns.key].ranking.choice(ask, NOBODY).closed  # sorted, as the kernels need it
    assert closed.tolist() == sorted(set(model.items_.index(list(unsorted)).tolist()))
    assert world.items(where=("genres=loud",)) == []
    with pytest.raises(ParameterError, match="has no column 'size'"):
        world.ask(where=("size=3",))
    with pytest.raises(ParameterError, match="cannot read the condition"):
        world.ask(where=("year",))


def test_seen_items_in_or_out_but_never_hidden_ones(world):
    model = world.use("ials")
    assert said(world.ask(n=N_ALL, seen=True)) == listed(model, "u1", N_ALL, exclude_seen=False)
    world.events("ann", ("i1", "click", None), ("i2", "hide", None), ("i4", "skip", None))
    assert {"i1", "i2"} & set(world.items("ann", n=N_ALL)) == set()
    assert {"i1", "i2"} & set(world.items("ann", n=N_ALL, seen=True)) == {"i1"}


def test_seen_items_return_where_their_kind_says_so(world):
    world.use("ials")
    set_kinds(world.store, world.ns, [EventKind(name="click", returns_after=0), EventKind(name="hide", negative=True)])
    world.events("ann", ("i1", "click", None), ("i2", "hide", None))
    assert {"i1", "i2"} & set(world.items("ann", n=N_ALL)) == {"i1"}


def test_not_mine_leaves_out_what_the_user_owns(world):
    world.use("ials")
    mine = {f"i{k}" for k in range(N_ALL) if k % 3 == 1}
    assert set(world.items("u1", n=N_ALL, seen=True)) & mine
    assert not set(world.items("u1", n=N_ALL, seen=True, not_mine=True)) & mine
    items.upsert(world.store, world.ns, [Thing("i2", {"owner": ["u9", "u1"]}), Thing("i1", {"owner": "u5"})])
    left = set(world.items("u1", n=N_ALL, seen=True, not_mine=True))
    assert "i1" in left
    with pytest.raises(ParameterError, match="not_mine needs the user"):
        world.ask(None, not_mine=True)


def test_a_hidden_item_is_in_no_list_until_it_is_shown_again(world):
    world.use("ials")
    first = world.items()
    items.upsert(world.store, world.ns, [Thing(first[0], {}, hidden=True)])
    assert world.items()[: len(first) - 1] == first[1:]
    assert first[0] not in world.items("nobody", n=N_ALL)
    assert first[0] not in world.items(None, n=N_ALL, include=(first[0],))
    items.hide(world.store, world.ns, [first[0]], hidden=False)
    assert world.items() == first


def test_many_hidden_items_are_a_mask(world, monkeypatch):
    world.use("ials")
    gone = world.items()[:3]
    items.upsert(world.store, world.ns, [Thing(item, {}, hidden=True) for item in gone])
    few = said(world.ask())
    monkeypatch.setattr(ranking, "FEW", 0)
    assert said(world.ask()) == few
    assert not set(gone) & set(few[0])


def test_a_deleted_item_is_in_no_list(world):
    world.use("ials")
    first = world.items()
    items.upsert(world.store, world.ns, [Thing(first[0], {"year": 1})])
    items.delete_items(world.store, world.ns, [first[0]])
    assert first[0] not in world.items(n=N_ALL)


def test_attributes_of_the_store_go_before_the_models(world):
    world.use("ials")
    item = world.items()[0]
    items.upsert(world.store, world.ns, [Thing(item, {"title": "Another", "stock": 2})])
    answer = world.ask()
    assert answer.columns[0]["title"] == "Another"
    assert answer.columns[0]["year"] == 1990 + int(item[1:])
    assert world.items(where=("stock>1",)) == [item]
    assert world.items(where=("stock>1", "year>3000")) == []
    items.upsert(world.store, world.ns, [Thing(item, {"stock": 0})])
    assert world.items(where=("stock>1",)) == []


# -- the order ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ials", "ease", "blend"])
def test_diversity_orders_the_best_anew(world, key):
    model = world.use(key)
    plain = world.ask(n=20)
    assert said(world.ask(n=20, diversity=0.0)) == said(plain)
    places, scores = said(plain)
    at = model.items_.index(places).astype(np.int32)
    relevance = (np.array(scores) - scores[-1]) / (scores[0] - scores[-1])
    every = len(world.items(n=N_ALL))
    assert every <= 20
    order = naive.diversified(relevance.tolist(), model.ranker.scorer.likeness(at).tolist(), 0.5)
    assert world.items(n=20, diversity=0.5) == [places[k] for k in order]
    assert world.items(n=20, diversity=1.0) != places
    assert world.items("nobody", n=5, diversity=0.5)[0] == world.items("nobody")[0]


def test_a_model_without_likeness_knows_no_diversity(world):
    world.use("popularity")
    with pytest.raises(ParameterError, match="has no likeness of items; ask without diversity"):
        world.ask(diversity=0.5)


@pytest.mark.parametrize("key", ["ials", "als", "bpr"])
def test_boosts_lift_by_a_factor_whatever_the_sign(world, key):
    model = world.use(key)
    plain = world.ask(n=N_ALL)
    low = model.rating_range_[0] if model.score_kind == "rating" else 0.0
    for boosts in ((("genres=odd", 3.0),), (("genres=odd", 0.25), ("year>=2005", 2.0))):
        factors = [
            np.prod(
                [
                    f
                    for c, f in boosts
                    if (c == "genres=odd" and int(i[1:]) % 2) or (c != "genres=odd" and int(i[1:]) >= 15)
                ]
            )
            for i in said(plain)[0]
        ]
        scores = lifted(np.array(said(plain)[1]), np.array(factors), low)
        order = np.lexsort((np.arange(len(scores)), -scores))
        answer = world.ask(n=N_ALL, boosts=boosts)
        np.testing.assert_allclose(said(answer)[1], scores[order])
        assert said(answer)[0] == [said(plain)[0][k] for k in order]
        boosted = [factors[k] != 1 for k in order]
        assert [place.source == "boosted" for place in answer.places] == boosted


def test_a_popular_list_is_boosted_by_its_counts(world):
    model = world.use("ials")
    counts = model.item_order.counts
    first = world.items("nobody", n=N_ALL, boosts=(("year>=2005", 100.0),))
    assert {int(item[1:]) >= 15 for item in first[:15]} == {True}
    assert [counts[model.items_.index([i])[0]] for i in first[:15]] == sorted(
        (counts[model.items_.index([i])[0]] for i in first[:15]), reverse=True
    )
    with pytest.raises(ParameterError, match="has no column"):
        world.ask("nobody", boosts=(("size=3", 2.0),))
    with pytest.raises(ParameterError, match="has no column"):
        world.ask("u1", boosts=(("size=3", 2.0),))


def test_why_adds_up_to_the_score(world):
    world.use("ials")
    world.rate("ann", i1=5, i3=5, i5=5, i7=5, i9=5)
    for user in ("u1", "ann"):
        answer = world.ask(user, why=True)
        for place, reasons in zip(answer.places, answer.why, strict=True):
            assert len(reasons) == 4
            assert sum(reason["contribution"] for reason in reasons) == pytest.approx(place.score, abs=1e-6)
            assert reasons[0]["title"].startswith("Title ")
    boosted = world.ask("ann", why=True, boosts=(("year>1", 2.0),))
    for place, reasons in zip(boosted.places, boosted.why, strict=True):
        assert reasons[-1]["name"] == "boost"
        assert sum(reason["contribution"] for reason in reasons) == pytest.approx(place.score, abs=1e-6)
    assert set(world.ask("nobody", why=True).why) == {None}


# -- new items ------------------------------------------------------------------------------------------------------


def test_new_items_that_the_model_cannot_score_get_their_share_of_places(world):
    world.use("ials")
    plain = world.items(n=20)
    items.upsert(world.store, world.ns, [Thing("new1", {"year": 2020}), Thing("new2", {"year": 2021})])
    answer = world.ask(n=20)
    shown = [place.item for place in answer.places]
    assert [place.source for place in answer.places].index("new") == 9
    assert shown[9] in ("new1", "new2")
    assert [item for item in shown if not item.startswith("new")] == plain[: len(shown) - 2]
    assert world.items(n=20) == shown
    assert "new1" not in world.items(n=20, where=("year>=2021",), seen=True)
    world.events("u1", ("new1", "click", None), ("new2", "hide", None))
    assert not {"new1", "new2"} & set(world.items(n=N_ALL))
    assert {world.items(f"u{k}")[9] for k in range(2, 20)} == {"new1", "new2"}
    assert world.ask("u5").columns[9]["title"] in ("new1", "new2")


def test_an_item_met_in_feedback_alone_is_no_new_item(world):
    world.use("ials")
    world.events("ann", ("odd one", "click", None))
    assert "odd one" not in world.items("u1", n=N_ALL)


def test_new_items_are_scored_by_their_attributes_where_the_model_can(world):
    model = world.use("ials", features=True)
    items.upsert(
        world.store, world.ns, [Thing("odd", {"genres": ["odd"]}), Thing("even", {"genres": ["even", "quiet"]})]
    )
    answer = world.ask("u0", n=N_ALL)
    new = [place for place in answer.places if place.source == "new"]
    assert {place.item for place in new} == {"odd", "even"}
    scores = {place.item: place.score for place in answer.places}
    assert scores["odd"] > scores["even"]
    assert sorted(scores.values(), reverse=True) == [place.score for place in answer.places]
    features = Features.from_table({"item_id": ["odd"], "genres": [["odd"]]}, "item", encoding=model.item_encoding_)
    Q, _ = model._fold_items(Rows.empty(1), features.matrix)
    assert scores["odd"] == pytest.approx(float(model.user_factors_[model.users_.index(["u0"])[0]] @ Q[0]), abs=1e-6)
    assert world.ask("u0", diversity=0.5, n=5).places
    assert world.engine.similar(world.ns, "odd", 3).places[0].item in {f"i{k}" for k in range(1, N_ALL, 2)}


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 0}, f"n must be a whole number from 1 to {DEPTH}, got 0"),
        ({"n": DEPTH + 1}, f"n must be a whole number from 1 to {DEPTH}, got {DEPTH + 1}"),
        ({"diversity": 1.5}, "diversity must be a number from 0 to 1, got 1.5"),
        ({"diversity": float("nan")}, "diversity must be a number from 0 to 1, got nan"),
        ({"session": (("i1", None),)}, "a list is for a user or for a session"),
        ({"boosts": (("year>1", 0.0),)}, "the factor of the boost 'year>1' must be a number above 0"),
        ({"boosts": (("year>1", 2.0),) * 9}, "boosts are at most 8, got 9"),
    ],
)
def test_what_cannot_be_answered_is_told(world, given, message):
    with pytest.raises(ParameterError, match=message):
        world.ask("u1", **given)


def test_a_session_of_no_number_is_told(world):
    with pytest.raises(ParameterError, match="the value of the session's item 'i1' must be a finite number"):
        world.ask(None, session=(("i1", float("inf")),))


def test_weights_score_people_as_they_are_alone(world):
    world.use("ease")
    world.rate("ann", i1=5)
    world.rate("bob", i2=5, i4=5)
    alone = [world.items("ann"), world.items("bob")]
    answers = world.engine.answer([Ask(ns=world.ns, user=user) for user in ("ann", "bob")])
    assert [[place.item for place in answer.places] for answer in answers] == alone
    (space,) = world.engine._spaces.values()
    assert isinstance(space.loaded.model.ranker.scorer, WeightScorer)
