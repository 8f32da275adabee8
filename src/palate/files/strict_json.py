"""JSON as Palate's files hold it: no NaN, no key twice, no number past 64 bits, no nesting without end."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import numpy as np

from palate.errors import ModelFileError

MAX_DEPTH = 8
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def dumps(value: Any, what: str) -> bytes:
    """Return a value as compact UTF-8 JSON; NumPy scalars become plain numbers, tuples become lists.

    Raises:
        ModelFileError: the value holds NaN, an infinite number, or what JSON cannot hold; names ``what``.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_number)
        return text.encode()
    except TypeError as error:
        raise ModelFileError.of(what, f"cannot be saved as JSON: {error}") from None
    except ValueError as error:  # NaN, a circle, or text that is no Unicode
        raise ModelFileError.of(what, f"cannot be saved as JSON (NaN or an infinite number?): {error}") from None


def loads(data: bytes, what: str) -> Any:
    """Return the value that JSON bytes stand for.

    Raises:
        ModelFileError: not UTF-8, not JSON, a key twice, NaN, a number past 64 bits, or nested too deeply.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        by_key = dict(pairs)
        if len(by_key) != len(pairs):
            keys = [key for key, _ in pairs]
            raise ModelFileError.of(what, f"has the key '{next(k for k in keys if keys.count(k) > 1)}' twice")
        return by_key

    def refused(text: str) -> NoReturn:
        raise ModelFileError.of(what, f"holds {text[:40]}, which is not a finite number of 64 bits")

    def integer(text: str) -> int:
        if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
            refused(text)
        return int(text)

    def real(text: str) -> float:
        return float(text) if math.isfinite(float(text)) else refused(text)

    try:
        value = json.loads(
            data.decode(), object_pairs_hook=unique, parse_constant=refused, parse_int=integer, parse_float=real
        )
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()  # a whole pair is well
    except ModelFileError:
        raise
    except UnicodeDecodeError:
        raise ModelFileError.of(what, "is not UTF-8 text") from None
    except UnicodeEncodeError:
        raise ModelFileError.of(what, "holds half a surrogate pair, which is no text") from None
    except RecursionError:
        raise ModelFileError.of(what, "is nested too deeply") from None
    except ValueError as error:
        raise ModelFileError.of(what, f"is not valid JSON: {error}") from None
    _check_depth(value, what, 1)
    return value


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a value of type {type(value).__name__}")


def _check_depth(value: Any, what: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ModelFileError.of(what, f"is nested too deeply: at most {MAX_DEPTH} levels are admitted")
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(child, dict | list):
            _check_depth(child, what, depth + 1)
