"""The nested split: trials learn from one part of the training rows and are measured on the other."""

from __future__ import annotations

from dataclasses import dataclass

from palate.data.interactions import Interactions
from palate.data.splits.making import make_splits
from palate.data.splits.split import Split
from palate.errors import ParameterError

NO_TEST = "none"
INNER_PART = 0.2


@dataclass(frozen=True)
class Parts:
    """Rows of one set of interactions.

    Attributes:
        learn, validate: what a trial is fitted on and measured on; together the training part.
        train: the training part of the outer split, or all rows without one.
        test: the test part, which no trial sees; None without outer split.
        split, validation: the strings of the outer and of the inner split.
    """

    learn: Interactions
    validate: Interactions
    train: Interactions
    test: Interactions | None
    split: str
    validation: str


def make_parts(data: Interactions, split: str | Split, validation: str | None, random_state: int) -> Parts:
    """Return the parts of a nested split.

    Args:
        data: all rows.
        split: of one test part, such as time:0.2, or a split; "none" tests on nothing and uses all rows.
        validation: how the training part is split again; None splits it as the data was split: by time where the
            outer split is by time, else at random.
        random_state: seed of a random inner split.

    Raises:
        ParameterError: a split is none, or has several folds.
        DataError: the data cannot be split like this.
    """
    train: Interactions = data
    test: Interactions | None = None
    inner = f"random:{INNER_PART}:{random_state}"
    if split != NO_TEST:
        outer = split if isinstance(split, Split) else _single(data, split)
        train, test = outer.apply(data)
        inner = _inner(outer, random_state)
    wanted = validation or inner
    learn, validate = _single(train, wanted).apply(train)
    return Parts(learn, validate, train, test, _called(split), wanted)


def _called(split: str | Split) -> str:
    """Return what names a split: its text, or of one that no text makes, its name and a hash of its rows."""
    if isinstance(split, str):
        return split
    return f"{split.name} ({split.digest[:8]})"


def _single(data: Interactions, text: str) -> Split:
    splits = make_splits(data, text)
    if len(splits) > 1:
        raise ParameterError.of(
            f"the split {text}",
            f"has {len(splits)} test parts, and a search needs one: take time:0.2, random:0.2:42, or "
            "none to use all rows",
            code="split",
        )
    return splits[0]


def _inner(outer: Split, random_state: int) -> str:
    """Return the split that asks of the training part what the outer one asks of the data."""
    kind = outer.name.partition(":")[0]
    if outer.in_time == "all":
        return f"time:{INNER_PART}"
    if kind == "last":
        return outer.name
    kind = kind if kind in ("cold-items", "cold-users", "stratified") else "random"
    return f"{kind}:{INNER_PART}:{random_state}"
