"""The parts of a blend as text: ``ease(reg=500.0), ials``; the same in Python, on the command line and in files."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from palate.errors import ParameterError
from palate.models.contract.base import Recommender
from palate.models.contract.parameters import plain_value
from palate.models.contract.registry import MODELS

FEWEST, MOST = 2, 3
LONGEST = 10_000  # letters
FORM = "the keys of two or three different models, such as 'ease, ials' or 'ease(reg=500), ials'"
OWN = ("store_history", "n_threads")  # of the blend, not of its parts
LITERALS = (bool, int, float, str, type(None))


def text_of(parts: Any) -> Any:
    """Return parts as text: a text as it is, keys and models of a list by their parameters.

    Raises:
        ParameterError: a model has a parameter that no text tells, such as a Generator.
    """
    if isinstance(parts, str) or not isinstance(parts, Iterable):
        return parts
    several = list(parts)
    if not all(isinstance(part, str | Recommender) for part in several):
        return parts
    return ", ".join(part if isinstance(part, str) else _part_text(part.key, changed(part)) for part in several)


def with_settings(parts: Any, settings: Mapping[str, Any]) -> str:
    """Return parts with some parameters changed, given as KEY__NAME.

    Raises:
        ParameterError: the parts are wrong, or one of these names is no part's.
    """
    models = models_of(parts)
    for name, value in settings.items():
        key, _, own = name.partition("__")
        if key not in models:
            raise ParameterError.unknown("the blend has no part", key, models, having="it has")
        models[key].set_params(**{own: value})
    text: str = text_of(list(models.values()))
    return text


def models_of(parts: Any) -> dict[str, Recommender]:
    """Return the unfitted models that a text names, by key.

    Raises:
        ParameterError: it does not name two or three different models, or a parameter is wrong.
    """
    text = text_of(parts)
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ParameterError.outside("parts", FORM, parts)
    models: dict[str, Recommender] = {}
    for key, parameters in _read(text):
        if key not in MODELS:
            able = [other for other, cls in MODELS.items() if not cls.made_of_parts]
            raise ParameterError.unknown("parts: no model", key, able)
        if key in models or MODELS[key].made_of_parts:
            raise ParameterError.outside("parts", FORM, text)
        models[key] = _made(key, parameters)
    if not FEWEST <= len(models) <= MOST:
        raise ParameterError.outside("parts", FORM, text)
    return models


def changed(model: Recommender) -> dict[str, Any]:
    """Return the parameters of a part that are not the usual ones.

    Raises:
        ParameterError: one is nothing that a text tells.
    """
    usual = {name: p.default for name, p in inspect.signature(type(model)).parameters.items()}
    given = {name: plain_value(value) for name, value in model.get_params().items() if name not in OWN}
    own = {name: value for name, value in given.items() if value != usual[name]}
    if isinstance(own.get("random_state"), np.random.Generator) and hasattr(model, "seed_"):
        own["random_state"] = model.seed_
    for name, value in own.items():
        if type(value) not in LITERALS:
            raise ParameterError.of(
                f"{model.key}'s {name}", f"must be a number or a text in a part of a blend, got {type(value).__name__}"
            )
    return own


def _made(key: str, parameters: Mapping[str, Any]) -> Recommender:
    for name in OWN:
        if name in parameters:
            raise ParameterError.of(name, f"is the blend's, and not that of its part {key}: give it to the blend")
    try:
        model = MODELS[key](**parameters)
        model.check_parameters()
    except ParameterError as error:
        raise error.within(f"the part {key}: ") from None
    return model


def _part_text(key: str, parameters: Mapping[str, Any]) -> str:
    return f"{key}({', '.join(f'{name}={value!r}' for name, value in parameters.items())})" if parameters else key


def _read(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return key and parameters of each part; nothing of the text is evaluated but numbers and quoted words."""
    try:
        tree = ast.parse(f"({text},)", mode="eval").body
        return [_part(node) for node in getattr(tree, "elts", ())]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ParameterError.outside("parts", FORM, text) from None


def _part(node: ast.expr) -> tuple[str, dict[str, Any]]:
    if isinstance(node, ast.Name):
        return node.id, {}
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        raise ValueError
    return node.func.id, {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
