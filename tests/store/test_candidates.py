"""The graph of items that proposes candidates: built with a version, checked, and made anew where it is damaged."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from small_models import make

import palate
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.errors import MissingExtraError, ModelFileError
from palate.models.contract.ranker import Ranker
from palate.serve.engine import candidates as near_module
from palate.serve.engine.candidates import NearScorer, near
from palate.sparse import Rows
from palate.store import versions
from palate.store.versions import folders
from palate.store.versions.candidates import FILE, build

N_USERS, N_ITEMS = 60, 1_500
FILES = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


def saved(path, key="bpr"):
    """Save a model of many items, with biases."""
    rng = np.random.default_rng(0)
    cells = np.unique(rng.integers(0, N_USERS, 6_000) * N_ITEMS + (N_ITEMS * rng.random(6_000) ** 2).astype(int))
    user, item = (part.astype(np.int32) for part in (cells // N_ITEMS, cells % N_ITEMS))
    ids = Ids(range(N_USERS), "user"), Ids(range(N_ITEMS), "item")
    log = Interactions(user, item, np.ones(len(cells), np.float32), None, *ids)
    palate.save(make(key, positive="any", n_factors=16).fit(log), path)
    return path


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("many") / "model.safetensors")


@pytest.fixture
def loaded(store, ns, model_file, monkeypatch):
    monkeypatch.setattr(near_module, "COST", 1)  # for so few items all are scored in no time
    monkeypatch.setattr(near_module, "LEAST", 300)
    versions.add(store, ns, model_file, many=1_000)
    return versions.load(store, ns, 1)


def lists(loaded, scorer, n=100, users=range(N_USERS), **filters):
    ranker = Ranker(lambda: scorer, loaded.model.item_order, None)
    return ranker.lists(np.array(users, np.int32), n, **filters)


def recall(found, exact):
    pairs = zip(found.items, exact.items, strict=True)
    return np.mean([len(np.intersect1d(ours, theirs)) / (theirs >= 0).sum() for ours, theirs in pairs])


@FILES
def test_candidates_give_nearly_the_exact_lists_with_exact_scores(loaded, monkeypatch):
    plain = loaded.model.ranker.scorer
    scorer = near(plain, loaded.candidates)
    assert isinstance(scorer, NearScorer)
    assert plain.among.c.any()  # biases are part of it
    monkeypatch.setattr(near_module, "FEW", 0)
    monkeypatch.setattr(plain.__class__, "best", never)
    found = lists(loaded, scorer)
    monkeypatch.undo()
    exact = lists(loaded, plain)
    assert recall(found, exact) > 0.97
    for user in range(N_USERS):
        assert np.array_equal(found.scores[user], plain.pairs(np.full(100, user), found.items[user]))
        assert (np.diff(found.scores[user]) <= 0).all()
        ties = np.diff(found.scores[user]) == 0
        assert (np.diff(loaded.model.item_order.places[found.items[user]])[ties] > 0).all()


def never(*_, **__):
    pytest.fail("all items are scored")


@FILES
def test_under_filters_and_what_is_left_out(loaded, monkeypatch):
    monkeypatch.setattr(near_module, "FEW", 0)
    plain = loaded.model.ranker.scorer
    scorer = near(plain, loaded.candidates)
    rng = np.random.default_rng(5)
    excluded = [
        Rows.of_sizes([40] * N_USERS, np.concatenate([np.sort(rng.choice(N_ITEMS, 40, False)) for _ in range(N_USERS)]))
    ]
    for allowed in (None, rng.random(N_ITEMS) < 0.5, np.arange(N_ITEMS) >= 700):
        found, exact = (lists(loaded, each, 30, excluded=excluded, allowed=allowed) for each in (scorer, plain))
        assert recall(found, exact) > 0.97
        assert allowed is None or allowed[found.items].all()
        assert not any(np.isin(found.items[user], excluded[0].row(user)[0]).any() for user in range(N_USERS))


@FILES
def test_few_items_left_and_long_excludes_are_exact(loaded, monkeypatch):
    plain = loaded.model.ranker.scorer
    scorer = near(plain, loaded.candidates)
    monkeypatch.setattr(loaded.candidates.__class__, "of", never)
    allowed = np.arange(N_ITEMS) % 37 == 5  # fewer than a list is long, some of them left out
    excluded = [Rows.of_sizes([2] * N_USERS, np.tile([5, 42], N_USERS))]
    found, exact = (lists(loaded, each, excluded=excluded, allowed=allowed) for each in (scorer, plain))
    assert np.array_equal(found.items, exact.items)
    assert np.array_equal(found.scores, exact.scores, equal_nan=True)
    monkeypatch.setattr(near_module, "COST", 1.5)
    long = [Rows.of_sizes([1_000] * N_USERS, np.tile(np.arange(1_000), N_USERS))]
    found, exact = (lists(loaded, each, excluded=long) for each in (scorer, plain))
    assert np.array_equal(found.items, exact.items)


@FILES
def test_who_has_no_factors_gets_the_exact_list(loaded):
    plain = loaded.model.ranker.scorer
    nobody = plain.__class__(np.zeros((1, plain.P.shape[1]), plain.P.dtype), np.zeros(1, plain.b.dtype), plain.among)
    found, exact = (lists(loaded, each, users=[0]) for each in (near(nobody, loaded.candidates), nobody))
    assert np.array_equal(found.items, exact.items)


@FILES
def test_the_engine_asks_for_candidates_where_there_are_some(store, ns, loaded):
    from palate.serve.engine import Ask, Engine

    versions.activate(store, ns, 1)
    engine = Engine(store)
    asked = [Ask(ns=ns, user=str(user), n=100) for user in range(10)]
    calls, of = [], loaded.candidates.__class__.of
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loaded.candidates.__class__, "of", lambda *given: (calls.append(given), of(*given))[1])
        patched.setattr(near_module, "FEW", 0)
        answers = engine.answer(asked)
    assert len(calls) == 10
    exact = lists(loaded, loaded.model.ranker.scorer, 100, range(10), excluded=[loaded.model.ranker.had])
    same = [
        len({place.item for place in a.places} & set(map(str, row)))
        for a, row in zip(answers, exact.items, strict=True)
    ]
    assert np.mean(same) > 97


@FILES
def test_a_damaged_graph_is_told_and_made_anew(store, ns, loaded):
    path = folders.folder_of(store, ns, 1) / FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(
        ModelFileError, match="does not fit its checksum: the file is damaged; activate the version again"
    ):
        versions.load(store, ns, 1)
    path.unlink()
    with pytest.raises(ModelFileError, match="cannot read"):
        versions.load(store, ns, 1)
    assert versions.activate(store, ns, 1).details["candidates"]["bytes"] == len(whole)
    assert len(versions.load(store, ns, 1).candidates.of(loaded.model.ranker.scorer.P[:1], 10)[0]) == 10


@FILES
def test_there_is_none_of_few_items_of_other_scores_and_without_usearch(
    store, ns, model_file, tmp_path, caplog, monkeypatch
):
    model = palate.load(model_file)
    assert build(model, tmp_path, many=N_ITEMS + 1) is None
    assert build(palate.load(saved(tmp_path / "knn", "knn")), tmp_path, many=10) is None
    assert near(model.ranker.scorer, None) is model.ranker.scorer
    versions.add(store, ns, model_file, many=10)
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    assert build(model, tmp_path, many=10) is None
    assert "1,500 items: lists are exact, and slow" in caplog.text
    assert "pip install 'palate[ann]'" in caplog.text
    with pytest.raises(MissingExtraError, match=r"palate\[ann\]"):
        versions.load(store, ns, 1)


@pytest.mark.parametrize(("told_of", "has"), [({}, False), ({"candidates_from": 1_000}, True)])
def test_from_how_many_items_on_is_a_setting_of_the_service(sqlite_url, tmp_path, model_file, told_of, has):
    from palate.serve.preparing import prepare
    from palate.serve.settings import told
    from palate.store import open_store

    prepare(told(store=sqlite_url, folder=tmp_path / "files", **told_of), [model_file])
    with open_store(sqlite_url, folder=tmp_path / "files") as store:
        (version,) = versions.listed(store, store.namespace())
        assert ("candidates" in version.details) is has
        assert (versions.load_active(store, store.namespace()).candidates is not None) is has
