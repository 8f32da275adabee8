"""`/v1/feedback`: what users did. Acknowledged means committed."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from palate.errors import PalateError
from palate.serve import answers, bodies, measures, problems, refusals
from palate.serve.operations import Exchange, Offers, Reply
from palate.serve.routes.said import micros, problem_row
from palate.store.records import Event, Receipt

offer = Offers("feedback")
_COUNTED = {status: measures.FEEDBACK.labels(status) for status in ("new", "known", "refused")}
EXAMPLE = {"user": "196", "item": "50", "kind": "rating", "value": 5, "event_id": "order-7-line-1"}
UNDO = {"user": "196", "kind": "undo", "withdraws": "order-7-line-1", "event_id": "order-7-line-1-undone"}


@offer(
    "POST",
    "/v1/feedback",
    {201: answers.FeedbackTaken, 200: answers.FeedbackTaken},
    role="write",
    errors=(404, 409),
    examples={"a rating": EXAMPLE, "an undo": UNDO},
)
async def add_feedback(call: Exchange, asked: bodies.Feedback) -> Reply:
    """Add an event: 201 when it is committed, 200 when the same event was there already.

    An event_id that is there with other content is a conflict (409). Without an event_id a retry counts twice.
    """
    (receipt,) = await written(call, [_event(asked)])
    if receipt.error is not None:
        raise receipt.error
    said = {"event_id": receipt.event_id, "status": receipt.status, "retry_counts_twice": receipt.made_id}
    return Reply(said, 201 if receipt.status == "new" else 200)


@offer(
    "POST",
    "/v1/feedback/batch",
    answers.FeedbackRows,
    role="write",
    examples={"two events": {"events": [EXAMPLE, UNDO]}},
)
async def add_feedback_rows(call: Exchange, asked: bodies.FeedbackBatch) -> dict[str, Any]:
    """Add up to 10,000 events, each with a result of its own: one that is refused does not keep back the others."""
    read = [_row(row, at) for at, row in enumerate(asked.events)]
    events = [event for event in read if isinstance(event, Event)]
    receipts = iter(await written(call, events) if events else ())
    results = [_result(next(receipts) if isinstance(event, Event) else event, call) for event in read]
    refusals.note_rows(call, "/v1/feedback/batch", [row["problem"] for row in results if row["problem"] is not None])
    counts = {status: sum(row["status"] == status for row in results) for status in ("new", "known", "refused")}
    return {"results": results, **counts}


async def written(call: Exchange, events: Sequence[Event]) -> list[Receipt]:
    """Return what became of events, when they are committed."""
    began = perf_counter()
    receipts: list[Receipt] = await call.service.store.writer.feedback_soon(call.ns, events)
    call.timings["store"] = perf_counter() - began
    count(receipts)
    return receipts


def count(receipts: Sequence[Receipt]) -> None:
    """Tell `/metrics` what became of events."""
    for receipt in receipts:
        _COUNTED[receipt.status].inc()


def _event(asked: bodies.Feedback) -> Event:
    return Event(
        user=asked.user,
        item=asked.item,
        kind=asked.kind,
        value=asked.value,
        time=micros(asked.time),
        event_id=asked.event_id,
        source=asked.source,
        list_id=asked.list_id,
        place=asked.place,
        withdraws=asked.withdraws,
    )


def _row(row: Any, at: int) -> Event | PalateError:
    """Return a row as an event, or what is wrong with it."""
    try:
        return _event(bodies.Feedback.model_validate_json(to_json(row)))  # times are text in JSON
    except ValidationError as error:
        return problems.of_validation(error, f"events.{at}")


def _result(done: Receipt | PalateError, call: Exchange) -> dict[str, Any]:
    if isinstance(done, PalateError):
        return {"status": "refused", "event_id": None, "retry_counts_twice": False, "problem": problem_row(done, call)}
    error = done.error
    return {
        "status": done.status,
        "event_id": done.event_id,
        "retry_counts_twice": done.made_id,
        "problem": None if error is None else problem_row(_ours(error), call),
    }


def _ours(error: Exception) -> PalateError:
    return error if isinstance(error, PalateError) else PalateError("this event was not written", subject="store")
