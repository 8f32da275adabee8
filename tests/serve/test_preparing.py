"""What a store is given before workers answer: versions once, items of an empty store, kinds of the page."""

from __future__ import annotations

import json
import logging

import pytest

pytest.importorskip("uvicorn")

from small_models import make

from palate import Interactions, load_dataset, save
from palate.errors import DataError, ModelFileError
from palate.serve.preparing import ModelArrivals, prepare
from palate.serve.settings import Settings
from palate.store import items, scenarios, versions
from palate.store.kinds import kinds_of
from palate.store.records import Thing
from palate.store.store import open_store

FILMS = "item_id,title,year,genres\nx,Alien,1979,Horror|Sci-Fi\ny,Brazil,1985,\nz,,1990,War\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three small models of the same films: one of stars, two of lists."""
    here = tmp_path_factory.mktemp("prepared")
    (here / "films.csv").write_text(FILMS)
    rows = [(u, i, 1 + (n + m) % 5) for n, u in enumerate("abcd") for m, i in enumerate("xyz")]
    (here / "log.csv").write_text("user,item,rating\n" + "\n".join(f"{u},{i},{v}" for u, i, v in rows))
    data = load_dataset(here / "log.csv", items=here / "films.csv")
    save(make("als", n_factors=2, n_epochs=2).fit(data), here / "als.safetensors")
    save(make("popularity").fit(data), here / "popular.safetensors")
    bare = Interactions.from_table({"user": ["a", "b"], "item": ["x", "y"], "rating": [4.0, 5.0]})
    save(make("popularity").fit(bare), here / "bare.safetensors")
    return here


@pytest.fixture
def settings(tmp_path):
    return Settings(store=f"sqlite:///{tmp_path}/shop.db", page="visitors")


def states(settings):
    with open_store(settings.store) as store:
        return [(one.model, one.state) for one in versions.listed(store, store.namespace())][::-1]


def test_each_file_becomes_a_version_once_and_the_last_answers(settings, folder):
    files = [folder / "als.safetensors", folder / "popular.safetensors"]
    prepare(settings, files)
    assert states(settings) == [("als", "ready"), ("popularity", "active")]
    prepare(settings, files)
    assert states(settings) == [("als", "ready"), ("popularity", "active")]
    prepare(settings, files[::-1])  # known both: nothing is changed by another order
    assert states(settings) == [("als", "ready"), ("popularity", "active")]


def test_versions_are_chosen_by_their_purpose(settings, folder):
    prepare(settings, [folder / "popular.safetensors"])
    assert purposes_of(settings) == {}
    prepare(settings, [folder / "als.safetensors", folder / "popular.safetensors"])
    assert purposes_of(settings) == {"purpose-lists": "als", "purpose-stars": "als"}


def purposes_of(settings):
    with open_store(settings.store) as store, store.read() as conn:
        return {one.name: one.preset.model for one in scenarios.listed(conn, store.namespace())}


def test_the_first_answers_where_others_are_to_come(settings, folder):
    prepare(settings, [folder / "als.safetensors", folder / "popular.safetensors"], first_answers=True)
    assert states(settings) == [("als", "active"), ("popularity", "ready")]


def test_a_version_that_was_trained_meanwhile_goes_on_answering(settings, folder):
    prepare(settings, [folder / "als.safetensors"])
    with open_store(settings.store) as store:
        ns = store.namespace()
        versions.activate(store, ns, versions.add(store, ns, folder / "popular.safetensors"))
    prepare(settings, [folder / "als.safetensors"])
    assert states(settings) == [("als", "retired"), ("popularity", "active")]


def test_items_of_the_model_are_written_into_an_empty_store_alone(settings, folder):
    prepare(settings, [folder / "als.safetensors"])
    with open_store(settings.store) as store, store.read() as conn:
        found = items.search(conn, store.namespace(), "ali")
        assert [(one.id, one.attributes["title"]) for one in found] == [("x", "Alien")]
        there = items.get(conn, store.namespace(), ["x", "y", "z"])
    assert there["x"].attributes == {"title": "Alien", "year": 1979, "genres": ["Horror", "Sci-Fi"]}
    assert there["z"].attributes == {"title": "z", "year": 1990, "genres": ["War"]}  # its id, where it has no name
    with open_store(settings.store) as store:
        items.upsert(store, store.namespace(), [Thing("x", {"title": "Alien, restored"})])
    prepare(settings, [folder / "popular.safetensors"])
    with open_store(settings.store) as store, store.read() as conn:
        assert items.get(conn, store.namespace(), ["x"])["x"].attributes == {"title": "Alien, restored"}


def test_a_catalogue_that_is_too_large_is_told_and_left(settings, folder, monkeypatch, caplog):
    monkeypatch.setattr("palate.serve.preparing.MANY_ITEMS", 2)
    with caplog.at_level(logging.WARNING, "palate.serve"):
        prepare(settings, [folder / "als.safetensors"])
    assert "the model's 3 items are not written into the store: palate store import does it" in caplog.text


def test_a_store_without_a_page_gets_versions_alone(settings, folder):
    prepare(settings.model_copy(update={"page": "off"}), [folder / "als.safetensors"])
    with open_store(settings.store) as store, store.read() as conn:
        assert items.count(conn, store.namespace()) == 0
        assert "seen" not in kinds_of(conn, store.namespace())


def test_the_page_can_say_seen_and_not_for_me_teaches_a_model_of_stars(settings, folder):
    prepare(settings, [folder / "als.safetensors", folder / "bare.safetensors"])
    with open_store(settings.store) as store, store.read() as conn:
        kinds = kinds_of(conn, store.namespace())
    assert "seen" in kinds
    assert kinds["hide"].rating == 2.0  # a quarter of the way from 1 to 5


def test_a_file_that_is_to_come_joins_and_does_not_answer(settings, folder, tmp_path):
    prepare(settings, [folder / "als.safetensors"])
    late = tmp_path / "late.safetensors"
    waiting = ModelArrivals(settings, [late])
    waiting.look()
    assert waiting.coming == [late]
    late.write_bytes((folder / "popular.safetensors").read_bytes())
    waiting.look()
    assert waiting.coming == []
    assert states(settings) == [("als", "active"), ("popularity", "ready")]


def test_the_first_that_comes_into_an_empty_store_answers(settings, folder):
    prepare(settings, [])
    ModelArrivals(settings, [folder / "popular.safetensors"]).look()
    assert states(settings) == [("popularity", "active")]


def test_a_file_that_is_no_model_is_told_and_not_asked_for_again(settings, tmp_path, caplog):
    prepare(settings, [])
    (tmp_path / "broken.safetensors").write_bytes(b"no model")
    waiting = ModelArrivals(settings, [tmp_path / "broken.safetensors"])
    waiting.look()
    assert waiting.coming == []
    assert "a model file was left out" in caplog.text


def test_a_file_that_is_to_come_waits_for_a_store_that_is_away(settings, folder, tmp_path, caplog):
    away = settings.model_copy(update={"store": f"sqlite:///{tmp_path}/none/shop.db"})
    waiting = ModelArrivals(away, [folder / "popular.safetensors"])
    waiting.look()
    assert waiting.coming == [folder / "popular.safetensors"]
    assert "a model file waits for the store" in caplog.text


def test_a_file_is_taken_in_while_the_block_runs(settings, folder):
    prepare(settings, [])
    with ModelArrivals(settings, [folder / "popular.safetensors"]) as waiting:
        waiting._thread.join(20)
    assert states(settings) == [("popularity", "active")]


def test_a_file_that_is_not_there_is_told(settings, tmp_path):
    with pytest.raises(ModelFileError, match="there is no model file"):
        prepare(settings, [tmp_path / "none.safetensors"])


def figure_told(settings):
    with open_store(settings.store) as store:
        every = versions.listed(store, store.namespace())[::-1]
    return [one.details.get("figures", {}).get("metrics") for one in every]


def test_what_was_measured_is_kept_with_given_files_also_with_one_that_comes_later(settings, folder, tmp_path):
    measured = {key: {"of": "films", "metrics": {"rmse": {"value": 0.9}}} for key in ("als", "mf")}
    (tmp_path / "figures.json").write_text(json.dumps(measured))
    told = settings.model_copy(update={"figures": tmp_path / "figures.json"})
    prepare(told, [folder / "popular.safetensors"])
    arrivals = ModelArrivals(told, [folder / "als.safetensors"])
    arrivals.look()
    assert figure_told(settings) == [None, {"rmse": {"value": 0.9}}]
    (tmp_path / "figures.json").write_text(json.dumps(measured).replace("0.9", "0.8"))
    prepare(told, [folder / "als.safetensors"])
    assert figure_told(settings) == [None, {"rmse": {"value": 0.9}}]  # what was kept before stays


def test_figures_that_are_none_are_told_before_anything_starts(settings, folder, tmp_path):
    (tmp_path / "figures.json").write_text("[]")
    told = settings.model_copy(update={"figures": tmp_path / "figures.json"})
    with pytest.raises(DataError, match="holds no figures by model; palate compare"):
        prepare(told, [folder / "als.safetensors"])
