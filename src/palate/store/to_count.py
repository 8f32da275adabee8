"""What the propensities of a list are counted from, as bytes: whoever asked, and the candidates, by one draw in place.

safetensors: a header that names arrays, and they. Nothing of it is run, and damaged bytes are refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from palate.errors import StoreError
from palate.sparse import Rows

ARRAYS = ("user", "items", "offsets", "order")


@dataclass(frozen=True, eq=False)
class ToCount:
    """A list by Thompson sampling, as it was made.

    Attributes:
        user: id of a user of training; None: of somebody who was folded in.
        rows, features: what was folded in: one row of cells; (1, n_features), or None.
        items: (m,) positions of the candidates in the version, as they stood before chance; -1: without draws.
        offsets: (m,) added to their scores.
        order: (m,) which candidate took each place.
    """

    user: str | None
    rows: Rows | None
    features: NDArray[Any] | None
    items: NDArray[np.int32]
    offsets: NDArray[np.float32]
    order: NDArray[np.int64]

    def to_bytes(self) -> bytes:
        """Return this as bytes."""
        arrays: dict[str, NDArray[Any]] = {
            "user": np.frombuffer(json.dumps(self.user).encode(), np.uint8),
            "items": self.items,
            "offsets": self.offsets,
            "order": self.order.astype(np.uint16),
        }
        if self.rows is not None:
            arrays |= {"indices": self.rows.indices, "values": self.rows.values}
            if self.rows.weights is not None:
                arrays["weights"] = self.rows.weights
        if self.features is not None:
            arrays["features"] = self.features
        packed: bytes = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        return packed

    @classmethod
    def from_bytes(cls, packed: bytes) -> ToCount:
        """Return what `to_bytes` made.

        Raises:
            StoreError: the bytes are not those of one.
        """
        try:
            arrays = load(packed)
            user, items, offsets, order = (arrays[name] for name in ARRAYS)
            rows = None
            if "indices" in arrays:
                indices = arrays["indices"]
                row = Rows.of_sizes([len(indices)], indices, arrays["values"])
                rows = Rows(row.indptr, row.indices, row.values, arrays.get("weights"))
            return cls(json.loads(user.tobytes()), rows, arrays.get("features"), items, offsets, order.astype(np.int64))
        except (SafetensorError, KeyError, ValueError) as error:
            raise StoreError(
                f"what a list's propensities are counted from is damaged: {error}", code="damaged", subject="list"
            ) from error
