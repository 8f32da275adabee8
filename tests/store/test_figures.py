"""What was measured of models, kept with their versions: read from a comparison, and told."""

from __future__ import annotations

import json

import pytest
from synthetic import low_rank

import palate
from palate.errors import DataError
from palate.evaluation import compare
from palate.models import EASE, Baseline, Popularity
from palate.store import open_store, versions
from palate.store.versions import VersionFigure, figure_of, figures_of
from palate.store.versions.keeping import set_version


@pytest.fixture(scope="module")
def data():
    plain = low_rank(20, 15, 150)
    users, items = [f"u{u}" for u in plain.user_index], [f"i{i}" for i in plain.item_index]
    return palate.Interactions.from_table({"user": users, "item": items, "rating": plain.values.tolist()})


@pytest.fixture
def shop(data, tmp_path):
    """A store with an EASE of clicks and a Baseline of stars, twice."""
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as store:
        ns = store.namespace()
        for model in (EASE(positive=3), Baseline(), Baseline()):
            palate.save(model.fit(data), tmp_path / f"{model.key}.safetensors")
            versions.add(store, ns, tmp_path / f"{model.key}.safetensors")
        yield store, ns


@pytest.fixture(scope="module")
def results(data, tmp_path_factory):
    """The folder of a comparison of both with the popular list, and the comparison."""
    models = {"popularity": Popularity(), "ease": EASE(positive=3), "stars": Baseline()}
    folder = tmp_path_factory.mktemp("results")
    return folder, compare(models, data, "random:0.3:1", ["ndcg@5", "rmse"], out=folder / "of", n_processes=1)


def version(shop, number):
    return next(one for one in versions.listed(*shop) if one.number == number)


def test_what_a_comparison_measured_is_kept_with_the_newest_versions(shop, results):
    kept = versions.keep_figures(*shop, versions.read_figures(results[0] / "of"))
    assert kept == {"ease": 1, "baseline": 3}
    table = {(row["model"], row["metric"]): row for row in results[1].table().to_dicts()}
    told, row = figure_of(version(shop, 1), ("ndcg",)), table["ease", "ndcg@5"]
    assert (told.value, told.low, told.high, told.people) == (row["mean"], row["low"], row["high"], row["n_users"])
    assert told.popular == table["popularity", "ndcg@5"]["mean"]
    assert told.of.endswith(", random:0.3:1")
    assert figure_of(version(shop, 3), ("rmse",)).value == table["stars", "rmse"]["mean"]
    assert figure_of(version(shop, 1), ("rmse",)) is None
    assert figures_of(version(shop, 2)) == []
    assert version(shop, 3).details["figures"]["calibration"]
    assert version(shop, 3).details["users"] == 20


def test_figures_of_a_file_are_those_of_the_folder(results, tmp_path):
    figures = versions.read_figures(results[0] / "of")
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    assert versions.read_figures(tmp_path / "figures.json") == figures


def test_the_gates_figure_is_told_where_nobody_compared(shop, tmp_path):
    store, ns = shop
    verdict = {
        "decision": "accepted",
        "why": "",
        "rule": {"metric": "ndcg@10"},
        "against": "popular",
        "values": {"candidate": 0.4, "running": 0.3},
        "days": {"people": 50},
    }
    number = versions.add(store, ns, tmp_path / "ease.safetensors", details={"verdict": verdict})
    expected = VersionFigure(metric="ndcg@10", value=0.4, people=50, popular=0.3, of="the newest days")
    assert figures_of(version(shop, number)) == [expected]
    measured = {"ease": {"of": "x", "metrics": {"ndcg@10": {"value": 0.5}}}}
    assert versions.keep_figures(store, ns, measured) == {"ease": number}
    assert figures_of(version(shop, number)) == [VersionFigure(metric="ndcg@10", value=0.5, of="x")]


def test_details_that_another_process_writes_meanwhile_stay(shop, monkeypatch):
    store, ns = shop
    before = versions.listed(store, ns)
    monkeypatch.setattr("palate.store.versions.figures.listed", lambda *_: before)
    with store.write() as conn:
        set_version(conn, ns, 1, details=json.dumps({**version(shop, 1).details, "before": 2}))
    measured = {"ease": {"of": "x", "metrics": {"ndcg@10": {"value": 0.5}}}}
    for keep in (versions.keep_figures, lambda *given: versions.fill_figures(*given, [1])):
        keep(store, ns, measured)
    assert (version(shop, 1).details["before"], figures_of(version(shop, 1))[0].value) == (2, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON of figures: .*palate compare DATA --models … --out FOLDER makes one"),
        ("[]", "holds no figures by model"),
        ('{"ease": {"metrics": {"ndcg@10": {"value": "high"}}}}', "holds no metrics with numbers of 'ease'"),
        ('{"ease": {"metrics": {"ndcg@10": {"value": 1, "low": "x"}}}}', "holds no metrics with numbers of 'ease'"),
        ('{"ease": 3}', "holds no metrics with numbers of 'ease'"),
    ],
)
def test_what_is_no_figure_is_refused(tmp_path, text, message):
    path = tmp_path / "figures.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        versions.read_figures(path)
    with pytest.raises(DataError, match=r"cannot read .*none\.json: No such file"):
        versions.read_figures(tmp_path / "none.json")


def test_figures_of_models_that_are_not_there_are_refused(shop):
    with pytest.raises(DataError, match="there are baseline, ease, measured were ials"):
        versions.keep_figures(*shop, {"ials": {"of": "x", "metrics": {}}})
