"""A model file without some of its users."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from palate.data.ids import Id
from palate.files.model_file import load, save
from palate.models.contract.forgetting import without_users as model_without_users


def without_users(source: str | Path, target: str | Path, ids: Iterable[Id]) -> int:
    """Write a model file that does not know these users, and return how many it knew: none, and nothing is written.

    Args:
        source: what `palate.save` wrote.
        target: the file to write; the same as ``source`` to replace it.
        ids: of the users, as `palate.models.contract.forgetting.without_users` takes them.

    Raises:
        ModelFileError: the file is refused, or the other cannot be written.
        ParameterError: nobody would be left.
        UnknownIdError: an id is of another type than the model's.
    """
    model = load(source)
    wanted = list(dict.fromkeys(ids))
    known = int((model.users_.index(wanted, on_unknown="mark") >= 0).sum())
    if known:
        save(model_without_users(model, wanted), target)
    return known
