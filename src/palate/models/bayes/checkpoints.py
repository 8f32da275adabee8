"""Checkpoints of a long chain: its whole state by name, so that it goes on where it was cut off, bit for bit.

An object names what changes of it in ``CHANGES``; everything else is made anew by the same fit. Chance needs no state:
each sweep has a stream of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from palate.errors import ModelFileError, ParameterError
from palate.sparse import Array


@dataclass(frozen=True)
class Snapshot:
    """A state as plain data.

    Attributes:
        arrays: by dotted name.
        values: what JSON holds: numbers and histories by dotted name, and under "fit" what identifies the fit.
    """

    arrays: dict[str, Array]
    values: dict[str, Any]


class CheckpointStore(Protocol):
    """Where a snapshot is kept: `palate.files.Checkpoint`."""

    def load(self) -> Snapshot | None:
        """Return the snapshot that is there, or None."""

    def due(self) -> bool:
        """Return whether it is time for the next one."""

    def save(self, snapshot: Snapshot) -> None:
        """Put a snapshot in the place of the one before."""

    def clear(self) -> None:
        """Remove it: the fit has come to its end."""


def snapshot(parts: Mapping[str, Any], fit: Mapping[str, Any]) -> Snapshot:
    """Return the state of all parts, and what identifies the fit."""
    state = Snapshot({}, {"fit": dict(fit)})
    for name, part in parts.items():
        _put(state, name, part)
    return state


def _put(state: Snapshot, name: str, value: Any) -> None:
    if isinstance(value, np.ndarray):
        state.arrays[name] = value
    elif hasattr(value, "CHANGES"):
        for part in value.CHANGES:
            _put(state, f"{name}.{part}", getattr(value, part))
    elif isinstance(value, dict):
        for key, item in value.items():
            _put(state, f"{name}.{key}", item)
    elif isinstance(value, tuple | list) and not _is_history(value):
        state.values[name] = len(value)
        for place, item in enumerate(value):
            _put(state, f"{name}.{place}", item)
    else:
        state.values[name] = value


def _is_history(values: Any) -> bool:
    """Return whether this is a history: a list of records, which JSON holds as it is."""
    return bool(values) and all(isinstance(record, dict) and not hasattr(record, "CHANGES") for record in values)


def restored(state: Snapshot, parts: Mapping[str, Any], fit: Mapping[str, Any]) -> None:
    """Bring the parts of a fit that has just begun into the state of a snapshot.

    Raises:
        ParameterError: the snapshot is of another fit; names what differs.
        ModelFileError: it lacks something, or an array has another shape or type.
    """
    before = state.values.get("fit", {})
    for name, value in fit.items():
        if before.get(name) != value:
            raise ParameterError(
                f"the checkpoint is of another fit ({name} was {before.get(name)}, and is {value}): go on with that "
                "fit, or remove the checkpoint",
                code="other_data",
                subject=name,
            )
    for name, part in parts.items():
        _take(state, name, part)


def _take(state: Snapshot, name: str, value: Any) -> Any:
    """Return what the snapshot holds in the place of a value."""
    if isinstance(value, np.ndarray):
        return _array(state, name, value)
    if hasattr(value, "CHANGES"):
        for part in value.CHANGES:
            setattr(value, part, _take(state, f"{name}.{part}", getattr(value, part)))
        return value
    if isinstance(value, dict):
        return {key: _take(state, f"{name}.{key}", item) for key, item in value.items()}
    if name not in state.values:
        raise ModelFileError(f"the checkpoint is damaged: it has no {name}", subject=name)
    stored = state.values[name]
    if isinstance(value, tuple | list) and not isinstance(stored, list):
        several = [_take(state, f"{name}.{place}", item) for place, item in enumerate(value)]
        several += [_array(state, f"{name}.{place}", None) for place in range(len(several), stored)]
        return type(value)(several)
    return stored


def _array(state: Snapshot, name: str, like: Array | None) -> Array:
    array = state.arrays.get(name)
    if array is None or (like is not None and (array.shape, array.dtype) != (like.shape, like.dtype)):
        was = "no such array" if array is None else f"{array.dtype} {array.shape}"
        raise ModelFileError(f"the checkpoint is damaged: {name} is {was}", subject=name)
    return array.copy()
