"""What a model file and a folder of partitioned Parquet tell of a model in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from palate.models import ModelState

HEADER: dict[str, type] = {
    "format_version": int,
    "palate_version": str,
    "model": str,
    "parameters": dict,
    "learned": dict,
    "users": str,
    "items": str,
}


def told(
    format_version: int, key: str, parameters: Mapping[str, Any], learned: Mapping[str, Any], kinds: tuple[str, str]
) -> dict[str, Any]:
    """Return the entries of `HEADER`.

    Args:
        format_version: of the file or folder.
        key: of the model.
        parameters, learned: plain values by name.
        kinds: of the ids of users and of items, "integer" or "text".
    """
    values = (format_version, version("palate"), key, parameters, learned, *kinds)
    return dict(zip(HEADER, values, strict=True))


def told_of(state: ModelState, format_version: int) -> dict[str, Any]:
    """Return the entries of `HEADER`, and of ``log``, for a model that learned from a store."""
    kinds = state.users.kind, state.items.kind
    log = {} if state.log is None else {"log": vars(state.log)}
    return told(format_version, state.key, state.parameters, state.learned, kinds) | log
