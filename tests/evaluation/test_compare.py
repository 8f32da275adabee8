"""`compare` and `cross_validate`: the same figures as `evaluate`, kept, resumed, and refused in time."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dying_model import Dies
from polars.testing import assert_frame_equal
from sklearn.metrics import root_mean_squared_error
from synthetic import interactions, low_rank

from palate.data.dataset import Dataset
from palate.data.items import item_table
from palate.data.splits.making import make_splits
from palate.errors import DataError, ParameterError
from palate.evaluation import Comparison, compare, cross_validate, evaluate
from palate.models import Baseline, MatrixFactorization, Popularity

METRICS = ["rmse", "ndcg@3", "recall@5", "coverage@3"]
FAST = {"n_factors": 2, "n_epochs": 4}
HELD_UP = """
import sys, time
sys.path.insert(0, sys.argv[3])
from synthetic import low_rank
from palate.evaluation import compare
from palate.models import Baseline, Popularity

def slow(step):
    print(step.stage, step.step, flush=True)
    if step.stage == "runs finished" and step.step == int(sys.argv[2]):
        time.sleep(60)

if __name__ == "__main__":
    compare([Popularity(), Baseline()], low_rank(), "kfold:2:1", ["ndcg@3"], out=sys.argv[1], progress=slow)
"""


@pytest.fixture(scope="module")
def data():
    return low_rank()


@pytest.fixture(scope="module")
def dataset(data):
    n = data.n_users
    users = pl.DataFrame({"user_id": data.users.values, "age": range(20, 20 + n), "gender": ["F", "M"] * (n // 2)})
    users = users.with_columns(town=pl.Series(["A", "B", None, "A"] * (n // 4)))
    items = item_table(data.items).with_columns(title=pl.format("Film {}", "item_id"))
    return Dataset("made up", data, items, users)


@pytest.fixture(scope="module")
def found(dataset):
    return compare([Popularity(), Baseline(), MatrixFactorization(**FAST)], dataset, "kfold:3:1", METRICS)


def figures(comparison):
    """Return all that does not depend on the clock."""
    times = ["fit_seconds", "score_seconds", "peak_mb", "n_threads"]
    return [comparison.results, comparison.units, comparison.groups, comparison.runs.drop(times)]


def assert_same(one, other):
    for a, b in zip(figures(one), figures(other), strict=True):
        assert_frame_equal(a, b)


def test_figures_are_those_of_evaluate(found, data):
    for fold, one in enumerate(make_splits(data, "kfold:3:1")):
        alone = evaluate(MatrixFactorization(random_state=42 + fold, **FAST), *one.apply(data), metrics=METRICS)
        rows = found.results.filter(pl.col("metric").is_in(METRICS), model="mf", fold=fold)
        assert dict(zip(rows["metric"], rows["value"], strict=True)) == alone.metrics
        worst = dict(zip(rows["metric"], rows["worst_tenth"], strict=True))
        assert worst["ndcg@3"] == alone.summaries["ndcg@3"].worst_tenth


def test_the_table_has_a_row_for_each_model_and_metric(found):
    table = found.table()
    expected = [(m, k) for m in METRICS for k in ("popularity", "baseline", "mf") if (m, k) != ("rmse", "popularity")]
    assert list(zip(table["metric"], table["model"], strict=True)) == expected
    told = "model metric mean low high worst_tenth n_users n_without_list n_left_out n_popular mean_of_others"
    assert table.columns == [*told.split(), "fit_seconds", "score_seconds", "peak_mb", "command"]
    means = found.results.filter(model="mf", metric="rmse")["value"].to_numpy()
    row = table.row(by_predicate=(pl.col("model") == "mf") & (pl.col("metric") == "rmse"), named=True)
    assert row["mean"] == pytest.approx(means.mean(), rel=1e-12)
    assert row["low"] < row["mean"] < row["high"]
    assert row["worst_tenth"] > row["mean"]
    assert (row["n_users"], row["n_without_list"], row["peak_mb"]) == (40, 0, None)
    coverage = table.filter(metric="coverage@3")
    assert coverage["low"].null_count() == coverage["n_users"].null_count() == 3
    wider = found.table(level=0.99).filter(model="mf", metric="rmse").row(0, named=True)
    assert wider["low"] < row["low"]
    assert wider["high"] > row["high"]


def test_metrics_beside_are_recorded_and_not_tabled(found):
    beside = {"coverage@5", "novelty@5", "list_overlap@5", "popularity_lift@5"}
    assert beside <= set(found.results["metric"])
    assert not beside & set(found.table()["metric"])
    assert "rmse needs a model that predicts ratings" in found.details["popularity"]["skipped"]["rmse"]
    only_errors = compare(["baseline"], low_rank(), metrics=["mae"])
    assert set(only_errors.results["metric"]) == {"mae"}


def test_tests_say_in_words_what_they_found(found):
    tests = found.tests()
    assert list(zip(tests["metric"], tests["model"], tests["other"], strict=True)) == [
        ("rmse", "baseline", "mf"),
        *[
            (m, a, b)
            for m in METRICS[1:3]
            for a, b in (("popularity", "baseline"), ("popularity", "mf"), ("baseline", "mf"))
        ],
    ]
    assert (tests["p_holm"] >= tests["p"]).all()
    for row in tests.to_dicts():
        means = [found.table().filter(model=row[m], metric=row["metric"])["mean"][0] for m in ("model", "other")]
        assert row["difference"] == pytest.approx(means[0] - means[1])
        if row["p_holm"] >= 0.05:
            expected = f"no significant difference in {row['metric']} between {row['model']} and {row['other']}"
            assert row["verdict"] == expected
    assert found.tests(test="wilcoxon")["p"].to_list() != tests["p"].to_list()
    folds = found.tests(across="folds")
    assert folds.filter(metric="ndcg@3")["p"].min() >= 0.25  # three folds: 8 patterns, two of them as far
    assert set(folds["metric"]) == set(METRICS)
    assert found.tests(level=0.9)["low"].to_list() != tests["low"].to_list()


def test_a_real_difference_is_found_and_points_the_right_way():
    rng = np.random.default_rng(0)
    taste = np.tile([1.0, 5.0], 30)
    pairs = [(u, i) for u in range(60) for i in range(20) if rng.random() < 0.6]
    values = [np.clip(taste[u] + rng.normal(0, 0.3), 1, 5) for u, _ in pairs]
    data = interactions(*zip(*pairs, strict=True), values, rating_range=(1, 5))
    models = {"knows users": Baseline(reg_users=0.1), "knows none": Baseline(reg_users=1e9)}
    found = compare(models, data, "random:0.3:1", ["rmse", "r2"])
    errors, explained = found.tests()["verdict"]
    assert errors.startswith("knows users is better than knows none in rmse by 1.")
    assert explained.startswith("knows users is better than knows none in r2 by 1.")
    size, low, high = (float(x.strip("()")) for x in errors.split(" by ")[1].replace(" to ", " ").split())
    assert 0 < low < size < high
    same = compare({"a": Baseline(), "b": Baseline()}, data, "random:0.3:1", ["rmse"]).tests().row(0, named=True)
    assert same["verdict"] == "no significant difference in rmse between a and b"
    assert (same["p"], same["effect"]) == (1.0, None)


def test_groups_are_of_the_users_and_add_up(found, dataset):
    groups = found.groups
    assert set(groups["grouping"]) == {"activity", "age", "gender"}
    assert set(groups["metric"]) == {"rmse", "ndcg@3", "recall@5"}
    for row in groups.filter(model="mf", metric="ndcg@3", grouping="gender").to_dicts():
        users = np.flatnonzero((dataset.users["gender"] == row["group"]).to_numpy())
        units = found.units.filter(pl.col("user_index").is_in(users), model="mf", metric="ndcg@3")
        assert row["mean"] == pytest.approx(units.group_by("fold").agg(pl.col("num").mean())["num"].mean())
        assert row["n"] == units["user_index"].n_unique() == 20
        assert row["low"] < row["mean"] < row["high"]
    ages = groups.filter(model="mf", metric="rmse", grouping="age").sort("place")["group"].to_list()
    assert ages == ["20 to 29", "30 to 39", "40 to 49", "50 to 59"]
    towns = compare(["baseline"], dataset, metrics=["mae"], groups=["town"]).groups
    assert towns.filter(grouping="town").sort("place")["group"].to_list() == ["A", "B", "unknown"]
    assert set(towns["grouping"]) == {"activity", "town"}


def test_processes_and_threads_change_nothing(dataset):
    tasks = []
    asked = [Popularity(), MatrixFactorization(**FAST)], dataset, "kfold:2:1", METRICS
    aside = compare(*asked, n_processes=2, progress=tasks.append)
    assert_same(compare(*asked), aside)
    assert aside.runs["peak_mb"].min() > 50
    assert {t.task for t in tasks if t.stage == "training"} == {f"mf, kfold:2:1 fold {k}" for k in (1, 2)}
    overall = [(t.step, t.total) for t in tasks if not t.task]
    assert overall == [(n, 4) for n in range(1, 5)]
    assert aside.details["mf"]["examples"][0]["recommended"][0]["title"].startswith("Film ")


def test_a_folder_comes_back_the_same(found, tmp_path):
    (tmp_path / "run").mkdir()
    found.save(tmp_path / "run")
    again = Comparison.open(tmp_path / "run")
    assert_same(found, again)
    assert again.plan == json.loads(json.dumps(found.plan))
    assert again.tests().equals(found.tests())
    with pytest.raises(DataError, match=r"cannot write the comparison to .*nowhere"):
        found.save(tmp_path / "nowhere")
    assert repr(again) == repr(found)
    assert repr(again).startswith("Comparison(popularity, baseline, mf on kfold:3:1 of made up)\n")


def test_the_plan_tells_all_that_a_repetition_needs(found, data):
    from palate.data.fingerprint import fingerprint

    plan = found.plan
    assert plan["data"]["fingerprint"] == fingerprint(data)
    assert [s["name"] for s in plan["splits"]] == [f"kfold:3:1 fold {k}" for k in (1, 2, 3)]
    assert (plan["split"], plan["metrics"], plan["random_state"]) == ("kfold:3:1", METRICS, 42)
    assert plan["models"][2]["parameters"] | FAST == plan["models"][2]["parameters"]
    assert plan["models"][2]["parameters"]["random_state"] == 42
    assert found.runs.filter(model="mf")["seed"].to_list() == [42, 43, 44]
    assert {"palate", "numpy", "scipy", "numba", "polars", "python"} <= set(plan["versions"])
    assert plan["machine"]["cores"] >= 1


def held_up(out, at):
    """Start a comparison that stands still after some runs; return the process once it does."""
    command = [sys.executable, "-c", HELD_UP, str(out), str(at), str(Path(__file__).parent.parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.strip() == f"runs finished {at}":
            return process
    raise RuntimeError("it ended early")


def test_a_killed_run_goes_on_where_it_was(tmp_path, data):
    process = held_up(tmp_path / "run", 2)
    process.kill()
    process.wait()
    process.stdout.close()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "rows").glob("*.json")}
    assert len(kept) == 2
    with pytest.raises(DataError, match="holds no comparison yet: it was begun, and the same command finishes it"):
        Comparison.open(tmp_path / "run")
    steps = []
    options = {"out": tmp_path / "run", "progress": steps.append}
    models = [Popularity(), Baseline()]
    resumed = compare(models, data, "kfold:2:1", ["ndcg@3"], **options)
    assert [s.step for s in steps if not s.task] == [3, 4]
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert_same(resumed, compare(models, data, "kfold:2:1", ["ndcg@3"]))
    steps.clear()
    more = compare([*models, MatrixFactorization(**FAST)], data, "kfold:2:1", ["ndcg@3"], **options)
    assert [s.step for s in steps if not s.task] == [5, 6]
    assert more.labels == ["popularity", "baseline", "mf"]


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    process = held_up(tmp_path / "run", 1)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) != 0
    process.stdout.close()
    assert len(list((tmp_path / "run" / "rows").glob("*.json"))) == 1


def test_another_question_is_not_answered_from_the_same_folder(tmp_path, data):
    out = tmp_path / "run"
    compare(["baseline"], data, "random:0.2:1", ["mae"], out=out)
    for change, said in (
        ({"splits": "random:0.2:2"}, r"another split \(random:0.2:1, now random:0.2:2\)"),
        ({"metrics": ["rmse"]}, r"another metrics \(\['mae'\], now \['rmse'\]\)"),
        ({"positive": 4}, r"another positive \(None, now 4\)"),
        ({"random_state": 7}, r"another random_state \(42, now 7\)"),
        ({"data": low_rank(seed=1)}, "a comparison of other data: choose another folder, or remove that one"),
    ):
        asked = {"data": data, "splits": "random:0.2:1", "metrics": ["mae"], **change}
        with pytest.raises(DataError, match=said):
            compare(["baseline"], asked["data"], out=out, **{k: v for k, v in asked.items() if k != "data"})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match="other holds other files: choose an empty folder for the results"):
        compare(["baseline"], data, out=tmp_path / "other")
    with pytest.raises(DataError, match=r"cannot write results to .*thesis.tex"):
        compare(["baseline"], data, out=tmp_path / "other" / "thesis.tex")


def test_damaged_rows_and_folders_are_refused(tmp_path, data):
    out = tmp_path / "run"
    compare(["baseline"], data, "random:0.2:1", ["mae"], out=out)
    (row,) = (out / "rows").glob("*.json")
    whole = row.read_text()
    for broken in (whole[:40], "[]", '{"figures": {}}'):
        row.write_text(broken)
        with pytest.raises(DataError, match=r"the finished row .* is damaged \(.*remove it, and it is made again"):
            compare(["baseline"], data, "random:0.2:1", ["mae"], out=out)
    row.write_text(whole)
    pl.DataFrame({"x": [1]}).write_parquet(row.with_suffix(".parquet"))
    with pytest.raises(DataError, match="has the columns x; remove it"):
        compare(["baseline"], data, "random:0.2:1", ["mae"], out=out)
    shutil.copy(out / "run.json", tmp_path / "run.json")
    plan = json.loads((out / "run.json").read_text())
    for broken, said in (
        (json.dumps({**plan, "format_version": 9}), "is no comparison of version 1, but of 9"),
        (json.dumps([1]), "damaged"),
        ("{", "damaged"),
    ):
        (out / "run.json").write_text(broken)
        with pytest.raises(DataError, match=said):
            Comparison.open(out)
    shutil.copy(tmp_path / "run.json", out / "run.json")
    (out / "units.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"the comparison in .* is damaged"):
        Comparison.open(out)
    with pytest.raises(DataError, match=r"holds no comparison .*palate compare DATA --out"):
        Comparison.open(tmp_path / "nowhere")


class Broken(Baseline):
    """A model that fails when it is fitted."""

    key = "broken"

    def fit(self, *_, **__):
        raise DataError("this data is not for me")


def test_a_failed_run_is_told_and_the_others_stand(data, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "palate"):
        found = compare([Broken(), Baseline()], data, "random:0.2:1", ["mae"], out=tmp_path / "run")
    assert caplog.messages == ["broken failed on fold 1 and is left out of it: this data is not for me"]
    assert found.failed == ["broken"]
    assert repr(found).startswith("Comparison(broken, baseline on random:0.2:1 of the given interactions)\n")
    assert repr(found).endswith("\nfailed: broken")
    assert found.failures == [{"model": "broken", "fold": 0, "error": "this data is not for me"}]
    assert found.table()["model"].to_list() == ["baseline"]
    assert Comparison.open(tmp_path / "run").failures == found.failures
    with pytest.raises(DataError, match=r"^every run failed: this data is not for me$"):
        compare([Broken()], data, "kfold:2:1", ["mae"])


@pytest.mark.long
def test_a_process_that_dies_is_told(data):
    found = compare([Dies(), Baseline()], data, "random:0.2:1", ["mae"], n_processes=2)
    (failure,) = found.failures
    assert failure["error"].startswith("its process was ended by the system (SIGKILL), most likely for want of memory")
    assert found.table()["model"].to_list() == ["baseline"]


def test_cross_validate_is_a_comparison_of_one(data):
    found = cross_validate(Baseline(reg_users=3), data, "kfold:4:1", ["rmse"])
    values = []
    for one in make_splits(data, "kfold:4:1"):
        train, test = one.apply(data)
        fitted = Baseline(reg_users=3).fit(train)
        values.append(root_mean_squared_error(test.values, fitted.predict_index(test.user_index, test.item_index)))
    assert found.results["value"].to_list() == pytest.approx(values, rel=1e-6)
    assert found.table()["mean"][0] == pytest.approx(np.mean(values), rel=1e-6)
    assert found.tests().is_empty()
    assert len(cross_validate("baseline", data, metrics=["mae"]).runs) == 5


def test_names_of_models(data):
    one = compare([Baseline(), Baseline(reg_users=9)], data, metrics=["mae"])
    assert one.labels == ["baseline()", "baseline(reg_users=9)"]
    assert compare({"x": Baseline()}, data, metrics=["mae"]).labels == ["x"]
    assert compare(["popularity"], data).plan["metrics"] == ["ndcg@10", "recall@10", "hit_rate@10", "coverage@10"]
    assert compare(["popularity", "baseline"], data).plan["metrics"] == ["rmse", "rmse_unclipped", "mae"]
    clicks = interactions(data.user_index, data.item_index)
    assert compare(["baseline"], clicks).plan["metrics"][0] == "ndcg@10"


def test_warnings_are_collected_with_the_model(caplog):
    rng = np.random.default_rng(0)
    pairs = [(u, i) for u in range(60) for i in range(20) if rng.random() < i / 20]  # the last are popular
    data = interactions(*zip(*pairs, strict=True), rng.integers(1, 6, len(pairs)), rating_range=(1, 5))
    found = compare({"flat": Baseline(reg_users=1e9, reg_items=1e9)}, data, "random:0.2:1", ["ndcg@3"])
    (text,) = [w for w in found.warnings if "rank below mere popularity" in w]
    assert text.startswith(
        "flat: baseline is made for ratings, and its lists rank below mere popularity here (ndcg@3 0."
    )
    assert not caplog.records


@pytest.mark.parametrize(
    ("models", "options", "error", "said"),
    [
        (["nope"], {}, ParameterError, "no model 'nope'; there is popularity, baseline, mf, als"),
        ([], {}, ParameterError, "give at least one model; there is popularity"),
        ([5], {}, ParameterError, "a model, or a key such as 'mf', is needed; got int"),
        (
            [Baseline(), Baseline()],
            {},
            ParameterError,
            r"two models are the same: baseline\(\), baseline\(\); give {label",
        ),
        ([Baseline(reg_users=-1)], {}, ParameterError, "reg_users"),
        (
            ["mf"],
            {"n_processes": 0},
            ParameterError,
            "n_processes must be a whole number of at least 1, or None, got 0",
        ),
        (["mf"], {"metrics": []}, ParameterError, "name at least one metric, and each once; got none"),
        (["mf"], {"metrics": "rmse"}, ParameterError, "metrics takes a list of names"),
        (["mf"], {"metrics": ["ndcg@31"]}, ParameterError, "lists of 31 of 30 items: choose k up to 30"),
        (["mf"], {"groups": ["town"]}, ParameterError, "the user table has no column 'town'"),
        (["mf"], {"splits": "luck"}, ParameterError, "unknown split 'luck'"),
        (
            [MatrixFactorization(random_state=np.random.default_rng(1))],
            {},
            ParameterError,
            "so that a run can be repeated",
        ),
    ],
)
def test_impossible_requests_are_refused_before_any_work(data, models, options, error, said, monkeypatch):
    worked = []
    monkeypatch.setattr(MatrixFactorization, "fit", lambda *a, **k: worked.append(a))
    with pytest.raises(error, match=said):
        compare(models, data, **options)
    assert not worked


def test_a_fold_with_one_user_is_refused():
    data = interactions([1] * 6 + [2] * 4, range(10), [3] * 10, times=[*range(10, 16), *range(4)])
    with pytest.raises(DataError, match=r"the test part of time:0.2 has rows of one user only, .*choose a larger part"):
        compare(["baseline"], data, "time:0.2", ["mae"])
    assert "mae" in evaluate(Baseline(), *make_splits(data, "time:0.2")[0].apply(data), metrics=["mae"]).metrics


def test_a_split_by_time_without_times_is_refused(data):
    with pytest.raises(DataError, match="needs times, and these interactions have none"):
        compare(["baseline"], interactions([1, 2], [1, 2]), "time:0.2")
    with pytest.raises(DataError, match=r"data must be Interactions, got DataFrame"):
        compare(["baseline"], data.to_table())


def test_wrong_words_of_tables_and_tests_are_refused(found, data):
    for wrong in ({"level": 1}, {"n_resamples": 0}):
        with pytest.raises(ParameterError, match="level must lie between 0 and 1, n_resamples be 1 or more"):
            found.table(**wrong)
    for wrong in ({"test": "t"}, {"across": "items"}):
        with pytest.raises(ParameterError, match="test is permutation or wilcoxon, across users or folds; got"):
            found.tests(**wrong)
    with pytest.raises(ParameterError, match="across folds needs two of them, such as kfold:5:42"):
        compare(["baseline", "popularity"], data, metrics=["mae"]).tests(across="folds")


def test_ctrl_c_inside_a_fit_is_no_result(data):
    def stop(step):
        if step.stage == "training" and step.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare([MatrixFactorization(n_epochs=10**6)], data, metrics=["rmse"], progress=stop)


def test_a_part_of_the_catalogue_is_kept_in_the_plan_and_repeated(dataset, tmp_path):
    out = tmp_path / "run"
    some = dataset.interactions.items.values.sort()[:12].to_list()
    found = compare(["popularity", "baseline"], dataset, "random:0.3:1", ["ndcg@3"], allow=some, out=out)
    assert found.plan["part"] == {"n_items": 12, "allow": some, "deny": None, "where": []}
    train, test = make_splits(dataset.interactions, "random:0.3:1")[0].apply(dataset.interactions)
    alone = evaluate(Popularity(), train, test, metrics=["ndcg@3"], allow=some)
    assert alone.n_listed == 12
    assert found.results.filter(model="popularity", metric="ndcg@3")["value"].to_list() == [alone.metrics["ndcg@3"]]
    assert f"--allow {some[0]} --allow {some[1]}" in found.runs["command"][0]
    with pytest.raises(DataError, match="holds a comparison with another part"):
        compare(["popularity"], dataset, "random:0.3:1", ["ndcg@3"], out=out)
    for options in ({"where": "title=Film 1000"}, {"where": [pl.col("title") == "Film 1000"]}):
        few = compare(["popularity"], dataset, "random:0.3:1", ["ndcg@3"], **options)
        assert few.plan["part"]["n_items"] == 1


def test_a_comparison_of_an_earlier_version_is_opened(found, tmp_path):
    (tmp_path / "run").mkdir()
    found.save(tmp_path / "run")
    older = found.results.drop("n_popular", "mean_of_others")
    older.write_parquet(tmp_path / "run" / "results.parquet")
    again = Comparison.open(tmp_path / "run").table()
    assert_frame_equal(again.drop("n_popular", "mean_of_others"), found.table().drop("n_popular", "mean_of_others"))
    assert again["n_popular"].null_count() == len(again)
