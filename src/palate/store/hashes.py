"""Keyed hashes: what stands for somebody who was forgotten, and which store a model was trained on."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palate.store.records import Namespace


def tombstone(secret: bytes, ns: Namespace, side: str, id_: str) -> bytes:
    """Return what stands for a forgotten id: 32 bytes that tell when it comes back, and cannot be turned into it.

    Args:
        secret: of the store.
        ns: the namespace; its name counts, which a restored store has, too.
        side: "user" or "item".
        id_: the caller's, as text.
    """
    return hmac.digest(secret, f"{ns.name}\0{side}\0{id_}".encode(), hashlib.sha256)


def identity(secret: bytes) -> str:
    """Return which store this is, 32 hexadecimal digits: what a model trained on its log keeps."""
    return hmac.digest(secret, b"identity", hashlib.sha256).hex()[:32]
