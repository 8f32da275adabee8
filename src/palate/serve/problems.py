"""Every error as a client gets it: a problem document (RFC 9457) made from the fields of our own errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from palate.errors import Code, NotFoundError, PalateError, RequestError, Step, shown

MEDIA_TYPE = b"application/problem+json"
FAULTS = 20  # of a request, told in one answer

# What is not listed is the request's fault: 422.
STATUS: Final[Mapping[Code, int]] = {
    "no_key": 401,
    "forbidden": 403,
    "not_yours": 403,
    "token": 403,
    "origin": 403,
    "not_found": 404,
    "unknown_id": 404,
    "method": 405,
    "slow": 408,
    "conflict": 409,
    "not_offered": 409,
    "expired": 410,
    "too_large": 413,
    "media_type": 415,
    "host": 421,
    "rate": 429,
    "failed": 500,
    "forked": 500,
    "diverged": 500,
    "missing_extra": 501,
    "disk": 503,
    "locked": 503,
    "model_file": 503,
    "not_fitted": 503,
    "damaged": 503,
    "store": 503,
    "unavailable": 503,
    "version": 503,
}
TITLES: Final[Mapping[int, str]] = {
    401: "A key is needed",
    403: "Not allowed with this key",
    404: "Not found",
    405: "Not a method of this path",
    408: "The request took too long to arrive",
    409: "At odds with what is there",
    410: "Expired",
    413: "Too large",
    415: "Not JSON",
    421: "Not a name of this service",
    422: "The request is not right",
    429: "Too many requests",
    500: "A fault of the service",
    501: "Not installed",
    503: "Not now",
}
IDS = frozenset(("user", "item", "id", "ids", "items", "include", "exclude", "visitor", "account", "cursor"))
SECRETS = frozenset(("key", "token"))
IDS |= {"UserId", "ItemId", "user_id", "item_id", "user-id"}  # of Gorse's clients
WAIT = 1.0  # seconds until another try, where the service cannot answer now


def status_of(error: PalateError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, NotFoundError):
        return 404
    return STATUS.get(error.code, 422)


def wait_of(error: PalateError) -> float | None:
    """Return the seconds after which the same request may be sent again, or None where that is of no use."""
    if isinstance(error, RequestError) and error.wait is not None:
        return error.wait
    return WAIT if status_of(error) == 503 else None


def document(error: PalateError, request_id: str) -> dict[str, Any]:
    """Return the problem document of an error.

    Steps of Python (``on_missing='drop'``) are of no use to a client, and remedies made of them are left out.
    """
    status = status_of(error)
    fields = error.as_dict()
    return {
        "type": f"urn:palate:problem:{error.code}",
        "title": TITLES[status],
        "status": status,
        "detail": error.sentence(_no_step),
        "code": error.code,
        "subject": fields["subject"],
        "value": fields["value"],
        "rows": fields["rows"],
        "remedies": [remedy["text"] for remedy in fields["remedies"] if not remedy["set"]],
        "faults": list(getattr(error, "faults", ())),
        "request_id": request_id,
    }


def as_bytes(error: PalateError, request_id: str) -> bytes:
    """Return the problem document as JSON."""
    return to_json(document(error, request_id))


def _no_step(step: Step) -> str | None:
    return None


def _what(fault: ErrorDetails) -> str:
    """Return what is wrong, with a plain value that is no id."""
    words, given = fault["msg"].removeprefix("Value error, "), fault["input"]
    plain = isinstance(given, bool | int | float | str) and not (IDS | SECRETS).intersection(map(str, fault["loc"]))
    return f"{words}, got {shown(given)}" if plain and fault["loc"] else words


def _where(root: str, place: tuple[int | str, ...]) -> str:
    """Return a place as people write it, without the marks of our own (`bodies.OneOfMany`)."""
    steps = [str(step) for step in place if not str(step).startswith("#")]
    return ".".join(filter(None, (root, *steps))) or "body"


def of_validation(error: ValidationError, root: str = "") -> RequestError:
    """Return what pydantic found as one of our errors; values are told where they are short and no ids of anybody.

    Args:
        error: what pydantic raised.
        root: what comes before each place, such as ``events.3``.
    """
    found = error.errors(include_url=False, include_context=False)
    faults = tuple({"where": _where(root, fault["loc"]), "what": _what(fault)} for fault in found[:FAULTS])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    first = faults[0]
    refused = RequestError.of(first["where"], f": {first['what']}{more}", code="request")
    refused.faults = faults
    return refused
