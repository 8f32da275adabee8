"""Splits into training and test rows, by the same strings everywhere.

    random:0.2:42       a random part of the rows, the rows that scikit-learn's train_test_split gives
    stratified:0.25:42  a random part of each user's rows
    last:1              the last rows of each user, by time
    time:0.2            the latest part of all rows, one cut for everybody
    rolling:4:0.1       four windows in time, each tested on its tenth of the rows, learned from all rows before
    kfold:5:42          five folds, each the test part once
    official:u1         MovieLens 100K's own splits u1 to u5: consecutive blocks of 20,000 rows
    cold-items:0.2:42   all rows of a random part of the items
    cold-users:0.2:42   all rows of a random part of the users
    my-split.parquet    a file of `save_splits`

Users and items that lose all their training rows stay known by id and are measured like all others: what a model says
of them is the model's affair. `Split.describe` counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from palate.data.dataset import Data, Dataset, interactions_of
from palate.data.interactions import Interactions
from palate.data.splits.file import FILE_ENDING, check_ending, load_splits, write_splits
from palate.data.splits.kinds import EXAMPLES, KINDS, at_random
from palate.data.splits.split import Split
from palate.errors import ParameterError


def split(interactions: Data, test: float | str = 0.2, random_state: int = 42) -> tuple[Data, Data]:
    """Return a training and a test part: random rows, exactly those of scikit-learn's ``train_test_split``, or a split.

    Args:
        interactions: the rows to split; of a data set both parts are data sets, with all of its items and users.
        test: part of the rows to test on, between 0 and 1; or a split as `make_splits` takes it, such as "time:0.2".
        random_state: seed of the random part; a split in words has its own.

    Raises:
        ParameterError: test is not between 0 and 1 and no split of two parts, or random_state is no seed.
        DataError: a part would be empty, interactions is none, or it cannot be split like this.
    """
    rows = interactions_of(interactions, "interactions")
    if isinstance(test, str):
        several = make_splits(rows, test)
        if len(several) > 1:
            raise ParameterError.of(
                f"'{test}'",
                f"is {len(several)} splits, and this gives one: take make_splits(interactions, '{test}')",
                code="split",
            )
        return several[0].apply(interactions)
    if isinstance(test, bool) or not isinstance(test, Real) or not 0 < test < 1:
        raise ParameterError.of(
            "test",
            f"must lie between 0 and 1, or be a split such as 'time:0.2'; got {test!r}",
            code="split",
            value=test,
        )
    name = f"random:{test}:{random_state}"
    _check_seed(random_state, name)
    return at_random(rows, name, float(test), random_state)[0].apply(interactions)


def make_splits(interactions: Dataset | Interactions, text: str) -> Sequence[Split]:
    """Return the splits that a string names: one, or as many as there are folds, each made when it is asked for.

    Args:
        interactions: the rows to split, or a data set.
        text: one of those above.

    Raises:
        ParameterError: the string is none of those above.
        DataError: the data cannot be split like this (no times, too few rows, not MovieLens 100K), or the file of
            splits is not to be read or was made of other data.
    """
    data = interactions_of(interactions, "interactions")
    if not isinstance(text, str):
        raise ParameterError(
            f"a split is a text such as {EXAMPLES[0]}, got {text!r}", subject="split", code="split", value=text
        )
    text = text.strip()
    if text.endswith(FILE_ENDING):
        return load_splits(text, data)
    kind, values = parsed(text)
    return KINDS[kind](data, text, *values)


def parsed(text: str) -> tuple[str, list[Any]]:
    """Return the kind and the numbers of a split's string, which names no file.

    Raises:
        ParameterError: the string is none of those above.
    """
    kind, *words = text.split(":")
    if kind not in KINDS:
        raise ParameterError(
            f"unknown split '{text}'; known are {', '.join(EXAMPLES)}", code="unknown_name", subject=text
        )
    example = next(e for e in EXAMPLES if e.startswith(kind))
    types: list[Callable[[str], float | int | str]] = [_type_of(w) for w in example.split(":")[1:]]
    if kind not in ("official", "last", "time", "rolling") and len(words) == len(types) - 1:
        words.append("42")
    if len(words) != len(types):
        raise ParameterError.of(f"the split '{text}'", f"should look like {example}", code="split")
    try:
        values = [t(w) for t, w in zip(types, words, strict=True)]
    except ValueError:
        raise ParameterError.of(f"the split '{text}'", f"should look like {example}", code="split") from None
    for value in values:
        if isinstance(value, float):
            _check_part(value, text)
    if isinstance(values[0], int) and values[0] < (2 if kind == "kfold" else 1):
        raise ParameterError.of(f"the split '{text}'", f"asks for too few; it should look like {example}", code="split")
    if len(values) == 2 and kind != "rolling":
        _check_seed(values[1], text)
    return kind, values


def save_splits(splits: str | Split | Iterable[Split], path: str | Path, interactions: Dataset | Interactions) -> None:
    """Write splits as a file that `load_splits` and ``make_splits`` read; an existing one is replaced.

    Args:
        splits: a split, several, or a string that makes them.
        path: ends in .parquet.
        interactions: what they split.

    Raises:
        ParameterError: path ends otherwise, or there is no split.
        DataError: a split does not fit the interactions, or the file cannot be written.
    """
    data = interactions_of(interactions, "interactions")
    check_ending(Path(path))
    made = make_splits(data, splits) if isinstance(splits, str) else splits
    write_splits([made] if isinstance(made, Split) else list(made), Path(path), data)


def _type_of(word: str) -> Callable[[str], float | int | str]:
    return float if "." in word else int if word.isdigit() else str


def _check_part(part: float, text: str) -> None:
    if not isinstance(part, Real) or not 0 < part < 1:
        raise ParameterError.of(f"the test part of the split '{text}'", "must lie between 0 and 1", code="split")


def _check_seed(seed: object, text: str) -> None:
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ParameterError.of(
            f"the seed of the split '{text}'", f"must be a whole number from 0 to {2**32 - 1}", code="split"
        )
