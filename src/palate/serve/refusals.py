"""Events that were refused, and why: the newest of all workers, in a file of the store's folder.

A line tells when, at which address, by which code of docs/errors.md, about which field, and how many at once. No id, no
value and no sentence stands in it: these may name people.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.atomic import replacing
from palate.store.times import now

if TYPE_CHECKING:
    from palate.errors import PalateError
    from palate.serve.operations import Exchange
    from palate.store.records import Namespace, Receipt

log = logging.getLogger(__name__)
NAME = "refused.jsonl"
KEPT = 500  # lines that are told
LARGEST = 200_000  # bytes from which the oldest lines go
FIELDS = frozenset(("user", "item", "kind", "value", "time", "event_id", "source", "list_id", "place", "withdraws"))
PATHS = frozenset(("/v1/feedback", "/v1/feedback/batch", "/api/feedback", "/web/ratings", "/web/reactions"))


def note_request(call: Exchange, path: str, error: PalateError) -> None:
    """Write down that a request was refused, where it brings events."""
    if path in PATHS and call.caller is not None and call.service is not None:
        _write(call, path, [(error.code, _field(error.subject))])


def note_rows(call: Exchange, path: str, problems: Iterable[dict[str, Any]]) -> None:
    """Write down which rows of a request were refused, by their problem documents."""
    _write(call, path, [(problem["code"], _field(problem["subject"])) for problem in problems])


def note_receipts(call: Exchange, path: str, receipts: Iterable[Receipt]) -> None:
    """Write down which events of a request were refused, where others were taken."""
    errors = [receipt.error for receipt in receipts if receipt.error is not None]
    _write(
        call, path, [(getattr(error, "code", "failed"), _field(getattr(error, "subject", None))) for error in errors]
    )


def newest(folder: Path, ns: Namespace, n: int = KEPT) -> list[dict[str, Any]]:
    """Return what was refused of a namespace, the newest first."""
    rows = [row for row in map(_row, _lines(folder / NAME)) if row is not None and row["namespace"] == ns.key]
    return rows[::-1][:n]


def _write(call: Exchange, path: str, refused: Sequence[tuple[str, str]]) -> None:
    if not refused:
        return
    of = {"time": now(), "namespace": call.ns.key, "path": path}
    rows = [{**of, "code": code, "field": field, "n": n} for (code, field), n in Counter(refused).items()]
    file = call.service.store.folder / NAME
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write("".join(f"{json.dumps(row)}\n" for row in rows))
            size = out.tell()
        if size > LARGEST:
            _shorten(file)
    except OSError as error:  # the refusal itself was answered, and counts more than its line here
        log.warning("what was refused cannot be written down: %s", error.strerror)


def _shorten(file: Path) -> None:
    kept = _lines(file)[-KEPT:]
    with replacing(file) as out:
        out.write("".join(f"{line}\n" for line in kept).encode())


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []


def _row(line: str) -> dict[str, Any] | None:
    """Return a line's row; None for one that a power cut left half written."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "namespace" in row else None


def _field(subject: str | None) -> str:
    """Return the field that a refusal is about; names that a client made up are not kept."""
    last = (subject or "").rpartition(".")[2]
    return last if last in FIELDS else ""
