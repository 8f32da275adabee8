"""Attributes of users and items: names and plain values, kept as JSON."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from palate.errors import ParameterError
from palate.store.ids import checked_text

LARGEST = 16_384  # bytes of one user's or item's JSON
NAME_BYTES = 128
TITLES = ("title", "name")  # what is searched
WORDS = 16  # of a title
LETTERS = 64  # of a word


def encoded(attributes: Mapping[str, Any]) -> str:
    """Return attributes as JSON.

    Raises:
        ParameterError: a name or a value is none that is kept, or all together are too large.
    """
    if not isinstance(attributes, Mapping):
        raise ParameterError.of("attributes", f"must be an object of names and values, got {attributes!r:.80}")
    for name, value in attributes.items():
        checked_text(name, "the name of an attribute", NAME_BYTES)
        if not (
            _is_plain(value)
            or (isinstance(value, list | tuple) and all(isinstance(v, str) and _is_plain(v) for v in value))
        ):
            raise ParameterError.of(
                f"attribute '{name}'",
                f"must be a finite number, text, true, false or a list of texts, got {value!r:.80}",
            )
    text = json.dumps(dict(attributes), ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > LARGEST:
        raise ParameterError.of(
            "attributes", f"must have at most {LARGEST} bytes as JSON, these have {len(text.encode())}"
        )
    return text


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, int):  # and true and false
        return -(1 << 63) <= value < 1 << 63
    return value is None or (isinstance(value, float) and math.isfinite(value))


def words(text: str) -> list[str]:
    """Return the words of a text as search compares them: in small letters, without accents."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if letter.isalnum() else " " for letter in plain.casefold()).split()


def title_words(attributes: Mapping[str, Any]) -> set[str]:
    """Return the words by which an item is found: the first of its title, or of its name."""
    title = next((attributes[name] for name in TITLES if isinstance(attributes.get(name), str)), "")
    return {word[:LETTERS] for word in words(title)[:WORDS]}
