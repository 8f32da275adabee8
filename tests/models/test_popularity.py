from __future__ import annotations

import naive
import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate.errors import DataError, NotFittedError, ParameterError
from palate.models import Popularity

DAY = 86_400


def test_scores_are_how_often_each_item_stands(data):
    m = Popularity().fit(data)
    assert m.item_biases_.dtype == np.float64
    assert m.item_biases_.tolist() == naive.popularity(data.item_index.tolist(), 30)
    # values do not count, and neither does the order of the rows
    other = interactions(data.user_index, data.item_index, data.values[::-1])
    assert Popularity().fit(other).item_biases_.tolist() == m.item_biases_.tolist()
    shuffled = data.take(np.random.default_rng(0).permutation(len(data)))
    assert Popularity().fit(shuffled).item_biases_.tolist() == m.item_biases_.tolist()


def test_a_row_of_one_half_life_counts_half():
    log = interactions([1, 2, 1, 2, 3], [7, 7, 8, 9, 9], times=[0, 30 * DAY, 60 * DAY, 30 * DAY, 30 * DAY])
    assert Popularity(30).fit(log).item_biases_.tolist() == [0.75, 1.0, 1.0]
    assert Popularity(30.0).fit(log).recommend(4, 3, on_unknown="popular")["item_id"].to_list() == [7, 9, 8]
    assert Popularity(30).fit(log).recommend(3, 3, exclude_seen=False)["item_id"].to_list() == [9, 8, 7]
    assert Popularity().fit(log).recommend(3, 3, exclude_seen=False)["item_id"].to_list() == [7, 9, 8]


@pytest.mark.parametrize("half_life", [0.01, 1, 400, 1e9])
def test_decay_is_the_naive_sum(data, half_life):
    m = Popularity(half_life).fit(data)
    expected = naive.popularity(data.item_index.tolist(), 30, data.times.tolist(), half_life * DAY)
    np.testing.assert_allclose(m.item_biases_, expected, rtol=1e-12)


def test_limits_of_the_half_life(data):
    forever = Popularity(1e30).fit(data).item_biases_
    np.testing.assert_allclose(forever, Popularity().fit(data).item_biases_, rtol=1e-12)
    now = Popularity(5e-324).fit(data).item_biases_
    assert now.tolist() == np.bincount(data.item_index[data.times == data.times.max()], minlength=30).tolist()


def test_times_far_apart():
    log = interactions([1, 1], [1, 2], times=[-62_135_596_800, 253_402_300_799])  # the years 1 and 9999
    assert Popularity(1).fit(log).item_biases_.tolist() == [0.0, 1.0]


def test_a_half_life_without_times_is_refused_and_says_how_to_give_them():
    log = interactions([1, 2], [1, 2])
    with pytest.raises(DataError) as error:
        Popularity(30).fit(log)
    assert str(error.value) == (
        "half_life_days=30 needs the time of each row, and the training part has none; "
        "name its column (columns={'time': NAME}), or leave half_life_days out"
    )
    assert Popularity().fit(log).item_biases_.tolist() == [1, 1]


def test_lists_are_the_most_popular_unseen_items_ties_by_mean_value(data):
    m = Popularity().fit(data)
    counts = m.item_biases_
    assert len(set(counts.tolist())) < len(counts)  # there are ties
    rows, means = data.by_user(), np.bincount(data.item_index, data.values) / counts
    places = np.argsort(np.argsort(-means, kind="stable"))
    for user in range(5):
        table = m.recommend(100 + user, 30)
        expected = naive.best(counts, 30, excluded=rows.row(user)[0], places=places)
        assert table["item_id"].to_list() == [1000 + i for i in expected]
        assert table["score"].to_list() == counts[expected].tolist()


def test_ties_at_the_end_of_a_list_go_to_the_lower_index_among_many_items():
    n = 3000
    log = interactions(np.arange(n) % 50, np.arange(n), values=np.ones(n))
    m = Popularity().fit(log)
    assert m.recommend(0, 12)["item_id"].to_list() == list(range(1, 13))
    items, scores = m.rank_index(np.arange(50), 5)
    assert (items == np.arange(5)).all()
    assert (scores == 1).all()


def test_scores_are_never_clipped_to_the_rating_range(data):
    m = Popularity().fit(data)
    assert m.rating_range_ == (1.0, 5.0)
    raw, clipped = (m.recommend(100, 5, clip=clip) for clip in (False, True))
    assert raw["score"].max() > 5
    assert clipped.equals(raw)


def test_it_predicts_no_ratings_and_says_so(data):
    m = Popularity().fit(data)
    message = "Popularity predicts no ratings, it orders items; use recommend; baseline, mf, als, bayes can"
    for call in (lambda: m.predict(100, 1000), lambda: m.predict_index(np.array([0]), np.array([0]), clip=False)):
        with pytest.raises(ParameterError) as error:
            call()
        assert str(error.value) == message
    assert m.score_index(np.array([3]), np.array([2])).tolist() == [m.item_biases_[2]]
    with pytest.raises(NotFittedError):
        Popularity().predict(100, 1000)


def test_there_is_no_history_and_no_seed(data):
    called = []
    m = Popularity().fit(data, validation=data, progress=called.append)
    assert (m.history_, m.best_epoch_, m.epoch_chosen_on_, m.interrupted_) == ([], 0, "none", False)
    assert not hasattr(m, "seed_")
    assert called == []
    assert Popularity.from_state(m.state()).history_ == []
    assert m.history_ is not Popularity().fit(data).history_


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        *(("half_life_days", v, "half_life_days must be a number above 0") for v in (0, -1, "30", True, float("inf"))),
        *(("store_history", v, "store_history must be False or True") for v in (1, None)),
        *(("n_threads", v, "n_threads must be None or a whole number of at least 1") for v in (0, 1.5, True)),
    ],
)
def test_parameters_outside_their_range_are_refused(data, name, value, text):
    with pytest.raises(ParameterError) as error:
        Popularity(**{name: value}).fit(data)
    assert str(error.value) == f"{text}, got {value!r}"


def test_every_parameter_but_the_threads_changes_the_result(data):
    assert Popularity.parameter_names() == ["half_life_days", "store_history", "n_threads"]
    usual = Popularity().fit(data)
    assert (Popularity(1).fit(data).item_biases_ != usual.item_biases_).any()
    assert Popularity(store_history=False).fit(data).seen_ is None
    users = data.users.values
    for n_threads in (1, 2, 3, 7):
        assert Popularity(n_threads=n_threads).fit(data).recommend(users, 4).equals(usual.recommend(users, 4))


def test_parts_without_rows_or_of_other_ids_are_refused(data):
    with pytest.raises(DataError, match="the training part has no rating"):
        Popularity().fit(data.take(np.empty(0, int)))
    with pytest.raises(DataError, match="validation has other ids than the training part"):
        Popularity().fit(data, validation=low_rank(n_users=41))


def test_unseen_items_score_0_and_refitting_forgets(data):
    few = data.take(np.flatnonzero(data.item_index < 10))
    m = Popularity(1).fit(data).fit(few)
    assert (m.item_biases_[10:] == 0).all()
    assert len(m.recommend(100, 30, exclude_seen=False)) == 30


def test_the_films_that_most_people_rated(movielens):
    m = Popularity().fit(movielens.interactions, items=movielens.items)
    top = m.recommend(1, 3, exclude_seen=False)
    assert top["title"].to_list() == ["Star Wars (1977)", "Contact (1997)", "Fargo (1996)"]
    assert top["score"].to_list() == [583, 509, 508]
