"""One short text that tells whether two sets of interactions are the same rows in the same order."""

from __future__ import annotations

import hashlib

import numpy as np

from palate.data.ids import Ids
from palate.data.interactions import Interactions, check_interactions


def fingerprint(interactions: Interactions) -> str:
    """Return the SHA-256, in hexadecimal, of the rows in their order: ids as they are, values, times, weights.

    The same on every machine and for every version of Palate; the reader, and the order of the columns, do not matter.

    Raises:
        DataError: interactions is none.
    """
    check_interactions("interactions", interactions)
    digest = hashlib.sha256(f"{len(interactions)} rows".encode())
    for ids, index in ((interactions.users, interactions.user_index), (interactions.items, interactions.item_index)):
        digest.update(_bytes_of(ids))
        digest.update(index.astype("<i4", copy=False).tobytes())
    digest.update(interactions.values.astype("<f4", copy=False).tobytes())
    if interactions.times is not None:
        digest.update(b"times")
        digest.update(interactions.times.astype("<i8", copy=False).tobytes())
    if interactions.weights is not None:
        digest.update(b"weights")
        digest.update(interactions.weights.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def _bytes_of(ids: Ids) -> bytes:
    """Return ids as bytes that no other list of ids has."""
    if ids.kind == "integer":
        return b"integers" + np.ascontiguousarray(ids.values.to_numpy(), "<i8").tobytes()
    texts = [text.encode() for text in ids.values]
    return b"texts" + np.array(list(map(len, texts)), "<i8").tobytes() + b"".join(texts)
