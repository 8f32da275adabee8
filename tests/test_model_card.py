"""The card of a model, read by Hugging Face's own library: its head, its figures, and hostile names as text."""

from __future__ import annotations

import json

import huggingface_hub
import pytest
import yaml
from small_models import make
from synthetic import low_rank

import palate
from palate.errors import DataError, NotFittedError
from palate.integrations.card import model_card, results_of

NASTY = '"# <script>x</script>: | - [a](b)\n---\n\x1b[2J{}%&*\u2028'


@pytest.fixture(scope="module")
def data():
    return low_rank(n_users=60, n_items=40)


@pytest.fixture(scope="module")
def measured(data):
    return palate.evaluate_splits(make("als"), data, "random:0.2:1", metrics=["rmse", "ndcg@5"])[0]


def test_the_hub_reads_the_head_and_the_figures(measured):
    text = model_card(measured.fitted, measured, name="films", licence="mit")
    card = huggingface_hub.ModelCard(text)
    assert (card.data.library_name, card.data.license) == ("palate", "mit")
    assert card.data.tags == ["recommender-system", "collaborative-filtering", "matrix-factorization", "als"]
    assert card.data.metrics == ["rmse", "ndcg@5"]
    figures = {one.metric_type: one for one in card.data.eval_results}
    assert figures["rmse"].metric_value == measured.metrics["rmse"]
    assert figures["ndcg@5"].metric_name == "NDCG@5"
    assert figures["rmse"].task_type == "recommendation"
    assert card.data.model_name == "films"


def test_the_body_says_what_people_want_to_know(measured):
    text = model_card(measured.fitted, measured)
    for part in (
        *("# ALS on 40 items", "## How to use it", "palate.load(", "## What it learned from", "60 users and 40 items"),
        *("| `n_factors` | 4 |", "| `random_state` | 0 |", f"| {measured.metrics['rmse']:.4f} |", "## Evaluation"),
        *("* It does not tell how sure it is.", "treat it as personal data"),
    ):
        assert part in text, part


def test_a_comparison_gives_intervals_and_says_who_is_ahead(data):
    run = palate.compare([make("als"), make("baseline")], data, "random:0.2:1", metrics=["rmse"])
    text = model_card(make("als").fit(data), run)
    row = run.table().row(0, named=True)
    assert f"| {row['mean']:.4f} | {row['low']:.4f} to {row['high']:.4f} |" in text
    assert "RMSE" in text.split("## Evaluation")[1].split("## What it can")[0].split("|")[-1]


def test_without_results_it_says_so(data):
    text = model_card(make("bpr", store_history=False).fit(data))
    assert "Nothing was measured" in text
    assert "The rows themselves are not in the model file." in text
    assert "personal data" not in text
    assert "model-index" not in text


def test_a_model_without_factors_has_no_tag_of_them(data):
    assert "matrix-factorization" not in model_card(make("ease").fit(data))


def test_names_are_text_in_head_and_body(data, measured):
    record = json.loads(json.dumps(measured.to_dict(), default=str)) | {"split": NASTY}
    text = model_card(measured.fitted, record, name=NASTY)
    head = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    name = head["model-index"][0]["name"]
    assert name.startswith('"# <script>x</script>: | - [a](b)\\n---')
    assert head["model-index"][0]["results"][0]["dataset"]["split"] == name
    body = text.split("\n---\n", 1)[1]
    assert "<script>" not in body
    assert "[a](b)" not in body
    assert "\x1b" not in text


def test_results_come_from_files(measured, data, tmp_path):
    path = tmp_path / "e.json"
    path.write_text(json.dumps(measured.to_dict(), default=str))
    assert model_card(measured.fitted, results_of(path)) == model_card(measured.fitted, measured)
    run = palate.compare([make("als")], data, "random:0.2:1", metrics=["rmse"], out=tmp_path / "run")
    assert model_card(measured.fitted, results_of(tmp_path / "run")) == model_card(measured.fitted, run)


def test_what_is_refused(measured, data, tmp_path):
    with pytest.raises(NotFittedError):
        model_card(make("als"))
    with pytest.raises(DataError, match="are of als, and the model is mf"):
        model_card(make("mf").fit(data), measured)
    with pytest.raises(DataError, match="are of baseline, and the model is als"):
        model_card(measured.fitted, palate.compare([make("baseline")], data, "random:0.2:1", metrics=["rmse"]))
    with pytest.raises(DataError, match="there is no file"):
        results_of(tmp_path / "none.json")
    for content, words in (("{", "is no JSON"), ("[1]", "holds no evaluation"), ('{"model": "als"}', "holds no")):
        (tmp_path / "odd.json").write_text(content)
        with pytest.raises(DataError, match=words):
            results_of(tmp_path / "odd.json")
