"""Somebody whom training did not see stands wherever a user's id does, and is told one score everywhere."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from small_models import make
from synthetic import low_rank

from palate import MODELS, Features, Interactions
from palate.errors import NotFittedError, ParameterError, UnknownIdError

KNOWN = [key for key, cls in MODELS.items() if "recommend_for" in cls.supports]
WITH_FEATURES = [key for key in KNOWN if "features" in MODELS[key].supports]


def rated(items, values):
    return dict(zip(items, values, strict=True))


@pytest.fixture(scope="module", params=KNOWN)
def fitted(request, data):
    return make(request.param).fit(data)


@pytest.fixture(scope="module")
def given(data):
    return rated(data.items.values.to_list()[:6], [5.0, 1.0, 4.0, 3.0, 5.0, 2.0])


def test_a_person_gets_the_list_of_recommend_for(fitted, given):
    person = fitted.person(given)
    assert repr(person) == "Person(None, 6 rows)"
    assert_frame_equal(fitted.recommend(person, 5), fitted.recommend_for(given, 5))
    one, other = fitted.recommend(person, 40, exclude_seen=False), fitted.recommend_for(given, 40, exclude_seen=False)
    assert_frame_equal(one, other)
    assert set(given) <= set(one["item_id"])


def test_list_prediction_and_explanation_tell_one_score(fitted, given):
    person = fitted.person(given)
    shown = fitted.recommend(person, 5)
    if "predict" in fitted.supports:
        values = fitted.predict(person, shown["item_id"], clip=False)
        np.testing.assert_array_equal(values, shown["score"])
        low, high = fitted.rating_range_
        clipped = fitted.predict(person, shown["item_id"])
        expected = np.clip(values, low, high) if fitted.score_kind == "rating" else values
        np.testing.assert_array_equal(clipped, expected)
    if "explain" in fitted.supports:
        for item, score in shown.select("item_id", "score").rows():
            explanation = fitted.explain(person, item)
            assert explanation.score == score
            assert explanation.user_id is None
            assert explanation.parts["contribution"].sum() == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("key", WITH_FEATURES)
def test_an_explanation_of_a_person_with_features_tells_the_score_of_the_list(key, data, given):
    ages = pl.DataFrame({"user_id": data.users.values, "age": np.arange(data.n_users) % 7, "kind": ["a", "b"] * 20})
    m = make(key).fit(data, user_features=Features.from_table(ages, "user"))
    new = Features.from_table(
        pl.DataFrame({"user_id": [5], "age": [6], "kind": ["b"]}), "user", encoding=m.user_encoding_
    )
    person = m.person(given, features=new)
    assert person.id == 5
    shown = m.recommend(person, 5)
    assert_frame_equal(shown, m.recommend_for(given, 5, features=new))
    without = m.recommend(m.person(given), 40, exclude_seen=False)
    assert without.sort("item_id")["score"].to_list() != (
        m.recommend(person, 40, exclude_seen=False).sort("item_id")["score"].to_list()
    )
    rows = Interactions.from_table({"user": [5] * 6, "item": list(given), "rating": list(given.values())})
    for item, score in shown.select("item_id", "score").rows():
        assert m.explain(person, item).score == score
        assert m.explain(5, item, interactions=rows, features=new).score == score
    mixed = m.recommend([m.person(given), person, m.person(features=new)], 5)
    assert mixed.filter(pl.col("user_id").is_null())["score"].to_list() == m.recommend_for(given, 5)["score"].to_list()
    assert mixed["score"].to_list()[5:10] == shown["score"].to_list()
    assert mixed["score"].to_list()[10:] == m.recommend_for(features=new, n=5)["score"].to_list()


def test_ids_and_people_in_one_call_get_what_each_gets_alone(data, fitted, given):
    users = data.users.values.to_list()
    person, other = fitted.person(given), fitted.person(rated(list(given)[:2], [5.0, 4.0]))
    asked = [users[3], person, users[1], other]
    table = fitted.recommend(asked, 4)
    assert_frame_equal(table, pl.concat([fitted.recommend(one, 4) for one in asked]))
    if "predict" in fitted.supports:
        item = data.items.values[9]
        alone = [fitted.predict(one, item)[0] for one in asked]
        np.testing.assert_array_equal(fitted.predict(asked, item), alone)


def test_similar_users_of_a_person(data, fitted):
    if "similar_users" not in fitted.supports:
        pytest.skip(f"{fitted.key} has no likeness of users")
    user = data.users.values[4]
    items, values = fitted.seen_.row(4)
    person = fitted.person(rated(data.items.at(items), values.tolist()))
    found = fitted.similar_users([person, user], 3)
    assert found["like"].to_list() == [None] * 3 + [user] * 3
    assert found[3:].equals(fitted.similar_users(user, 3))
    rows = Interactions.from_table({"user": [1] * len(items), "item": data.items.at(items), "rating": values})
    own, others = fitted.fold_in(rows).factors[0].astype(np.float64), fitted._users_as_folded().astype(np.float64)
    cosines = others @ own / np.maximum(np.linalg.norm(others, axis=1), 1e-300) / np.linalg.norm(own)
    best = np.argsort(-cosines)[:3]
    assert found["user_id"].to_list()[:3] == data.users.at(best).to_list()
    np.testing.assert_allclose(found["score"][:3], cosines[best], rtol=1e-6)
    if fitted.key in ("als", "ials"):
        assert found["user_id"][0] == user  # folded in, the same rows give the same factors


def test_fold_in_and_person_have_the_same_rows(data, fitted, given):
    if "fold_in" not in fitted.supports:
        pytest.skip(f"{fitted.key} folds nobody in")
    rows = Interactions.from_table({"user": [1] * 6, "item": list(given), "rating": list(given.values())})
    person, folded = fitted.person(rows), fitted.fold_in(rows)
    assert person.id == 1
    np.testing.assert_array_equal(person.rows.indices, folded.rows.indices)
    np.testing.assert_array_equal(person.rows.values, folded.rows.values)


def test_pairs_to_leave_out_hold_for_people_by_their_ids(fitted, given):
    rows = Interactions.from_table({"user": [1] * 6, "item": list(given), "rating": list(given.values())})
    person = fitted.person(rows)
    first = fitted.recommend(person, 2)["item_id"].to_list()
    out = Interactions.from_table({"user": [1, 2], "item": first})
    rest = fitted.recommend([person, fitted.person(given)], 2, exclude=out)
    assert first[0] not in rest.filter(user_id=1)["item_id"]
    assert rest.filter(pl.col("user_id").is_null())["item_id"].to_list() == first


@pytest.mark.parametrize("key", ["als", "knn"])
def test_what_is_no_one_person_is_refused(key, data, given):
    m = make(key).fit(data)
    item = data.items.values[0]
    two = Interactions.from_table({"user": [1, 2], "item": [item, item], "rating": [4.0, 5.0]})
    with pytest.raises(ParameterError, match="a person is one user; rows or features of 2 are given"):
        m.person(two)
    with pytest.raises(ParameterError, match="nothing is known of whom to recommend for"):
        m.person()
    with pytest.raises(UnknownIdError, match="unknown item id 5"):
        m.person({5: 4.0}, on_unknown="raise")
    with pytest.raises(ParameterError, match="on_unknown must be"):
        m.person(given, on_unknown="popular")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        make(key).person(given)
    other = make(key).fit(low_rank(n_items=31))
    for ask in (other.recommend, lambda person: other.explain(person, item)):
        with pytest.raises(ParameterError, match=r"a person is of the model that made it: give model\.person"):
            ask(m.person(given))
    names = Interactions.from_table({"user": ["you"] * 6, "item": list(given), "rating": list(given.values())})
    with pytest.raises(ParameterError, match="the ids of these users and people are of two types"):
        m.recommend([data.users.values[0], m.person(names)])
    with pytest.raises(ParameterError, match="features go with interactions="):
        m.explain(data.users.values[0], item, features=Features.from_table({"user_id": [1], "age": [3]}, "user"))


def test_a_model_that_knows_nothing_of_people_names_those_that_do(data):
    lacking = [key for key in MODELS if key not in KNOWN]
    for key in lacking:
        with pytest.raises(ParameterError, match=r"knows nothing of users by their rows alone; .*als"):
            make(key).fit(data).person({data.items.values[0]: 4.0})


def test_times_of_people_are_refused(data, given):
    m = make("bayes").fit(data)
    with pytest.raises(ParameterError, match="times go with users of training"):
        m.predict(m.person(given), data.items.values[0], times=3)


def test_predictions_of_people_and_unknown_items(data, given):
    m = make("als").fit(data)
    person, items = m.person(given), [data.items.values[0], 999_999]
    with pytest.raises(UnknownIdError, match="unknown item id 999999"):
        m.predict(person, items)
    known = m.predict(person, items[0])[0]
    assert m.predict(person, items, on_unknown="mean").tolist() == [known, pytest.approx(m.mean_)]
    np.testing.assert_array_equal(m.predict(person, items, on_unknown="nan"), [known, np.nan])
    np.testing.assert_array_equal(m.predict([person, -5], items[0], on_unknown="nan"), [known, np.nan])
    with pytest.raises(ParameterError, match="as many users as items, or one of either; got 3 and 2"):
        m.predict([person] * 3, data.items.values[:2])
