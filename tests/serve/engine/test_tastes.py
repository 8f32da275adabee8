"""The taste map: what is alike lies together, better than on two main directions; the same in every worker."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from films import film_data

import palate
from palate.serve.engine import tastes
from palate.serve.engine.kept import OfModels
from palate.serve.engine.tastes import TasteMap


def factors(**given):
    return palate.MatrixFactorization(n_factors=6, n_epochs=15, random_state=3, **given)


@pytest.fixture(scope="module")
def model():
    return factors().fit(film_data())


def test_neighbors_are_kept_better_than_by_two_main_directions(model):
    drawn = TasteMap.of(model)
    likeness = model.ranker.scorer.likeness(drawn.items)
    ours = tastes.kept_neighbors(drawn.points, likeness)
    two_directions = tastes.kept_neighbors(tastes.directions(likeness), likeness)
    assert ours > two_directions + 0.1
    assert ours > 0.4
    assert np.abs(drawn.points).max() <= 1


def test_two_workers_draw_the_same_map(model, tmp_path):
    palate.save(model, tmp_path / "m.safetensors")
    one, other = TasteMap.of(model), TasteMap.of(palate.load(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.points, other.points)
    assert one.regions == other.regions


def test_the_best_known_items_are_on_it(model, monkeypatch):
    monkeypatch.setattr(tastes, "MOST", 20)
    drawn = TasteMap.of(model)
    assert drawn.items.tolist() == model.item_order.order[:20].tolist()
    assert drawn.points.shape == (20, 2)


def test_regions_stand_where_most_of_their_genre_is():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(at, 0.05, (40, 2)) for at in ([-0.8, -0.8], [0.8, 0.8], [0.8, -0.8])])
    genres = [["Horror"]] * 40 + [["Comedy"]] * 40 + [["Drama"], []] * 20
    found = {name: (x, y) for name, x, y in tastes.regions(points.astype(np.float32), genres)}
    assert set(found) == {"Horror", "Comedy", "Drama"}
    np.testing.assert_allclose(found["Horror"], [-0.8, -0.8], atol=0.2)
    np.testing.assert_allclose(found["Comedy"], [0.8, 0.8], atol=0.2)
    np.testing.assert_allclose(found["Drama"], [0.8, -0.8], atol=0.2)


def test_a_model_without_likeness_and_one_of_a_few_items_have_no_points_to_tell_apart():
    assert len(TasteMap.of(palate.Popularity().fit(film_data())).items) == 0
    few = palate.Interactions.from_table({"user": [1, 2, 3], "item": [1, 2, 3], "rating": [1.0, 2.0, 3.0]})
    drawn = TasteMap.of(factors().fit(few))
    assert drawn.points.tolist() == [[0, 0]] * 3
    assert drawn.regions == []


def test_what_is_made_of_a_model_is_made_once_and_goes_with_it():
    made = []
    kept = OfModels(lambda model: made.append(model) or len(made))
    model, other = palate.Popularity(), palate.Popularity()
    assert [kept.of(model), kept.of(model), kept.of(other)] == [1, 1, 2]
    made.clear()
    del model
    gc.collect()
    assert len(kept._kept) == 1


def test_items_that_are_all_equally_alike_are_spread_out():
    points = tastes._descended(tastes._affinities(np.ones((30, 30))), tastes.directions(np.ones((30, 30))))
    assert len(np.unique(points.round(3), axis=0)) == 30
