from __future__ import annotations

import inspect
from dataclasses import KW_ONLY, field
from typing import Annotated, Literal

import numpy as np
import pytest
from typer import BadParameter

from palate.cli.inputs import new_model
from palate.errors import ParameterError, UnknownParameterError
from palate.models import MODELS, Popularity, Recommender
from palate.models.contract.parameters import (
    Above,
    AtLeast,
    Checked,
    check_choice,
    check_number,
    check_whole,
    draw_seed,
)
from palate.models.contract.shared import RandomState
from palate.models.search import Choice, Range

Whole = Annotated[int, AtLeast(1, at_most=9), Range(2, 8), "how many of them."]


class Example(Popularity):
    """One of each kind.

    Attributes:
        item_biases_: (n_items,).
    """

    whole: Annotated[int, AtLeast(1, at_most=9), Range(2, 8), "how many of them."] = 3
    _: KW_ONLY
    number: Annotated[float, Above(0), Range(0.1, 1.0, log=True), "above zero."] = 0.5
    other: Annotated[float | None, AtLeast(-1, at_most=1), "or none."] = None
    maybe: Annotated[int | None, AtLeast(0), "a whole number, or none for all."] = None
    yes: Annotated[bool, Choice((False, True)), "whether."] = True
    word: Annotated[Literal["one", "two"], "one of two."] = "one"
    anything: RandomState = None
    text: Annotated[str, Checked(lambda text: check_choice("text", text, ("", "a"))), "a or nothing."] = ""
    n_calls: int = field(default=0, init=False)  # no parameter


PARAMETERS = Example.declarations
OWN = ["whole", "number", "other", "maybe", "yes", "word", "anything", "text"]


def test_declarations_give_names_defaults_types_and_meanings():
    assert list(PARAMETERS) == Example.parameter_names()
    assert sorted(PARAMETERS) == sorted([*OWN, *Popularity.parameter_names()])
    meanings = {name: PARAMETERS[name].meaning for name in OWN}
    assert meanings == {
        "whole": "how many of them.",
        "number": "above zero.",
        "other": "or none.",
        "maybe": "a whole number, or none for all.",
        "yes": "whether.",
        "word": "one of two.",
        "anything": "seed, Generator, or None to draw a seed; the seed used is ``seed_``.",
        "text": "a or nothing.",
    }
    assert (PARAMETERS["number"].default, PARAMETERS["word"].default) == (0.5, "one")
    assert {name: PARAMETERS[name].type_name for name in OWN} == {
        "whole": "whole number",
        "number": "number",
        "other": "number or none",
        "maybe": "whole number or none",
        "yes": "true or false",
        "word": "one or two",
        "anything": "whole number or none",
        "text": "text",
    }


def test_one_line_of_a_model_is_stored_checked_searched_and_told(monkeypatch):
    monkeypatch.setitem(MODELS, "example", Example)
    m = Example(whole=4, number=2)
    assert (m.whole, m.number, m.n_calls) == (4, 2, 0)
    assert m.get_params() == {**Example().get_params(), "whole": 4, "number": 2}
    assert repr(m.set_params(word="two")) == "Example(whole=4, number=2, word='two')"
    assert repr(new_model("example", None, ["whole=5", "maybe=7"])) == "Example(whole=5, maybe=7)"
    for word, message in (
        ("whole=10", "whole must be a whole number from 1 to 9, got 10"),
        ("whole=many", "whole takes whole number, got 'many'"),
        ("wohle=2", "example has no parameter 'wohle'; did you mean 'whole'"),
    ):
        with pytest.raises(BadParameter, match=message):
            new_model("example", None, [word])
    with pytest.raises(UnknownParameterError, match="Example has no parameter 'wohle'; did you mean 'whole'"):
        Example(wohle=2)
    assert Example.search_space == {
        "whole": Range(2, 8, whole=True),
        "number": Range(0.1, 1.0, log=True),
        **Popularity.search_space,
        "yes": Choice((False, True)),
    }
    before, _, attributes = (inspect.getdoc(Example) or "").partition("\n\nAttributes:\n")
    summary, _, told = before.partition("\n\nArgs:\n")
    assert (summary, attributes.strip()) == ("One of each kind.", "item_biases_: (n_items,).")
    assert told.splitlines()[2] == "    whole (whole number of at least 1 and at most 9): how many of them."
    for parameter in PARAMETERS.values():
        assert f"{parameter.name} ({parameter.takes}): {parameter.meaning}" in " ".join(told.split())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("whole", 10, "whole must be a whole number from 1 to 9, got 10"),
        ("whole", 2.0, "whole must be a whole number from 1 to 9, got 2.0"),
        ("number", 0, "number must be a number above 0, got 0"),
        ("number", None, "number must be a number above 0, got None"),
        ("other", 2, "other must be a number of at least -1 and at most 1, got 2"),
        ("maybe", -1, "maybe must be a whole number of at least 0, got -1"),
        ("yes", 1, "yes must be False or True, got 1"),
        ("word", "three", "word must be 'one' or 'two', got 'three'"),
        ("anything", -1, "random_state must be a whole number of at least 0, got -1"),
        ("text", "b", "text must be '' or 'a', got 'b'"),
        ("half_life_days", 0, "half_life_days must be a number above 0, got 0"),
    ],
)
def test_values_outside_their_declaration_are_refused(name, value, message):
    Example().check_parameters()
    with pytest.raises(ParameterError) as error:
        Example(**{name: value}).check_parameters()
    assert str(error.value) == message


def test_an_alias_is_told_otherwise_by_the_note_that_comes_last():
    class Wider(Example):
        whole: Annotated[Whole, Range(1, 9), "wider."] = 7

    parameter = Wider.declarations["whole"]
    assert (parameter.default, parameter.meaning, parameter.search) == (7, "wider.", Range(1, 9, whole=True))
    assert parameter.limits == AtLeast(1, at_most=9)
    assert list(Wider.declarations) == list(Example.declarations)


@pytest.mark.parametrize(
    "declaration",
    [int, Annotated[int, AtLeast(1)], Annotated[int, "how many."], Annotated[str, "a name."], float | None],
)
def test_a_declaration_without_meaning_or_limits_is_an_error_when_the_class_is_made(declaration):
    with pytest.raises(ParameterError, match="n must be declared with limits and a meaning, such as Annotated"):
        type("Undeclared", (Popularity,), {"__annotations__": {"n": declaration}, "n": 1, "__module__": __name__})


def test_a_model_without_what_all_have_is_an_error_when_the_class_is_made():
    with pytest.raises(ParameterError, match="Lacking must declare n_threads and store_history, as all models do"):
        type("Lacking", (Recommender,), {"key": "lacking", "__module__": __name__})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("whole", "7", 7),
        ("whole", " -7 ", -7),
        ("number", "0.25", 0.25),
        ("number", "1e-3", 0.001),
        ("number", "2", 2.0),
        ("other", "none", None),
        ("maybe", "None", None),
        ("maybe", "3", 3),
        ("yes", "true", True),
        ("yes", "False", False),
        ("word", "two", "two"),
        ("anything", "42", 42),
        ("text", "none", "none"),
    ],
)
def test_texts_are_parsed_by_the_declared_type(name, text, value):
    parsed = PARAMETERS[name].parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("whole", "7.5", "whole takes whole number, got '7.5'"),
        ("whole", "", "whole takes whole number, got ''"),
        ("number", "much", "number takes number, got 'much'"),
        ("maybe", "all", "maybe takes whole number or none, got 'all'"),
        ("yes", "1", "yes takes true or false, got '1'"),
        ("word", "three", "word takes one or two, got 'three'"),
    ],
)
def test_texts_of_another_type_are_refused(name, text, message):
    with pytest.raises(ParameterError) as error:
        PARAMETERS[name].parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize("key", MODELS)
def test_every_parameter_of_every_model_has_a_meaning_and_takes_its_default_as_text(key):
    for parameter in MODELS[key].declarations.values():
        assert parameter.meaning.endswith("."), parameter.name
        assert parameter.parse(str(parameter.default)) == parameter.default


@pytest.mark.parametrize("key", MODELS)
def test_every_parameter_of_every_model_is_checked(key):
    for name in MODELS[key].parameter_names():
        with pytest.raises(ParameterError, match=rf"^{name} (must|takes)"):
            MODELS[key](**{name: b"nonsense"}).check_parameters()


def test_whole_numbers():
    for good in (1, 5, np.int32(3)):
        check_whole("n", good, low=1, high=5)
    for bad in (0, 6, 1.0, "1", None, True, np.float64(2)):
        with pytest.raises(ParameterError) as error:
            check_whole("n", bad, low=1, high=5)
        assert str(error.value) == f"n must be a whole number from 1 to 5, got {bad!r}"


def test_numbers():
    for good in (0, 0.5, 1, np.float32(0.25)):
        check_number("x", good, low=0, high=1)
    for bad in (-0.1, 1.1, "1", None, True, float("nan"), float("inf")):
        with pytest.raises(ParameterError) as error:
            check_number("x", bad, low=0, high=1)
        assert str(error.value) == f"x must be a number of at least 0 and at most 1, got {bad!r}"
    with pytest.raises(ParameterError, match="x must be a number above 0, got 0"):
        check_number("x", 0, low=0, open_low=True)


def test_choices_are_told_apart_by_type():
    check_choice("c", True, (False, True))
    check_choice("c", "".join(["a", "b"]), ("ab", "c"))
    for bad in (1, 0, "True", None):
        with pytest.raises(ParameterError) as error:
            check_choice("c", bad, (False, True))
        assert str(error.value) == f"c must be False or True, got {bad!r}"


def test_seeds_are_kept_or_drawn():
    assert draw_seed(5) == 5
    assert type(draw_seed(np.int64(5))) is int
    assert draw_seed(np.random.default_rng(1)) == draw_seed(np.random.default_rng(1))
    drawn = {draw_seed(None) for _ in range(5)}
    assert len(drawn) == 5
    assert all(0 <= s < 2**31 for s in drawn)
    for bad in (-1, 1.5, "x"):
        with pytest.raises(ParameterError, match="random_state must be a whole number of at least 0, got"):
            draw_seed(bad)


def test_whole_numbers_have_64_bits():
    check_whole("n", 2**63 - 1, low=1)
    with pytest.raises(ParameterError, match=f"n must be a whole number from 1 to {2**63 - 1}, got {2**63}"):
        check_whole("n", 2**63, low=1)
