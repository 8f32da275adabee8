"""`auto`: the models that suit the rows, one validation part for all, a budget that holds, a reason that is told."""

import json
from itertools import count

import numpy as np
import polars as pl
import pytest
from synthetic import interactions, low_rank

import palate
from palate.data.splits.making import make_splits
from palate.errors import DataError, MissingExtraError, ParameterError
from palate.files.config import read_config
from palate.tuning import auto, candidates, contest
from palate.tuning.budget import Budget, OutOfTime
from palate.tuning.candidates import Candidate, blended, candidates_for
from palate.tuning.facts import facts_of

SMALL = {"mf": {"n_factors": 2, "n_epochs": 3}, "als": {"n_factors": 2, "n_epochs": 2}, "ials": {"n_epochs": 2}}
SMALL["bayes"] = {"n_factors": 2, "n_sweeps": 6, "n_burn_in": 2, "n_components": 0}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Make the models small; what is tried and why stays."""
    made = contest.new_model

    def new_model(key, facts, random_state):
        return made(key, facts, random_state).set_params(**SMALL.get(key, {}))

    monkeypatch.setattr(contest, "new_model", new_model)


@pytest.fixture(scope="module")
def ratings():
    return low_rank()


@pytest.fixture(scope="module")
def clicks():
    """Two groups of people, each with items of its own."""
    rng = np.random.default_rng(0)
    pairs = [(u, int(i) + 15 * (u % 2)) for u in range(60) for i in rng.permutation(15)[:8]]
    return interactions(*map(list, zip(*pairs, strict=True)))


def still():
    """Return a clock that stands still."""
    return 0.0


def states(chosen):
    return dict(chosen.comparison.select("model", "state").iter_rows())


def test_ratings_are_compared_by_their_error_and_the_best_is_fitted_on_all_rows(ratings, tmp_path):
    chosen = auto(ratings, n_trials=6, out=tmp_path, named=("log.csv",))
    table = chosen.comparison
    assert chosen.metric == "rmse"
    assert set(table["model"]) == {"baseline", "als", "mf", "bayes"}
    assert table["value"].is_sorted()
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()
    assert table["trials"].sum() == chosen.trials.height == 6
    assert chosen.value == table["value"][0]
    assert (table["model"][0], table["state"].to_list()) == (chosen.model.key, ["chosen", *3 * ["tried"]])
    assert chosen.model.seen_.indices.size == len(ratings)
    assert "ratings of" in chosen.sentences[0]
    assert f"{chosen.model.key} was chosen: its rmse on" in chosen.sentences[1]
    assert {p.name for p in tmp_path.iterdir()} == {
        "study.db", "model.safetensors", "config.json", "comparison.parquet", "trials.parquet",
    }  # fmt: skip
    assert palate.load(tmp_path / "model.safetensors").key == chosen.model.key
    assert read_config(tmp_path / "config.json").get_params() == {**chosen.model.get_params(), "n_threads": None}
    kept = json.loads((tmp_path / "config.json").read_text())["tuned"]
    assert kept["command"] == chosen.command
    assert kept["comparison"][0]["model"] == chosen.model.key
    assert pl.read_parquet(tmp_path / "comparison.parquet").equals(table)


def test_clicks_are_compared_by_lists_and_each_model_says_why_it_is_there(clicks):
    chosen = auto(clicks, n_trials=6)
    assert chosen.metric == "ndcg@20"
    assert chosen.model.key != "popularity"
    assert chosen.comparison["value"].drop_nulls().is_sorted(descending=True)
    why = dict(chosen.comparison.select("model", "why").iter_rows())
    assert why["popularity"].startswith("the floor")
    assert why["knn"] == "behind ease on all data of the table"
    assert states(chosen)["knn"] == states(chosen)["warp"] == "left out"
    assert "clicks of 60 people and 30 items" in chosen.sentences[0]


def test_the_best_models_of_two_kinds_are_blended(clicks):
    chosen = auto(clicks, n_trials=9)
    row = chosen.comparison.filter(model="blend").to_dicts()[0]
    assert row["state"] in ("chosen", "tried")
    assert row["why"].endswith("models of different kinds err on different items")
    assert blended({"bpr": 4.0, "rp3beta": 1.0, "ials": 2.0, "ease": 3.0}).given == {"parts": "bpr, rp3beta"}
    assert blended({"bpr": 4.0, "rp3beta": 1.0}).seconds > 2 * 5.0
    assert blended({"popularity": 0.1, "ease": 1.0, "graph": 1.0}) is None
    assert "blend" not in set(
        auto(clicks, n_trials=9, metric="recall@5", seconds=0.01, clock=still).comparison["model"]
    )


def test_the_same_trials_and_seed_give_the_same_model_whatever_the_clock(clicks):
    ticks = count(0, 1000.0)
    first = auto(clicks, n_trials=8, clock=still)
    second = auto(clicks, n_trials=8, clock=lambda: next(ticks))
    assert first.comparison.drop("seconds").equals(second.comparison.drop("seconds"))
    assert first.settings == second.settings
    assert first.model.recommend(1, n=5).equals(second.model.recommend(1, n=5))


def test_the_command_trains_the_same_model_again(clicks, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from palate.cli import app

    monkeypatch.chdir(tmp_path)
    clicks.to_table().select("user_id", "item_id").write_csv("log.csv")
    chosen = auto(palate.read_ratings("log.csv"), n_trials=8, named=("log.csv",))
    assert chosen.words[:3] == ["palate", "train", "log.csv"]
    done = CliRunner().invoke(app, list(chosen.words[1:]))
    assert done.exit_code == 0, done.output
    again = palate.load("model.safetensors")
    assert again.get_params() == chosen.model.get_params()
    assert again.recommend(1, n=5).equals(chosen.model.recommend(1, n=5))


def test_the_test_part_is_never_seen_and_measured_once(ratings):
    split = make_splits(ratings, "random:0.2:42")[0]
    values = ratings.values.copy()
    values[split.test] = 99
    absurd = palate.Interactions(ratings.user_index, ratings.item_index, values, None, ratings.users, ratings.items)
    first, second = (auto(data, n_trials=5, split="random:0.2:42") for data in (ratings, absurd))
    assert first.comparison.drop("seconds").equals(second.comparison.drop("seconds"))
    assert second.test_value > 50 > first.test_value > 0
    assert "--split random:0.2:42" in first.command


def test_values_say_what_they_are():
    def kind(values, **options):
        n = len(values)
        rows = interactions(np.arange(n) % 7, np.arange(n), values)
        facts = facts_of(rows, options.get("metric"), options.get("positive"))
        return facts.kind, facts.positive, facts.metric

    stars, plays = [1, 2, 3, 4, 5] * 8, [1, 2, 3, 4, 500] * 8
    assert kind([1.0] * 40) == ("clicks", None, "ndcg@20")
    assert kind(stars) == ("ratings", None, "rmse")
    assert kind(stars, positive=4) == ("clicks", 4, "ndcg@20")
    assert kind(plays) == ("counts", "values", "ndcg@20")
    assert kind(plays, positive="any") == ("clicks", "any", "ndcg@20")
    assert kind(plays, metric="mae") == ("ratings", None, "mae")
    assert kind([0.5, *plays[1:]])[0] == kind([-1, *plays[1:]])[0] == "ratings"


def test_only_rows_that_are_clicks_are_counted():
    rows = interactions([1, 1, 2, 2, 3], [1, 2, 1, 3, 4], [5, 1, 5, 5, 1])
    assert (facts_of(rows, None, 4).rows, facts_of(rows, None, 4).users, facts_of(rows, None, 4).items) == (3, 2, 2)


def test_counts_are_chosen_for(clicks):
    values = np.where(np.arange(len(clicks)) % 5, 1, 300)
    counts = interactions(clicks.user_index, clicks.item_index, values)
    chosen = auto(counts, n_trials=4)
    assert chosen.record["positive"] == "values"
    assert "counts of" in chosen.sentences[0]


@pytest.mark.parametrize(
    ("rows", "options", "key", "said"),
    [
        (([1, 1, 1], [1, 2, 3], [1, 1, 1]), {}, "popularity", "there is only one person"),
        (([1, 2, 3], [1, 1, 1], [3, 4, 5]), {}, "baseline", "there is only one item"),
        (([1, 1, 2, 2], [1, 2, 1, 2], [4, 4, 4, 4]), {"metric": "rmse"}, "baseline", "all values are equal"),
        (([1, 2], [1, 2], [1, 1]), {}, "popularity", "there are too few rows to compare models on"),
    ],
    ids=["one person", "one item", "equal values", "too few rows"],
)
def test_where_nothing_can_be_compared_the_simplest_model_and_a_sentence(rows, options, key, said, tmp_path, request):
    if "too few" in request.node.name:
        request.getfixturevalue("monkeypatch").setattr("palate.tuning.choosing.make_parts", refuse)
    chosen = auto(interactions(*rows), out=tmp_path, **options)
    assert chosen.model.key == key
    assert said in chosen.sentences[1]
    assert chosen.sentences[1].endswith(f"{key} was fitted, without a comparison")
    assert (chosen.value, chosen.trials.height) == (None, 0)
    assert states(chosen)[key] == "chosen"
    assert "without a comparison" in chosen._repr_html_()
    assert palate.load(tmp_path / "model.safetensors").key == key


def refuse(*_):
    raise DataError("the split leaves nothing", code="split", subject="split")


def test_no_time_for_a_fit_leaves_the_floor_and_says_so(clicks, ratings):
    for data, key in ((clicks, "popularity"), (ratings, "baseline")):
        chosen = auto(data, seconds=0.01, clock=still)
        assert chosen.model.key == key
        assert chosen.sentences[1] == f"{key} was chosen: no other model came to an end: give more seconds"
        assert set(states(chosen).values()) <= {"chosen", "no time", "left out"}
        late = chosen.comparison.filter(state="no time")["why"]
        assert late.str.contains("with the fit on all rows, and 0 s were left").all()


def test_a_slow_model_is_not_begun_and_a_shorter_chain_is_where_that_fits(ratings):
    facts = facts_of(ratings, None, None)
    whole = next(c for c in candidates_for(facts) if c.key == "bayes").seconds
    begun = auto(ratings, seconds=3.0 * whole, n_trials=5, clock=still)  # a whole one would end just in time
    row = begun.comparison.filter(model="bayes").to_dicts()[0]
    assert row["why"].endswith("tried with a shorter chain, a whole one follows where it is the best")
    assert states(auto(ratings, seconds=1.1 * whole, n_trials=5, clock=still))["bayes"] == "no time"


def test_a_shorter_chain_is_followed_by_a_whole_one(ratings, monkeypatch):
    monkeypatch.setattr(candidates, "SHORT", {"n_sweeps": 4, "n_burn_in": 1})
    only = Candidate("bayes", "alone", 100.0, short={"n_sweeps": 4, "n_burn_in": 1}, short_share=0.1)
    floor = Candidate("popularity", "the floor", 0.1)
    monkeypatch.setattr(contest, "candidates_for", lambda _: [floor, only])
    chosen = auto(ratings, seconds=150, n_trials=2, clock=still)
    assert (chosen.model.key, chosen.model.n_sweeps) == ("bayes", SMALL["bayes"]["n_sweeps"])


def test_a_fit_that_takes_too_long_is_ended(ratings):
    ticks = count(0, 1.0)
    chosen = auto(ratings, seconds=60, clock=lambda: next(ticks))
    late = chosen.comparison.filter(state="no time")
    assert late.height
    assert late["value"].null_count() == late.height
    assert chosen.model.key in ("baseline", "als", "mf")
    assert next(ticks) < 75


def test_a_search_that_is_ended_leaves_the_last_fit_whole(ratings, monkeypatch):
    """The time of a trial ended the fit on all rows, too, where the best model was the one that was ended."""
    ticks, times = count(0, 1.0), iter([1e9, 0.0])
    monkeypatch.setattr(contest, "candidates_for", lambda _: [Candidate("mf", "alone", 1.0)])
    monkeypatch.setattr(contest.Contest, "_time_of_search", lambda *_: next(times))
    chosen = auto(ratings, seconds=1e6, clock=lambda: next(ticks))
    assert (chosen.model.key, chosen.trials.height) == ("mf", 1)
    assert chosen.model.seen_.indices.size == len(ratings)


def test_the_clock_stops_and_a_slow_machine_is_expected_to_stay_slow():
    now = [0.0]
    budget = Budget(10.0, lambda: now[0])
    pace = budget.pace
    budget.saw(1.0, 50.0)  # compiling, and nothing else
    assert budget.pace == pace
    budget.saw(5.0, 5.0 * pace * 3)
    assert budget.expected(2.0) == 6.0 * pace
    stop = budget.stopping(lambda _: None, 3.0)
    stop(palate.Progress("training", 1, 2))
    now[0] = 3.5
    with pytest.raises(OutOfTime):
        stop(palate.Progress("training", 2, 2))
    assert budget.left == 6.5
    assert Budget(None, lambda: now[0]).expected(2.0) == 2.0


def test_a_choice_that_was_stopped_goes_on_where_it_was(clicks, tmp_path):
    def stop(step):
        if step.task.startswith("ials"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        auto(clicks, n_trials=7, out=tmp_path, progress=stop)
    assert not (tmp_path / "config.json").exists()
    resumed = auto(clicks, n_trials=7, out=tmp_path)
    whole = auto(clicks, n_trials=7)
    assert resumed.comparison.drop("seconds").equals(whole.comparison.drop("seconds"))
    assert auto(clicks, n_trials=7, out=tmp_path).trials.equals(resumed.trials)


def test_another_question_is_not_answered_from_the_same_folder(clicks, tmp_path):
    auto(clicks, n_trials=1, out=tmp_path)
    with pytest.raises(DataError, match="holds a search with another metric: choose another folder"):
        auto(clicks, n_trials=1, out=tmp_path, metric="recall@5")
    with pytest.raises(DataError, match="holds a search with another model and space:"):
        palate.tune("popularity", clicks, metric="ndcg@20", split="none", n_trials=1, out=tmp_path)


def test_few_trials_leave_models_out(clicks):
    chosen = auto(clicks, n_trials=2)
    assert (
        chosen.comparison.filter(state="left out", model="ials")["why"][0]
        == "all 2 trials were of the models before it"
    )


def test_a_model_that_fails_is_told_and_the_others_go_on(clicks, monkeypatch):
    def fail(*_):
        raise DataError("it cannot be", subject="x")

    monkeypatch.setattr(palate.EASE, "_learn", fail)
    chosen = auto(clicks, n_trials=4)
    assert chosen.comparison.filter(model="ease").select("state", "why").row(0) == ("failed", "it cannot be")
    for key in ("popularity", "rp3beta", "graph", "ials", "bpr"):
        monkeypatch.setattr(palate.MODELS[key], "_learn", fail)
    with pytest.raises(DataError, match="no model could be tried: popularity: it cannot be"):
        auto(clicks, n_trials=6)


def test_large_catalogues_are_measured_on_some_people(clicks, monkeypatch):
    monkeypatch.setattr("palate.tuning.choosing.measured_people", lambda _: 10)
    chosen = auto(clicks, n_trials=1)
    assert 0 < chosen.comparison["value"][0] < 1
    assert auto(clicks, n_trials=1, random_state=1).value != chosen.value


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"metric": "rsme"}, ParameterError, "unknown metric 'rsme'"),
        ({"metric": "popularity_lift@5"}, ParameterError, "has no better end to search for"),
        ({"metric": "ndcg@5"}, DataError, "ndcg@5 is of lists, and the values differ, from .*: say how values count"),
        ({"metric": "rmse", "positive": 4}, ParameterError, "positive says what a click is, and rmse is of predicted"),
        ({"positive": "4"}, ParameterError, "positive must be none, 'any'"),
        ({"positive": 400}, DataError, "no row has a value of at least 400, the highest is"),
        ({"seconds": 0}, ParameterError, "seconds must be a number above 0, got 0"),
        ({"n_trials": 0}, ParameterError, "n_trials must be a whole number of at least 1, got 0"),
        ({"random_state": -1}, ParameterError, "random_state must be a whole number of at least 0, got -1"),
        ({"validation": "kfold:2:1"}, ParameterError, "the split kfold:2:1 has 2 test parts"),
        ({"attributes": True}, ParameterError, "interactions have none"),
    ],
)
def test_impossible_requests(ratings, options, error, said):
    with pytest.raises(error, match=said):
        auto(ratings, **{"n_trials": 2, **options})


def test_a_metric_that_no_model_offers_is_refused(clicks):
    data = palate.Dataset.from_tables(clicks)
    with pytest.raises(ParameterError, match=r"is offered by no model that suits these rows: .* needs an item table"):
        auto(data, metric="calibration@5", n_trials=1)
    with pytest.raises(DataError, match=r"the split time:0\.2 needs times"):
        auto(clicks, validation="time:0.2", n_trials=1)
    with pytest.raises(DataError, match="data has no row to choose a model by"):
        auto(clicks.take(np.arange(0)), n_trials=1)


def test_without_optuna_the_pip_command_is_told(clicks, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'palate\[tune\]'"):
        auto(clicks)


def test_every_model_has_an_estimate_that_grows_with_the_rows(clicks, ratings):
    for rows in (clicks, ratings):
        few = facts_of(rows, None, None)
        many = facts_of(rows, None, None).__class__(
            **{**vars(few), "rows": 10**7, "users": 10**5, "items": 10**5, "pairs": 1e10}
        )
        for one, other in zip(candidates_for(few), candidates_for(many), strict=True):
            assert 0 < one.seconds < other.seconds
            assert one.key in palate.MODELS
