"""`warm`: compile what a server needs before somebody waits for it. Numba keeps what is compiled, for each machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from palate import files
from palate.data.ids import Id, Ids
from palate.data.interactions import Interactions
from palate.errors import ParameterError
from palate.kernels import given
from palate.kernels.diversity import reorder
from palate.models import MODELS, Recommender
from palate.progress import DONE, Progress, ProgressCallback, silent

Warmed = Recommender | str
WarmUp = tuple[str, Callable[[], object]]  # what is compiled, and what is run for it
SHORT: Mapping[str, Any] = {"positive": 4.0, "n_sweeps": 4, "n_burn_in": 1}  # of a model that is trained to no purpose


def warm(
    models: Warmed | Iterable[Warmed] | Mapping[str, Warmed] | None = None, *, progress: ProgressCallback = silent
) -> None:
    """Compile what these models need to answer: lists, lists for newcomers, explanations, items alike, predictions.

    A model that is given by its key is also trained, on a few made rows. What is compiled stays on disk, so that a
    second call, and every process after it, takes no more than a second.

    Args:
        models: fitted models or keys of `MODELS`, one or several, or by name; None for every key.
        progress: called before each step with what is compiled, and at the end.

    Raises:
        ParameterError: no such key.
        NotFittedError: a model is given that was not fitted.
    """
    steps = [(name, *step) for name, model in _named(models) for step in _steps(model)]
    for at, (name, what, step) in enumerate(steps):
        progress(Progress(f"compiling {name}: {what}", at + 1, len(steps)))
        step()
    progress(Progress(DONE, len(steps), len(steps)))


def _named(models: Warmed | Iterable[Warmed] | Mapping[str, Warmed] | None) -> list[tuple[str, Warmed]]:
    """Return the models with a name for each."""
    if isinstance(models, Mapping):
        named = list(models.items())
    else:
        several = [models] if isinstance(models, Recommender | str) else list(MODELS if models is None else models)
        named = [(model if isinstance(model, str) else model.key, model) for model in several]
    for _, model in named:
        if isinstance(model, str) and model not in MODELS:
            raise ParameterError(
                f"there is no model {model!r}; known are {', '.join(MODELS)}", code="unknown_name", subject=model
            )
    return named


def _steps(model: Warmed) -> list[WarmUp]:
    """Return what is to be run once."""
    if isinstance(model, str):
        return [("training and answers", lambda: _try(model))]
    model._check_fitted()
    return [(what, partial(_ask, question)) for what, question in _questions(model)]


def _try(key: str) -> None:
    """Train a model on a few made rows, save it, and ask it everything as it is loaded."""
    users, items = np.nonzero(~np.eye(8, dtype=bool))
    values = 1.0 + 4 * ((users + items) % 2)
    parameters = {name: value for name, value in SHORT.items() if name in MODELS[key].parameter_names()}
    model = MODELS[key](**parameters)
    model.fit(Interactions.from_table({"user": users, "item": items, "rating": values}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{key}.safetensors"
        files.save(model, path)
        for _, ask in _questions(files.load(path)):
            _ask(ask)


def _ask(question: Callable[[], object]) -> None:
    """Ask once; what a model refuses, such as lists by rows that it did not keep, needs nothing compiled."""
    with suppress(ParameterError):
        question()


def _questions(model: Recommender) -> list[WarmUp]:
    """Return one question of each kind that the model can answer."""
    user, item, knows = model.users_.values[_somebody(model)], model.items_.values[0], model.seen_ is not None
    asked: Mapping[str, Callable[[], object]] = {
        "recommend": lambda: model.recommend(user, 1, exclude_seen=knows),
        "recommend_for": lambda: model.recommend_for(_newcomer(model), 1),
        "explain": lambda: model.explain(user, item, interactions=None if knows else _newcomer(model, user)),
        "similar_items": lambda: model.similar_items(item, 1),
        "similar_users": lambda: model.similar_users(user, 1),
        "predict": lambda: model.predict(user, item),
        "predict_distribution": lambda: model.spread_index(np.zeros(1, np.int32), np.zeros(1, np.int32)),
    }
    asked = {**asked, "diversity": _diversify}  # of any model: a service orders its lists anew where it is asked to
    words = {
        "recommend": "lists",
        "diversity": "lists of unlike items",
        "recommend_for": "lists for newcomers",
        "explain": "reasons",
    }
    able = {"recommend", "diversity", *model.supports}
    return [(words.get(name, name.replace("_", " ")), ask) for name, ask in asked.items() if name in able]


def _diversify() -> None:
    relevance, likeness = given(np.array([1.0, 0.0]), np.eye(2))
    reorder(relevance, likeness, 0.5, np.empty(2, np.int64))


def _somebody(model: Recommender) -> int:
    """Return the position of a user with rows, where such are known."""
    return 0 if model.seen_ is None else int(np.argmax(model.seen_.sizes))


def _newcomer(model: Recommender, user: Id = 0) -> Interactions:
    """Return one row: somebody likes an item. No table is read, for that would start threads that a fork loses."""
    first, liked = np.zeros(1, np.int32), np.array([model.rating_range_[1]], np.float32)
    return Interactions(first, first, liked, np.zeros(1, np.int64), Ids([user], "user"), model.items_)
