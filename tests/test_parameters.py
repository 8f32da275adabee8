from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from palate.errors import ParameterError
from palate.models import MODELS
from palate.models.contract.parameters import check_choice, check_number, check_whole, draw_seed, parameters_of


class Example:
    """One of each kind.

    Text that is no argument: it has a colon.

    Args:
        whole: how many
            of them.
        number, other: share a line.
        maybe: a whole number, or none for all.
        yes: whether.
        word: one of two.
        anything: a seed.

    Attributes:
        whole: not this text.
    """

    def __init__(
        self,
        whole: int,
        number: float = 0.5,
        other: float | None = None,
        maybe: int | None = None,
        yes: bool = True,
        word: Literal["one", "two"] = "one",
        anything: int | np.random.Generator | None = None,
        text: str = "",
    ) -> None: ...


PARAMETERS = {p.name: p for p in parameters_of(Example)}


def test_signature_and_docstring_give_names_defaults_types_and_meanings():
    assert list(PARAMETERS) == ["whole", "number", "other", "maybe", "yes", "word", "anything", "text"]
    meanings = {name: p.meaning for name, p in PARAMETERS.items()}
    assert meanings == {
        "whole": "how many of them.",
        "number": "share a line.",
        "other": "share a line.",
        "maybe": "a whole number, or none for all.",
        "yes": "whether.",
        "word": "one of two.",
        "anything": "a seed.",
        "text": "",
    }
    assert (PARAMETERS["number"].default, PARAMETERS["word"].default) == (0.5, "one")
    assert {name: p.type_name for name, p in PARAMETERS.items()} == {
        "whole": "whole number",
        "number": "number",
        "other": "number or none",
        "maybe": "whole number or none",
        "yes": "true or false",
        "word": "one or two",
        "anything": "whole number or none",
        "text": "text",
    }


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
    for parameter in parameters_of(MODELS[key]):
        assert parameter.meaning.endswith("."), parameter.name
        assert parameter.parse(str(parameter.default)) == parameter.default


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
