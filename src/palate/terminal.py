"""Text from data on its way to a terminal or a page: control characters are shown by their codes, or replaced.

Titles and ids come from other people's files. An escape sequence in one could clear the screen or name the window, a
bidirectional mark could turn a line around, and a line separator could break a row of a table. Letters of every
script, combining accents and emoji pass.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_JOINER = "(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])"  # in Persian words, and between the parts of an emoji
_FLAG = "\U0001f3f4[\U000e0061-\U000e007a]{2,5}\U000e007f"  # of England, Scotland or Wales: letters as marks
_ACTS = (  # Unicode's categories Cc, Cf, Cs, Zl and Zp
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_FOUND = re.compile(f"({_JOINER}|{_FLAG})|{_ACTS}")
_RUNS = re.compile(f"({_JOINER}|{_FLAG})|{_ACTS}+")


def plain(text: object, *, lines: bool = False) -> str:
    r"""Return a text with control, format and bidirectional characters written as Python writes them, such as \x1b.

    Args:
        text: anything with a ``str``.
        lines: whether line ends stay, as in a message of several lines; else they are written, too.
    """
    return _FOUND.sub(lambda m: m[0] if m[1] or (lines and m[0] == "\n") else ascii(m[0])[1:-1], str(text))


def replaced(text: object, by: str) -> str:
    """Return a text with each run of the same characters replaced, for pages, on which their codes would be noise."""
    return _RUNS.sub(lambda m: m[1] or by, str(text))


def plain_json(text: str) -> str:
    """Return JSON with the same characters escaped: it reads as the same values."""
    return _FOUND.sub(lambda m: m[1] or json.dumps(m[0])[1:-1], text)


def json_values(value: Any) -> Any:
    """Return a value of mappings, lists and numbers as JSON has them, with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def command(*words: object) -> str:
    """Return words as one line that a shell (POSIX) takes as these words; a path never reads as an option."""
    return " ".join(map(_word, words))


def _word(word: object) -> str:
    text = str(word)
    if isinstance(word, Path) and text.startswith("-") and text != "-":
        text = f"./{text}"
    if plain(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(map(_in_ansi_quotes, text)) + "'"


def _in_ansi_quotes(letter: str) -> str:
    if letter in "'\\":
        return "\\" + letter
    if plain(letter) == letter:
        return letter
    return "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))
