"""Ids of users and items: text of 1 to 512 bytes, compared byte by byte, or integers, as the namespace declares."""

from __future__ import annotations

import re
from typing import Any

from palate.errors import ParameterError
from palate.store.records import Namespace

LONGEST = 512  # bytes of UTF-8
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")  # one way to write each number


def canonical(ns: Namespace, given: Any, what: str = "user") -> str:
    """Return an id as the store keeps it: 1 and "1" are one id, and "01" is refused where ids are integers.

    Args:
        ns: says what ids are.
        given: the caller's id, text or a whole number.
        what: "user" or "item", for the message.

    Raises:
        ParameterError: it is no id of this namespace.
    """
    if type(given) is int:
        given = str(given) if -(1 << 63) <= given < 1 << 63 else _refuse(what, "must be a number of 64 bits", given)
    text = checked_text(given, what)
    if ns.id_kind == "integer" and not (INTEGER.fullmatch(text) and -(1 << 63) <= int(text) < 1 << 63):
        _refuse(what, f"must be a whole number of 64 bits, without leading zeros, in namespace '{ns.name}'", given)
    return text


def checked_text(text: Any, what: str, longest: int = LONGEST) -> str:
    """Return a text that both databases keep as it is.

    Raises:
        ParameterError: it is no text, empty, too long, or has NUL or half a surrogate pair.
    """
    if not isinstance(text, str):
        _refuse(what, "must be text or a whole number", text)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        _refuse(what, "has half a surrogate pair, which is no text", ascii(text))
    if not 0 < size <= longest:
        _refuse(what, f"must have 1 to {longest} bytes of UTF-8, this has {size}", text)
    if "\0" in text:
        _refuse(what, "must not have the character NUL", text)
    return str(text)


def list_bytes(list_id: Any) -> bytes:
    """Return the 16 bytes of a list's id.

    Raises:
        ParameterError: it is not 32 hexadecimal digits.
    """
    if not isinstance(list_id, str) or re.fullmatch("[0-9a-f]{32}", list_id) is None:
        _refuse("list_id", "must be 32 hexadecimal digits in small letters", list_id)
    return bytes.fromhex(list_id)


def _refuse(what: str, why: str, value: object) -> Any:
    raise ParameterError.of(what, f"{why}, got {value!r:.80}", value=value)
