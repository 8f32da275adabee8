from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from small_mf import SMALL, assert_same_bits, model
from synthetic import low_rank

from palate.errors import DataError, ParameterError
from palate.models import MatrixFactorization

REFUSED = [
    *((name, value) for name in ("n_factors", "n_epochs", "patience", "n_blocks") for value in (0, -1, 1.5, True, "3")),
    *(("learning_rate", value) for value in (0, -0.1, float("nan"), float("inf"), "fast")),
    *((name, value) for name in ("reg", "reg_biases", "init_scale") for value in (-0.1, float("inf"), True)),
    *(("shrinkage", value) for value in (0, None)),
    *(("validation_fraction", value) for value in (-0.1, 0.95, None)),
    *((name, value) for name in ("init", "schedule", "dtype") for value in ("other", None)),
    *((name, value) for name in ("biases", "store_history") for value in (1, None)),
    *(("random_state", value) for value in (-1, 1.5, "seed")),
    *(("n_threads", value) for value in (0, 1.5, True)),
    *(("reg_features", value) for value in (-0.1, "much")),
    *(("own_factors", value) for value in (0, "no")),
]
TEXTS = {
    "reg_features": "reg_features must be a number of at least 0",
    "own_factors": "own_factors must be False or True",
    "n_factors": "n_factors must be a whole number of at least 1",
    "n_epochs": "n_epochs must be a whole number of at least 1",
    "patience": "patience must be a whole number of at least 1",
    "n_blocks": "n_blocks must be a whole number of at least 1",
    "learning_rate": "learning_rate must be a number above 0",
    "shrinkage": "shrinkage must be a number above 0",
    "reg": "reg must be a number of at least 0",
    "reg_biases": "reg_biases must be a number of at least 0",
    "init_scale": "init_scale must be a number of at least 0",
    "validation_fraction": "validation_fraction must be a number of at least 0 and at most 0.9",
    "init": "init must be 'normal' or 'uniform'",
    "schedule": "schedule must be 'constant' or 'linear'",
    "dtype": "dtype must be 'float32' or 'float64'",
    "biases": "biases must be False or True",
    "store_history": "store_history must be False or True",
    "random_state": "random_state must be a whole number of at least 0",
    "n_threads": "n_threads must be None or a whole number of at least 1",
}


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_parameters_outside_their_range_are_refused(data, name, value):
    with pytest.raises(ParameterError) as error:
        model(**{name: value}).fit(data)
    assert str(error.value) == f"{TEXTS[name]}, got {value!r}"


def test_every_parameter_has_a_refused_value():
    assert {name for name, _ in REFUSED} == set(MatrixFactorization.parameter_names()) == set(TEXTS)


def test_the_constructor_checks_nothing_and_keeps_what_it_got():
    assert MatrixFactorization(n_factors="many").n_factors == "many"


def test_validation_of_other_ids_and_empty_parts_are_refused(data):
    with pytest.raises(DataError, match="validation has other ids than the training part; take both from one set"):
        model().fit(data, validation=low_rank(n_users=41))
    nothing = data.take(np.empty(0, int))
    with pytest.raises(DataError, match="the training part has no rating"):
        model().fit(nothing)
    with pytest.raises(DataError, match="the validation part has no rating"):
        model().fit(data, validation=nothing)


def test_params_are_got_set_and_cloned(data):
    m = model()
    assert m.get_params() == {**MatrixFactorization().get_params(), **SMALL}
    copy = clone(m)
    assert copy is not m
    assert copy.get_params() == m.get_params()
    assert m.set_params(reg=0.5, n_factors=2) is m
    assert (m.reg, m.n_factors) == (0.5, 2)
    assert_same_bits(copy.fit(data), model().fit(data))
    with pytest.raises(ParameterError, match="no parameter 'factors'; did you mean 'n_factors'\\? it has n_f"):
        m.set_params(reg=7.0, factors=3)
    assert m.reg == 0.5


def test_all_but_the_first_parameter_are_keyword_only():
    kinds = [p.kind for p in inspect.signature(MatrixFactorization).parameters.values()]
    assert kinds == [inspect.Parameter.POSITIONAL_OR_KEYWORD] + [inspect.Parameter.KEYWORD_ONLY] * (len(kinds) - 1)
    with pytest.raises(TypeError):
        MatrixFactorization(3, 4)


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(MatrixFactorization()) == "MatrixFactorization()"
    assert repr(MatrixFactorization(5, init="uniform")) == "MatrixFactorization(n_factors=5, init='uniform')"


def test_random_state_may_be_a_generator_or_none_and_the_drawn_seed_is_what_is_saved(data):
    m = model(random_state=np.random.default_rng(3)).fit(data)
    again = model(random_state=np.random.default_rng(3)).fit(data)
    assert_same_bits(m, again)
    assert_same_bits(m, model(random_state=m.seed_).fit(data))
    assert m.state().parameters["random_state"] == m.seed_
    assert m.fit(data).seed_ != again.seed_  # the generator has moved on
    drawn = model(random_state=None).fit(data)
    assert drawn.seed_ != model(random_state=None).fit(data).seed_
    assert drawn.state().parameters["random_state"] is None


def test_state_holds_plain_values_and_makes_the_same_model(data):
    m = model(n_factors=np.int64(4), reg=np.float64(0.1), random_state=np.int32(3)).fit(data)
    state = m.state()
    assert {type(v) for v in state.parameters.values()} <= {int, float, str, bool, type(None)}
    same = MatrixFactorization.from_state(state)
    assert_same_bits(same, m)
    assert same.recommend(100).equals(m.recommend(100))


@pytest.mark.parametrize("name", ["n_factors", "n_epochs", "patience", "n_blocks", "random_state"])
def test_whole_numbers_that_no_file_holds_are_refused_before_training(data, name):
    with pytest.raises(ParameterError, match=rf"{name} must be a whole number from \d to {2**63 - 1}, got {2**63}"):
        model(**{name: 2**63}).fit(data)


def test_what_is_no_interactions_is_refused(data):
    with pytest.raises(DataError, match=r"interactions must be Interactions, got DataFrame: build it with Inter"):
        model().fit(data.to_table())
    with pytest.raises(DataError, match=r"validation must be Interactions, got int: build it with Interactions\.from"):
        model().fit(data, validation=5)


@pytest.mark.parametrize("value", [1e16, -1e16])
def test_values_that_no_file_holds_are_refused_before_training(data, value):
    values = data.values.copy()
    values[3] = value
    with pytest.raises(DataError, match=r"training part has the value -?1e\+16; beyond 1e\+15 rescale the values"):
        model().fit(replace(data, values=values))


def test_factors_beyond_the_machines_memory_are_refused(data, monkeypatch):
    with pytest.raises(
        ParameterError, match=r"600 rows of 40 users and 30 items needs 1,231,453\.0 GB in training, and this mac"
    ):
        model(n_factors=2**40).fit(data)
    monkeypatch.setattr("palate.models.contract.memory.memory_limit", lambda: 4 * 70 * 16 * 4 + 28 * 600)
    assert model(n_factors=10, n_epochs=1).fit(data).user_factors_.shape == (40, 10)
    with pytest.raises(ParameterError, match="choose a smaller n_factors"):
        model(n_factors=10, dtype="float64").fit(data)
    monkeypatch.setattr("palate.models.contract.memory.memory_limit", lambda: None)
    assert model(n_factors=11, n_epochs=1).fit(data).user_factors_.shape == (40, 11)
