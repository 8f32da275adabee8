"""Checkpoints of a long chain: its whole state by name, so that it goes on where it was cut off, bit for bit.

An object names what changes of it in ``CHANGES``; everything else is made anew by the same fit. Chance needs no state:
each sweep has a stream of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from palate.errors import ModelFileError, ParameterError

Array = NDArray[Any]


@dataclass(frozen=True)
class Snapshot:
    """A state as plain data.

    Attributes:
        arrays: by dotted name.
        said: what JSON holds: numbers and histories by dotted name, and under "fit" what identifies the fit.
    """

    arrays: dict[str, Array]
    said: dict[str, Any]


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
    found = Snapshot({}, {"fit": dict(fit)})
    for name, part in parts.items():
        _put(found, name, part)
    return found


def _put(found: Snapshot, name: str, value: Any) -> None:
    if isinstance(value, np.ndarray):
        found.arrays[name] = value
    elif hasattr(value, "CHANGES"):
        for one in value.CHANGES:
            _put(found, f"{name}.{one}", getattr(value, one))
    elif isinstance(value, dict):
        for key, one in value.items():
            _put(found, f"{name}.{key}", one)
    elif isinstance(value, tuple | list) and not _is_history(value):
        found.said[name] = len(value)
        for place, one in enumerate(value):
            _put(found, f"{name}.{place}", one)
    else:
        found.said[name] = value


def _is_history(values: Any) -> bool:
    """Return whether this is a history: a list of records, which JSON holds as it is."""
    return bool(values) and all(isinstance(one, dict) and not hasattr(one, "CHANGES") for one in values)


def restored(found: Snapshot, parts: Mapping[str, Any], fit: Mapping[str, Any]) -> None:
    """Bring the parts of a fit that has just begun into the state of a snapshot.

    Raises:
        ParameterError: the snapshot is of another fit; names what differs.
        ModelFileError: it lacks something, or an array has another shape or type.
    """
    before = found.said.get("fit", {})
    for name, value in fit.items():
        if before.get(name) != value:
            raise ParameterError(
                f"the checkpoint is of another fit ({name} was {before.get(name)}, and is {value}): go on with that "
                "fit, or remove the checkpoint",
                code="other_data",
                subject=name,
            )
    for name, part in parts.items():
        _take(found, name, part)


def _take(found: Snapshot, name: str, value: Any) -> Any:
    """Return what the snapshot holds in the place of a value."""
    if isinstance(value, np.ndarray):
        return _array(found, name, value)
    if hasattr(value, "CHANGES"):
        for one in value.CHANGES:
            setattr(value, one, _take(found, f"{name}.{one}", getattr(value, one)))
        return value
    if isinstance(value, dict):
        return {key: _take(found, f"{name}.{key}", one) for key, one in value.items()}
    if name not in found.said:
        raise ModelFileError(f"the checkpoint is damaged: it has no {name}", subject=name)
    said = found.said[name]
    if isinstance(value, tuple | list) and not isinstance(said, list):
        several = [_take(found, f"{name}.{place}", one) for place, one in enumerate(value)]
        several += [_array(found, f"{name}.{place}", None) for place in range(len(several), said)]
        return type(value)(several)
    return said


def _array(found: Snapshot, name: str, like: Array | None) -> Array:
    array = found.arrays.get(name)
    if array is None or (like is not None and (array.shape, array.dtype) != (like.shape, like.dtype)):
        was = "no such array" if array is None else f"{array.dtype} {array.shape}"
        raise ModelFileError(f"the checkpoint is damaged: {name} is {was}", subject=name)
    return array.copy()
