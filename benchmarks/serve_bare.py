"""A bare FastAPI route, for the race: the same method and body, the same validation, and a constant answer.

python benchmarks/serve_bare.py PORT FILE    (the file holds the body of an answer of the service)
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response

from palate.serve.bodies import RecommendationRequest

app = FastAPI()
ANSWER = Path(sys.argv[2]).read_bytes()


@app.post("/v1/recommendations")
async def recommendations(asked: RecommendationRequest) -> Response:
    """Answer the same list to everybody."""
    return Response(ANSWER, media_type="application/json")


uvicorn.run(
    app, port=int(sys.argv[1]), http="httptools", loop="uvloop", log_level="warning", access_log=False, log_config=None
)
