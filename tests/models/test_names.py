"""Names that are none: constructors, parameters and keys say which one was probably meant."""

from __future__ import annotations

import inspect

import pytest

import palate
from palate import MODELS
from palate.errors import ParameterError, UnknownParameterError, nearest, unknown_name


@pytest.mark.parametrize("cls", MODELS.values(), ids=MODELS)
def test_a_constructor_names_the_nearest_parameter(cls):
    name = cls.parameter_names()[0]
    with pytest.raises(UnknownParameterError) as caught:
        cls(**{name + "s": 3})
    assert f"{cls.__name__} has no parameter '{name}s'; did you mean '{name}'? it has {name}" in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ParameterError)


@pytest.mark.parametrize("cls", MODELS.values(), ids=MODELS)
def test_signatures_stay_as_they_are_written(cls):
    names = cls.parameter_names()
    assert "parameters" not in names
    assert list(inspect.signature(cls.__init__).parameters) == ["self", *names]
    assert cls.__init__.__qualname__ == f"{cls.__name__}.__init__"
    assert cls(**cls().get_params()).get_params() == cls().get_params()


def test_a_class_of_ones_own_is_checked_by_its_own_names():
    class Small(palate.ALS):
        def __init__(self, flavour=1):
            super().__init__(2, reg=0.5)
            self.flavour = flavour

    class Open(palate.ALS):
        def __init__(self, **more):
            super().__init__(**more)

    assert Small(flavour=2).n_factors == 2
    with pytest.raises(UnknownParameterError, match="Small has no parameter 'flavor'; did you mean 'flavour'"):
        Small(flavor=2)
    with pytest.raises(UnknownParameterError, match="ALS has no parameter 'regs'; did you mean 'reg'"):
        Open(regs=2)


def test_the_nearest_name():
    known = ["n_factors", "n_epochs", "reg", "NDCG"]
    assert nearest("n_factor", known) == "n_factors"
    assert nearest("N_Epochs", known) == "n_epochs"
    assert nearest("ndcg", known) == "NDCG"
    assert nearest("luck", known) is None
    assert nearest(7, known) is None
    assert unknown_name("no model", "mg", ["mf"]) == "no model 'mg'; there is mf"
    assert unknown_name("popularity has no preset", "x", [], having="it has").endswith("'x'; it has none")
