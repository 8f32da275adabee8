"""The gate: which days, which models, and what it says of the difference."""

from __future__ import annotations

import numpy as np
import pytest
from retraining.small_log import DAY, DAYS, PEOPLE, START, clicks_of, fill, make, running

from palate import files
from palate.errors import DataError, DivergenceError, ParameterError
from palate.evaluation.fitted import evaluate_fitted
from palate.progress import silent
from palate.retraining import GateRule
from palate.retraining.days import Days, TooFew, days_of
from palate.retraining.gate import Gate
from palate.retraining.served import Running, served
from palate.store import Event, Thing, feedback, users, versions
from palate.store.source import dataset


def judged(store, ns, candidate, view="clicks", **rule):
    gate = Gate(store, ns, GateRule(**rule), versions.load_active(store, ns))
    return gate.judge(candidate, dataset(store, ns, view), silent)


# -- the days -----------------------------------------------------------------------------------------------


def test_the_training_part_is_the_log_at_the_cut_and_the_test_part_what_came_new(store, ns):
    whole = dataset(store, ns, "clicks")
    days = days_of(store, ns, whole, "clicks", 7)
    train, test = days.split.apply(days.data)
    at_cut = dataset(store, ns, "clicks", until=days.cut)
    assert clicks_of(train.interactions) == clicks_of(at_cut.interactions)
    assert sorted(clicks_of(train.interactions) + clicks_of(test.interactions)) == clicks_of(whole.interactions)
    assert train.interactions.times.max() * 1_000_000 <= days.cut < test.interactions.times.min() * 1_000_000
    assert days.newest - days.cut == 7 * DAY
    assert days.as_dict()["people"] == PEOPLE


def test_who_clicks_again_is_no_news_and_what_is_withdrawn_later_was_there_at_the_cut(store, ns):
    whole = dataset(store, ns, "clicks").interactions.to_table().sort("time")
    (user, item), (other, thing) = whole.select("user_id", "item_id").rows()[:2]
    late = START + DAYS * DAY
    again = [Event(user, item, "click", None, late, "again"), Event(other, thing, "skip", None, late, "no")]
    feedback.add(store, ns, again)
    days = days_of(store, ns, dataset(store, ns, "clicks"), "clicks", 7)
    train, test = (clicks_of(part.interactions) for part in days.split.apply(days.data))
    assert (user, item) in train
    assert (user, item) not in test
    assert (other, thing) in train
    assert (other, thing) not in test


@pytest.mark.parametrize(("days", "why"), [(100, "nothing in the log is older"), (0.00001, "brought nothing new")])
def test_days_that_leave_nothing_to_judge_say_so(store, ns, days, why):
    found = days_of(store, ns, dataset(store, ns, "clicks"), "clicks", days)
    if days < 1:  # the newest row itself is always there
        assert isinstance(found, Days)
    else:
        assert isinstance(found, TooFew)
        assert why in found.why


# -- the running model as it answers --


@pytest.mark.parametrize("key", ["ials", "ease", "knn", "popularity", "bpr"])
def test_the_running_model_is_measured_as_the_fitted_one_is(store, ns, key):
    days = days_of(store, ns, dataset(store, ns, "clicks"), "clicks", 7)
    train, test = days.split.apply(days.data)
    model = make(key).fit(train, progress=None)
    as_running = served(Running(model, train)).fit(train, progress=None)
    users = np.arange(len(train.interactions.users), dtype=np.int32)
    seen = train.interactions.by_user()
    theirs = model.ranker_of(seen).lists(users, 10, excluded=[seen])
    ours = as_running.lists_index(users, 10, excluded=[seen])
    np.testing.assert_array_equal(ours.items, theirs.items)
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    np.testing.assert_array_equal(as_running.ranking_keys(users[:5]), model.ranker_of(seen).keys(users[:5]))
    if key in ("ease", "knn", "popularity"):  # whose people are their rows
        measured = evaluate_fitted(model, test, metrics=["ndcg@10"]).metrics
        assert evaluate_fitted(as_running, test, metrics=["ndcg@10"]).metrics == pytest.approx(measured)


def test_what_the_running_model_has_not_seen_is_in_no_list_of_its(store, ns):
    old = dataset(store, ns, "clicks", until=START + DAY)  # few items, few people
    days = days_of(store, ns, dataset(store, ns, "clicks"), "clicks", 7)
    train, _ = days.split.apply(days.data)
    model = make("ease").fit(old, progress=None)
    as_running = served(Running(model, train)).fit(train, progress=None)
    users = np.arange(len(train.interactions.users), dtype=np.int32)
    lists = as_running.lists_index(users, 40)
    listed = {train.interactions.items.values[int(item)] for item in lists.items[lists.items >= 0]}
    assert listed <= set(model.items_.values)
    assert len(listed) > 1
    allowed = np.zeros(len(train.interactions.items), bool)
    allowed[lists.items[0, 1]] = True
    assert set(as_running.lists_index(users, 3, allowed=allowed).items.ravel()) <= {lists.items[0, 1], -1}
    unseen = np.flatnonzero(~np.isin(train.interactions.items.values, model.items_.values))
    assert np.isnan(as_running.score_index(users[: len(unseen)], unseen[: len(users)])).all()


def test_ratings_of_unknown_items_are_the_mean(store, ns):
    events = [
        Event(f"u{n % 30}", f"i{n % 23}", "rating", 1 + n % 5, START + n * DAY // 10, f"r{n}") for n in range(200)
    ]
    feedback.add(store, ns, events)
    log = dataset(store, ns, "ratings")
    old = make("als").fit(dataset(store, ns, "ratings", until=START + DAY), progress=None)
    as_running = served(Running(old, log)).fit(log, progress=None)
    known = old.items_.index(log.interactions.items.values, on_unknown="mark") >= 0
    item = np.flatnonzero(~known)[:1]
    assert as_running.predict_index(np.zeros(1, np.int32), item, clip=False) == old.mean_of(
        np.array([-1]), np.array([-1])
    )
    item = np.flatnonzero(known)[:1]
    person = old.person(log.interactions.take(np.flatnonzero(log.interactions.user_index == 0)))
    expected = old.predict(person, log.interactions.items.values[int(item[0])], clip=False)
    assert as_running.predict_index(np.zeros(1, np.int32), item, clip=False) == pytest.approx(expected)


def test_a_model_with_features_of_people_has_them_when_it_is_judged(store, ns):
    users.upsert(store, ns, [Thing(f"u{n}", {"side": "even" if n % 2 == 0 else "odd"}) for n in range(PEOPLE)])
    log = dataset(store, ns, "clicks")
    model = make("ials").fit(log, attributes=True, progress=None)
    assert model.user_encoding_
    rows, features = Running(model, log).people(log.interactions.users, log.users)
    assert features.shape == (PEOPLE, model.user_features_.shape[1])
    np.testing.assert_array_equal(features, model.user_features_)
    assert rows.n_rows == PEOPLE
    without = Running(model, log).people(log.interactions.users, log.users.drop("side"))[1]
    assert without is not None
    assert not without[:, 1:].any()


# -- the verdict -----------------------------------------------------------------------------------------------


def test_a_bad_candidate_is_refused_and_told_by_how_much(store, ns, tmp_path):
    number = running(store, ns, make("ease"), tmp_path)
    verdict = judged(store, ns, make("popularity"))
    assert (verdict.decision, verdict.running, verdict.against) == ("refused", number, "its settings")
    assert verdict.difference["high"] < 0
    assert verdict.difference["p"] < 0.05
    short = 0 - verdict.difference["high"]
    assert f"all of it lies below the margin of +0, by {short:.4f}" in verdict.why
    assert "its settings" not in verdict.why
    assert "trained to the same day" in verdict.why


def test_a_margin_below_zero_lets_it_be_so_much_worse(store, ns, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    high = judged(store, ns, make("popularity")).difference["high"]
    assert judged(store, ns, make("popularity"), margin=high - 0.001).decision == "accepted"
    assert judged(store, ns, make("popularity"), margin=high + 0.001).decision == "refused"


def test_a_better_one_passes_and_an_equal_one_where_no_more_is_asked(store, ns, tmp_path):
    running(store, ns, make("popularity"), tmp_path)
    better = judged(store, ns, make("ease"), test="better")
    assert better.decision == "accepted"
    assert better.difference["low"] > 0
    equal = judged(store, ns, make("popularity"))
    assert equal.decision == "accepted"
    assert equal.difference["value"] == equal.difference["high"] == 0
    strict = judged(store, ns, make("popularity"), test="better", margin=0.001)
    assert strict.decision == "refused"
    assert "by 0.0010" in strict.why


def test_a_running_model_older_than_the_days_is_measured_as_it_is(store, ns, tmp_path):
    cut = days_of(store, ns, dataset(store, ns, "clicks"), "clicks", 7).cut
    running(store, ns, make("ease"), tmp_path, until=cut)
    verdict = judged(store, ns, make("ease"))
    assert verdict.against == "as it is"
    assert verdict.difference["value"] == 0  # the same model on the same rows
    running(store, ns, make("ease"), tmp_path, until=cut + DAY)
    assert judged(store, ns, make("ease")).against == "its settings"
    running(store, ns, make("ease"), tmp_path, until=START + DAY)
    old = judged(store, ns, make("ease"))
    assert old.against == "as it is"
    assert old.difference["low"] > 0


def test_a_model_trained_elsewhere_may_have_seen_anything(store, ns, tmp_path):
    elsewhere = dataset(store, ns, "clicks", until=START + DAY).interactions
    files.save(make("ease").fit(elsewhere), tmp_path / "elsewhere.safetensors")
    versions.activate(store, ns, versions.add(store, ns, tmp_path / "elsewhere.safetensors"))
    assert judged(store, ns, make("ease")).against == "its settings"


def test_without_a_running_model_the_popular_items_are_to_be_beaten(store, ns):
    verdict = judged(store, ns, make("ease"))
    assert (verdict.decision, verdict.against, verdict.running) == ("accepted", "popular", None)
    assert verdict.difference["low"] > 0
    assert "of the popular items" in verdict.why


def test_models_of_clicks_and_of_ratings_are_judged_on_the_same_people(store, ns, tmp_path):
    rows = dataset(store, ns, "clicks").interactions.to_table()
    events = [
        Event(user, item, "rating", 5 - (n % 4 == 0) * 3, time * 1_000_000, f"r{n}")
        for n, (user, item, _, time) in enumerate(rows.rows())
    ]
    feedback.add(store, ns, events)
    for model, view in ((make("als"), "ratings"), (make("ease"), "clicks")):
        kind = "clicks" if view == "ratings" else "ratings"
        files.save(model.fit(dataset(store, ns, view), progress=None), tmp_path / f"{view}.safetensors")
        versions.activate(store, ns, versions.add(store, ns, tmp_path / f"{view}.safetensors"))
        candidate = make("ease") if kind == "clicks" else make("als")
        verdict = judged(store, ns, candidate, kind)
        assert verdict.against == "its settings"
        assert verdict.days["people"] == PEOPLE
        assert set(verdict.values) == {"candidate", "running"}
    with pytest.raises(DataError, match="the running model has no RMSE: give the rule a metric that both have"):
        judged(store, ns, make("als"), "ratings", metric="rmse")


def test_less_of_an_error_is_better(store, ns, tmp_path):
    chance = np.random.default_rng(0)
    events = [
        Event(f"u{u}", f"i{i}", "rating", float(1 + 4 * (i % 2)), START + int(chance.uniform(0, 30 * DAY)), f"{u}-{i}")
        for u in range(40)
        for i in range(20)
    ]
    feedback.add(store, ns, events)
    log = dataset(store, ns, "ratings")
    files.save(make("als").fit(log, progress=None), tmp_path / "als.safetensors")
    versions.activate(store, ns, versions.add(store, ns, tmp_path / "als.safetensors"))
    verdict = judged(store, ns, make("als", reg=1e5), "ratings", metric="rmse")
    assert verdict.values["candidate"] > verdict.values["running"]
    assert verdict.decision == "refused"
    assert verdict.difference["high"] < 0


def test_few_people_are_no_judges(store, ns, tmp_path):
    fewer = judged(store, ns, make("ease"), fewest=PEOPLE + 1)
    assert fewer.decision == "accepted"
    assert f"{PEOPLE} people are in the newest 7 days" in fewer.why
    running(store, ns, make("ease"), tmp_path)
    fewer = judged(store, ns, make("ease"), fewest=PEOPLE + 1)
    assert fewer.decision == "refused"
    assert f"the rule asks for {PEOPLE + 1} people" in fewer.why
    assert judged(store, ns, make("ease"), fewest=PEOPLE).difference is not None


def test_what_cannot_be_trained_to_the_cut_is_told(store, ns, monkeypatch):
    def diverges(*_):
        raise DivergenceError.of("training", "left the finite numbers")

    monkeypatch.setattr(type(make("ease")), "_learn", diverges)
    with pytest.raises(DataError, match="the candidate model cannot be judged: training left the finite numbers"):
        judged(store, ns, make("ease"))


# -- the rule -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metric": "ndgc@10"}, "did you mean 'ndcg@10'"),
        (
            {"metric": "catalogue_coverage@10"},
            "does not say of two models which one is better for people|unknown metric",
        ),
        ({"metric": "crps"}, "does not say of two models"),
        ({"metric": 3}, "metric must be a name such as"),
        ({"days": 0}, "days must be a number above 0"),
        ({"margin": "much"}, "margin must be a number"),
        ({"test": "equal"}, "test must be 'not_worse' or 'better'"),
        ({"level": 1}, "level must be a number"),
        ({"fewest": 1}, "fewest must be a whole number of at least 2"),
        ({"positive": "any"}, "positive must be a number"),
        ({"coverage": 2}, "coverage must be a number"),
        ({"overlap": -1}, "overlap must be a number"),
        ({"day": 7}, "a rule has no field 'day'; did you mean 'days'"),
    ],
)
def test_a_wrong_rule_is_refused_beforehand(wrong, words):
    with pytest.raises(ParameterError, match=words):
        GateRule.of(wrong)


def test_a_rule_is_what_is_said_and_the_rest_as_usual():
    assert GateRule.of({"days": 3, "margin": None}) == GateRule(days=3)
    assert GateRule.of(GateRule(metric="rmse", positive=4.0).as_dict()) == GateRule(metric="rmse", positive=4.0)
    with pytest.raises(ParameterError, match="rule must be an object"):
        GateRule.of("strict")


def test_relevant_ratings_are_those_that_the_kind_calls_positive(store, ns):
    from palate.store.kinds import EventKind, Kinds

    gate = Gate(store, ns, GateRule(), None)
    assert gate._positive(Kinds(), make("als")) == 4
    assert gate._positive(Kinds(), make("ease")) is None
    between = Kinds((EventKind(name="rating", positive="value >= 3 and value < 9", rating="value"),))
    assert gate._positive(between, make("als")) is None
    assert Gate(store, ns, GateRule(positive=2), None)._positive(Kinds(), make("als")) == 2


def test_more_days_of_another_log(store, ns):
    fill(store, ns, people=8, seed=3)
    assert isinstance(days_of(store, ns, dataset(store, ns, "clicks"), "clicks", 3), Days)
