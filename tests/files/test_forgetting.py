"""A model file without some users: nothing of them is left in it, and all others get what they got."""

import numpy as np
import pytest
from small_models import make

import palate
from palate.errors import ParameterError, UnknownIdError
from palate.files.forgetting import without_users
from palate.models import MODELS
from palate.models.contract.forgetting import without_users as model_without_users

GONE = "somebody-who-left"


@pytest.fixture(scope="module")
def ratings():
    rng = np.random.default_rng(3)
    rows = [(f"user-{u:02}", f"item-{i:02}", int(rng.integers(1, 6))) for u in range(12) for i in range(20)]
    rows = [row for row in rows if rng.random() < 0.5] + [(GONE, f"item-{i:02}", 5) for i in range(0, 20, 2)]
    user, item, value = zip(*rows, strict=True)
    return palate.Interactions.from_table({"user": user, "item": item, "value": value})


@pytest.mark.parametrize("history", [True, False])
@pytest.mark.parametrize("key", sorted(MODELS))
def test_nothing_of_a_user_is_left_in_the_file_and_others_keep_their_lists(key, history, ratings, tmp_path):
    if not history and "store_history" not in MODELS[key].parameter_names():
        pytest.skip("always keeps its rows")
    model = make(key, **({"store_history": False} if not history else {})).fit(ratings)
    path, after = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    palate.save(model, path)
    assert GONE.encode() in path.read_bytes()
    assert without_users(path, after, [GONE, "nobody"]) == 1
    assert GONE.encode() not in after.read_bytes()
    made = palate.load(after)
    assert GONE not in made.users_
    assert len(made.users_) == len(model.users_) - 1
    others = [user for user in model.users_.values if user != GONE]
    if model.seen_ is not None:
        seen = [model.seen_.row(at)[0].tolist() for at in model.users_.index(others)]
        assert [made.seen_.row(at)[0].tolist() for at in made.users_.index(others)] == seen
    if key != "popularity" and (
        history or key not in ("ease", "knn", "rp3beta", "graph", "blend")
    ):  # these score by the rows
        assert made.recommend(others, 20, exclude_seen=False).equals(model.recommend(others, 20, exclude_seen=False))


def test_integer_ids_and_several_users():
    rows = [(u, i, 1) for u in range(8) for i in range(u % 3, 9, 2)]
    user, item, _ = zip(*rows, strict=True)
    model = palate.ImplicitALS(n_factors=2, n_epochs=2).fit(
        palate.Interactions.from_table({"user": user, "item": item})
    )
    made = model_without_users(model, [0, 3, 7, 99])
    assert made.users_.values.to_list() == [1, 2, 4, 5, 6]
    np.testing.assert_array_equal(made.user_factors_, model.user_factors_[[1, 2, 4, 5, 6]])
    with pytest.raises(UnknownIdError, match="integers"):
        model_without_users(model, ["3"])
    with pytest.raises(ParameterError, match="a model of no users would be left: delete the model instead"):
        model_without_users(model, range(8))


@pytest.mark.parametrize("intercept", [False, True])
def test_ease_between_users_is_what_training_without_them_gives(ratings, intercept):
    settings = {"positive": "any", "reg": 5.0, "dropout": 0.0, "fit_intercept": intercept, "solver": "users"}
    model = palate.EASE(**settings, dtype="float64").fit(ratings)
    gone = [GONE, "user-03"]
    names = [user for user in model.users_.values if user not in gone]
    rows = ratings.to_table()
    fewer = palate.EASE(**settings, dtype="float64").fit(
        palate.Interactions.from_table(rows.filter(~rows["user_id"].is_in(gone)))
    )
    made = model_without_users(model, gone)
    assert made.items_ == fewer.items_
    np.testing.assert_allclose(made.between_users_, fewer.between_users_, atol=1e-9)
    np.testing.assert_allclose(made.item_scales_, fewer.item_scales_, rtol=1e-9)
    table, other = made.recommend(names, n=5), fewer.recommend(names, n=5)
    np.testing.assert_allclose(table["score"], other["score"], rtol=1e-5)


def test_a_file_that_does_not_know_them_stays(ratings, tmp_path):
    path = tmp_path / "a.safetensors"
    palate.save(palate.Popularity().fit(ratings), path)
    before = path.read_bytes()
    assert without_users(path, path, ["nobody"]) == 0
    assert path.read_bytes() == before
    assert without_users(path, path, [GONE, GONE]) == 1
    assert GONE.encode() not in path.read_bytes()
