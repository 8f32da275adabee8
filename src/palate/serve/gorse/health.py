"""`/api/health/live` and `/api/health/ready`, without a key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from palate.errors import PalateError
from palate.serve.logs import log

router = APIRouter(tags=["gorse: health"], prefix="/api/health")


@router.get("/live", summary="Whether this worker is alive, as Gorse says it.")
async def gorse_live(request: Request) -> Response:
    """Answer 200 as long as the worker answers at all, and say whether its store can be read."""
    return _said(await _error(request))


@router.get(
    "/ready", summary="Whether this worker can answer, as Gorse says it.", responses={503: {"description": "Not now."}}
)
async def gorse_ready(request: Request) -> Response:
    """Answer 200, or 503 and why."""
    error = await _error(request)
    return _said(error, 200 if error is None else 503)


async def _error(request: Request) -> str | None:
    try:
        await run_in_threadpool(request.app.state.ready)
    except PalateError as error:
        log.warning("not ready: %s (%s)", error.code, type(error).__name__)
        return error.code
    return None


def _said(error: str | None, status: int = 200) -> Response:
    fine = error is None
    said: dict[str, Any] = {"Ready": fine, "DataStoreError": error, "CacheStoreError": None}
    said |= {"DataStoreConnected": fine, "CacheStoreConnected": fine}
    return Response(to_json(said), status, media_type="application/json")
