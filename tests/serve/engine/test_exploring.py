"""Lists by chance: what is drawn, what is logged of it, and that both agree; by the engine, as a preset asks for it."""

from __future__ import annotations

import math
from dataclasses import replace

import naive
import numpy as np
import pytest
from in_process import serving, wait_until

from palate.errors import ParameterError
from palate.experiments.choosing import utilities
from palate.experiments.explore import Explore
from palate.serve import counting, measures
from palate.serve.engine import exploring, listing
from palate.serve.engine.presets import checked
from palate.store import lists, scenarios, versions
from palate.store.presets import Preset
from palate.store.to_count import ToCount

SOFTMAX = Explore(policy="softmax", temperature=0.5, depth=5)
THOMPSON = Explore(policy="thompson", depth=8)


def names(answer):
    return [place.item for place in answer.places]


def propensities(answer):
    return [place.propensity for place in answer.places]


def put(world, explore, **said):
    return scenarios.put(world.store, world.ns, "try", Preset(explore=explore, **said))


def ask(world, user="u1", **said):
    return world.ask(user, scenario="try", **said)


def kept(world, answer):
    with world.store.read() as conn:
        return lists.get(conn, world.ns, answer.list_id)


def count(world):
    return counting.count(world.store)


@pytest.fixture
def ids(monkeypatch):
    """Give lists ids of an even spread, so that what is drawn does not depend on the run."""
    made = iter(range(1, 1 << 30))
    monkeypatch.setattr(
        listing, "list_ids", lambda n, now: [f"{now:016x}{(next(made) << 20) | 1 << 63:016x}" for _ in range(n)]
    )


# -- softmax ----------------------------------------------------------------------------------------------------------


def test_without_exploration_the_log_says_1_and_that_chance_took_no_part(world):
    world.use("ials")
    put(world, None)
    for explore in (None, Explore()):
        put(world, explore)
        answer = ask(world)
        assert names(answer) == world.items()
        assert propensities(answer) == [1] * 10
        assert answer.explored == {} == kept(world, answer).explored


def test_the_log_has_the_probability_of_every_place_and_of_the_list(world, ids):
    world.use("ials")
    put(world, SOFTMAX)
    order = world.items()
    scores = np.array([place.score for place in world.ask().places])[:5]
    weights = np.exp(utilities(scores) / 0.5)
    P = naive.places_taken(weights)
    seen = set()
    for _ in range(20):
        answer = ask(world, n=7)
        drawn = [order.index(name) for name in names(answer)]
        seen.add(tuple(drawn))
        assert drawn[5:] == [5, 6]  # behind the candidates
        np.testing.assert_allclose(propensities(answer), [*P[drawn[:5], range(5)], 1, 1], rtol=1e-5)
        assert answer.explored["log_probability"] == pytest.approx(math.log(naive.first_places(weights, drawn[:5])))
        shown = kept(world, answer)
        np.testing.assert_allclose([p.propensity for p in shown.places], propensities(answer), rtol=1e-6)
        assert shown.explored == answer.explored
        assert shown.explored | {"log_probability": 0} == {
            "policy": "softmax",
            "by": "softmax",
            "temperature": 0.5,
            "share": 1.0,
            "uniform": 0.0,
            "depth": 5,
            "candidates": 5,
            "log_probability": 0,
        }
        assert shown.uncounted is None
    assert len(seen) > 5


def test_scores_and_columns_go_with_their_items(world, ids):
    world.use("ials")
    put(world, SOFTMAX)
    plain = {place.item: place.score for place in world.ask().places}
    answer = ask(world)
    assert {place.item: place.score for place in answer.places} == plain
    assert [columns["title"] for columns in answer.columns] == [name.replace("i", "Title ") for name in names(answer)]


def test_following_pages_go_on_from_the_explored_order_and_have_its_probabilities(world, ids):
    world.use("ials")
    put(world, replace(SOFTMAX, uniform=0.2, share=0.7))
    order, scores = world.items(), np.array([place.score for place in world.ask().places])[:5]
    P = naive.mixed_places(naive.places_taken(np.exp(utilities(scores) / 0.5)), 0.7, 0.2)
    answer = ask(world, n=2)
    second = world.engine.following(world.ns, answer.list_id, 3, 2)
    third = world.engine.following(world.ns, answer.list_id, 5, 5)
    whole = names(answer) + names(second) + names(third)
    assert sorted(whole[:5]) == sorted(order[:5])
    assert whole[5:] == order[5:9]
    drawn = [order.index(name) for name in whole]
    expected = [*P[drawn[:5], range(5)], 1, 1, 1, 1]
    np.testing.assert_allclose(propensities(answer) + propensities(second) + propensities(third), expected, rtol=1e-5)
    assert second.explored == answer.explored
    pages = kept(world, answer).pages
    np.testing.assert_allclose([p.propensity for page in pages for p in page.places], expected[2:], rtol=1e-5)


def test_an_item_withheld_from_a_page_leaves_the_propensities_of_the_others(world, ids):
    world.use("ials")
    put(world, SOFTMAX)
    answer = ask(world, n=1)
    page = world.engine.following(world.ns, answer.list_id, 2, 4)
    world.rate("u1", **{names(page)[1]: 5})
    again = world.engine.following(world.ns, answer.list_id, 2, 4)
    assert again.withheld == 1
    assert propensities(again) == [p for at, p in enumerate(propensities(page)) if at != 1]


def test_a_share_of_lists_is_the_order_itself(world, ids):
    world.use("ials")
    put(world, replace(SOFTMAX, share=0.5))
    answers = [ask(world, n=5) for _ in range(40)]
    left = [answer for answer in answers if answer.explored["by"] == "order"]
    assert 8 < len(left) < 32
    assert {tuple(names(answer)) for answer in left} == {tuple(world.items(n=5))}
    assert all(p > 0.5 for answer in left for p in propensities(answer))


def test_diversity_boosts_and_filters_make_the_order_and_chance_comes_last(world, ids):
    world.use("ials")
    put(world, SOFTMAX, diversity=0.7, where=("year>=2000",), boosts=(("genres=even", 3.0),))
    order = world.ask(diversity=0.7, where=("year>=2000",), boosts=(("genres=even", 3.0),))
    weights = np.exp(utilities(np.array([place.score for place in order.places])[:5]) / 0.5)
    P = naive.places_taken(weights)
    firsts = set()
    for _ in range(10):
        answer = ask(world, n=5)
        assert sorted(names(answer)) == sorted(names(order)[:5])
        drawn = [names(order).index(name) for name in names(answer)]
        np.testing.assert_allclose(propensities(answer), P[drawn, range(5)], rtol=1e-5)
        firsts.add(names(answer)[0])
    assert len(firsts) > 1


def test_lists_of_nobody_and_of_a_store_without_a_model_explore_by_ranks(world, ids):
    world.rate("u1", i1=5, i2=4)
    world.rate("u2", i1=5, i3=4, i4=3)
    put(world, SOFTMAX)
    assert ask(world, "stranger").explored["candidates"] == 3
    world.use("ials")
    answer = ask(world, "stranger", n=3)
    order = world.items("stranger", n=10)
    P = naive.places_taken(np.exp(utilities(np.full(5, np.nan)) / 0.5))
    np.testing.assert_allclose(propensities(answer), P[[order.index(n) for n in names(answer)], range(3)], rtol=1e-5)


def test_an_empty_list_is_nobodys_chance(world):
    world.use("ials")
    put(world, SOFTMAX)
    answer = ask(world, where=("year>=5000",))
    assert (answer.places, answer.explored) == ((), {})


# -- Thompson sampling ------------------------------------------------------------------------------------------------


def draws_of(model, user, order, moved=None):
    """Return the order of the first candidates in each kept draw of a user of training, whose scores may be moved."""
    u = int(model.users_.index([user])[0])
    items = model.items_.index(order)
    S = np.einsum("sd,isd->si", model.user_draws_[u][:, :-1].astype(float), model.item_draws_[items][..., :-1])
    S = S + model.item_draws_[items][..., -1].T + model.user_draws_[u][:, -1:] + model.mean_draws_[:, None]
    S = S + (np.zeros(len(items)) if moved is None else moved)
    return [sorted(range(len(items)), key=lambda i, row=row: -row[i]) for row in S]


def test_thompson_shows_one_of_the_kept_draws_and_logs_the_share_that_agree(world, ids):
    model = world.use("bayes")
    put(world, THOMPSON)
    order = world.items(n=8)
    rows = draws_of(model, "u1", order)
    P = np.zeros((8, 8))
    for row in rows:
        for place, item in enumerate(row):
            P[item, place] += 1 / len(rows)
    P = naive.mixed_places(P, 1, 0.05)
    for _ in range(20):
        answer = ask(world, n=4)
        drawn = [order.index(name) for name in names(answer)]
        if answer.explored["by"] == "thompson":
            assert drawn == rows[answer.explored["draw"]][:4]
        np.testing.assert_allclose(propensities(answer), P[drawn, range(4)], rtol=1e-9)
        assert min(propensities(answer)) >= 0.05 / 8
        page = world.engine.following(world.ns, answer.list_id, 5, 10)
        rest = [order.index(name) for name in names(page)[:4]]
        np.testing.assert_allclose(propensities(page), [*P[rest, range(4, 8)], *[1.0] * 6], rtol=1e-6)


def test_the_list_of_somebody_folded_in_is_counted_later(world, ids):
    world.use("bayes")
    put(world, THOMPSON)
    world.rate("new", i1=5, i4=1)
    answer = ask(world, "new", n=3)
    before = world.engine.following(world.ns, answer.list_id, 4, 3)
    assert np.isnan(propensities(answer) + propensities(before)).all()
    shown = kept(world, answer)
    assert shown.uncounted is not None
    assert shown.explored["log_probability"] is None
    assert count(world) == counting.Round(1, 0, 0)
    shown = kept(world, answer)
    found = [place.propensity for place in shown.places]
    assert shown.uncounted is None
    assert all(0.05 / 8 <= p <= 1 for p in found)
    assert shown.explored["log_probability"] <= math.log(min(found)) + 1e-6
    after = world.engine.following(world.ns, answer.list_id, 4, 8)
    assert np.isfinite(propensities(after)).all()
    pages = kept(world, answer).pages
    assert [p.propensity for p in pages[0].places] == pytest.approx(propensities(after)[:3])
    assert [p.item for p in shown.places] == names(answer)
    assert count(world) == counting.Round(0, 0, 0)


def test_what_is_counted_later_is_what_is_drawn(world, ids):
    """Over many lists each item stands at each place as often as its counted propensity says."""
    world.use("bayes")
    put(world, replace(THOMPSON, depth=4))
    world.rate("new", i1=5, i4=1)
    n = 120
    answers = [ask(world, "new", n=4) for _ in range(n)]
    assert count(world).counted == n
    places = [kept(world, answer).places for answer in answers]
    for at in range(4):
        told = {row[at].item: row[at].propensity for row in places}
        for item, p in told.items():
            share = sum(row[at].item == item for row in places) / n
            assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / n) + 1e-9


def test_a_costly_list_of_somebody_known_is_counted_later_to_the_same(world, ids, monkeypatch):
    world.use("bayes")
    put(world, THOMPSON)
    now = [ask(world, n=4) for _ in range(3)]
    monkeypatch.setattr(exploring, "MOST_COUNTED", 0)
    later = [ask(world, n=4) for _ in range(20)]
    assert count(world).counted == 20
    told = {(at, p.item): p.propensity for answer in now for at, p in enumerate(answer.places)}
    same = 0
    for answer in later:
        for at, place in enumerate(kept(world, answer).places):
            if (at, place.item) in told:
                same += 1
                assert place.propensity == pytest.approx(told[at, place.item], rel=1e-6)
    assert same > 5


def test_boosts_move_the_scores_of_every_draw_as_they_move_the_models(world, ids):
    model = world.use("bayes")
    boosts = (("genres=even", 1.3),)
    put(world, THOMPSON, boosts=boosts)
    plain = {place.item: place.score for place in world.ask(n=30).places}
    lifted = world.ask(boosts=boosts, n=8)
    moved = np.array([place.score - plain[place.item] for place in lifted.places])
    assert moved.any()
    rows = draws_of(model, "u1", names(lifted), moved)
    for _ in range(20):
        answer = ask(world, n=8)
        if answer.explored["by"] == "thompson":
            assert [names(lifted).index(name) for name in names(answer)] == rows[answer.explored["draw"]]


def test_boosts_and_new_items_take_part_in_draws(world, ids):
    from palate.store import items
    from palate.store.records import Thing

    world.use("bayes")
    items.upsert(world.store, world.ns, [Thing("fresh", {"year": 2020})])
    put(world, THOMPSON, boosts=(("genres=even", 2.0),), new_items_share=0.3)
    order = world.ask(boosts=(("genres=even", 2.0),), n=8)
    answers = [ask(world, n=8) for _ in range(20)]
    assert all(sorted(names(answer)) == sorted(names(answers[0])) for answer in answers)
    assert "fresh" in names(answers[0])
    assert len({tuple(names(answer)) for answer in answers}) > 1
    assert len(order.places) == 8


def test_nobody_known_and_popular_lists_keep_their_order_but_for_the_uniform_share(world, ids):
    world.use("bayes")
    put(world, THOMPSON)
    answer = ask(world, "stranger", n=3)
    assert names(answer) == world.items("stranger", n=3)
    np.testing.assert_allclose(propensities(answer), 0.95 + 0.05 / 8)


def test_a_model_without_draws_shows_its_order_and_says_so(world):
    world.use("ials")
    put(world, THOMPSON)
    before = measures.UNEXPLORED.labels("no_draws")._value.get()
    answer = ask(world)
    assert names(answer) == world.items()
    assert propensities(answer) == [1] * 10
    assert (
        answer.explored
        == {"policy": "none", "instead_of": "thompson", "why": "no_draws"}
        == kept(world, answer).explored
    )
    assert measures.UNEXPLORED.labels("no_draws")._value.get() == before + 1
    page = world.engine.following(world.ns, answer.list_id, 11, 3)
    assert propensities(page) == [1, 1, 1]
    with pytest.raises(ParameterError, match="'thompson' shows draws that a model keeps, and ImplicitALS keeps none"):
        exploring.check(world.models("ials")[0], THOMPSON)
    with pytest.raises(ParameterError, match="there is no model: use 'softmax', or a version of 'bayes'"):
        exploring.check(None, THOMPSON)
    exploring.check(world.models("bayes")[0], THOMPSON)
    exploring.check(None, SOFTMAX)


# -- counting later ---------------------------------------------------------------------------------------------------


def uncounted_list(world, user="new"):
    world.use("bayes")
    put(world, THOMPSON)
    world.rate(user, i1=5, i4=1)
    return ask(world, user, n=3)


def test_versions_that_lists_wait_for_are_not_removed(world):
    answer = uncounted_list(world)
    versions.activate(world.store, world.ns, versions.add(world.store, world.ns, world.models("ials")[1]))
    versions.activate(world.store, world.ns, versions.add(world.store, world.ns, world.models("ease")[1]))
    assert versions.prune(world.store, world.ns, 0) == []
    assert count(world).counted == 1
    assert versions.prune(world.store, world.ns, 0) == [answer.version]


def test_a_list_whose_version_is_gone_is_lost_and_says_why(world):
    answer = uncounted_list(world)
    from palate.store.versions import keeping

    with world.store.write() as conn:
        keeping.set_version(conn, world.ns, answer.version, state=keeping.REMOVED)
    assert count(world) == counting.Round(0, 1, 0)
    shown = kept(world, answer)
    assert shown.explored["lost"] == "the model version is gone"
    assert np.isnan([place.propensity for place in shown.places]).all()
    assert np.isnan(propensities(world.engine.following(world.ns, answer.list_id, 4, 3))).all()


def test_a_list_that_its_draw_does_not_make_is_lost(world, monkeypatch):
    answer = uncounted_list(world)
    while answer.explored["by"] != "thompson":
        answer = ask(world, "new", n=3)
    from_bytes = ToCount.from_bytes

    def otherwise(packed):
        made = from_bytes(packed)
        return replace(made, order=made.order[::-1].copy())

    monkeypatch.setattr(ToCount, "from_bytes", otherwise)
    assert count(world).lost >= 1
    assert kept(world, answer).explored["lost"] == "the model version does not make this list again"


def test_damaged_bytes_are_lost_and_the_others_counted(world):
    from sqlalchemy import update

    from palate.store.schema import lists as table

    first, second = uncounted_list(world), ask(world, "new")
    with world.store.write() as conn:
        conn.execute(update(table).where(table.c.list_id == bytes.fromhex(first.list_id)).values(uncounted=b"no"))
    assert count(world) == counting.Round(1, 1, 0)
    assert "is damaged" in kept(world, first).explored["lost"]
    assert kept(world, second).explored["log_probability"] < 0


def test_a_version_that_cannot_be_read_now_leaves_the_list_for_the_next_round(world, monkeypatch):
    from palate.errors import ModelFileError

    uncounted_list(world)

    def broken(*_):
        raise ModelFileError.of("the model file", "is damaged")

    with monkeypatch.context() as patched:
        patched.setattr(versions, "load", broken)
        assert count(world) == counting.Round(0, 0, 1)
    assert count(world) == counting.Round(1, 0, 0)


def test_a_round_stops_when_the_service_does(world):
    import threading

    uncounted_list(world)
    stop = threading.Event()
    stop.set()
    assert counting.count(world.store, stop) == counting.Round(0, 0, 1)


def test_the_next_start_of_a_service_counts_what_the_last_one_left(world, tmp_path):
    answer = uncounted_list(world)
    assert kept(world, answer).uncounted is not None
    with serving(tmp_path / "shop.db", engine=None) as client:
        wait_until(lambda: kept(world, answer).uncounted is None, seconds=60)
        wait_until(lambda: "palate_lists_uncounted 0.0" in client.get("/metrics").text, seconds=60)
        said = client.post("/v1/recommendations", json={"user": "new", "scenario": "try"}).json()
        metrics = client.get("/metrics").text
    assert kept(world, answer).explored["log_probability"] < 0
    assert {place["propensity"] for place in said["items"]} == {None, 1}  # 8 are candidates
    assert (said["explored"]["policy"], said["explored"]["log_probability"]) == ("thompson", None)
    assert 'palate_lists_explored_total{by="' in metrics
    assert 'palate_propensities_counted_total{result="counted"}' in metrics


def test_a_preset_by_thompson_is_refused_for_a_model_without_draws(world):
    world.use("ease")
    with pytest.raises(
        ParameterError, match="'thompson' shows draws that a model keeps, and EASE keeps none"
    ) as caught:
        checked(world.store, world.ns, Preset(explore=THOMPSON))
    assert caught.value.code == "not_offered"
    world.use("bayes")
    checked(world.store, world.ns, Preset(explore=THOMPSON))


def test_what_is_counted_from_survives_as_bytes(world):
    answer = uncounted_list(world)
    packed = kept(world, answer).uncounted
    made = ToCount.from_bytes(packed)
    assert made.to_bytes() == packed
    assert made.rows.indices.tolist() == world.models("bayes")[0].items_.index(["i1", "i4"]).tolist()
    assert len(packed) < 1500


def test_people_are_forgotten_with_what_their_lists_are_counted_from(world):
    from palate.store import forgetting

    uncounted_list(world)
    forgetting.forget(world.store, world.ns, ["new"])
    assert count(world) == counting.Round(0, 0, 0)
