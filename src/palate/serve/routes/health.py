"""`/healthz`, `/readyz` and `/metrics`: what watches a service asks, without a key; none names anybody."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from palate.errors import PalateError, StoreError
from palate.serve import measures
from palate.serve.logs import log

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether this worker is alive; the store is not asked.")
async def healthz() -> Response:
    """Answer 200 as long as the worker answers at all."""
    return _json({"status": "alive"})


@router.get(
    "/readyz",
    summary="Whether this worker can answer: its store is readable and of the right schema, and models are loaded.",
    responses={503: {"description": "Not now; asked again, it heals by itself."}},
)
async def readyz(request: Request) -> Response:
    """Answer 200, or 503 and why; doubts are settings of the database under which a power cut may lose something."""
    try:
        await run_in_threadpool(request.app.state.ready)
    except PalateError as error:
        log.warning("not ready: %s (%s)", error.code, type(error).__name__)
        why = str(error) if isinstance(error, StoreError) else error.code
        return _json({"status": "not ready", "code": error.code, "detail": why}, 503)
    doubts = getattr(request.app.state, "doubts", [])
    return _json({"status": "ready"} | ({"doubts": doubts} if doubts else {}))


@router.get(
    "/metrics",
    summary="Counts and latencies of all workers, for Prometheus.",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics() -> Response:
    """Answer in the text format of Prometheus."""
    body, content_type = await run_in_threadpool(measures.exposition)
    return Response(body, media_type=content_type)


def _json(content: Any, status: int = 200) -> Response:
    return Response(to_json(content), status, media_type="application/json", headers={"Cache-Control": "no-store"})
