"""The OpenAPI document, and the page that shows it, from files of our own: no outside address is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic.json_schema import models_json_schema

from palate.serve.answers import Problem
from palate.serve.bodies import Feedback

FOLDER = Path(__file__).parent / "pages"
FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "start.js": "text/javascript"}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Palate</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body>
</html>
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'"
)


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Return FastAPI's document with what it does not know: problems, keys, and the rows of batches."""
    components = document.setdefault("components", {})
    _, extra = models_json_schema(
        [(Problem, "serialization"), (Feedback, "validation")], ref_template="#/components/schemas/{model}"
    )
    schemas = components.setdefault("schemas", {})
    schemas |= extra["$defs"]
    for path, methods in document.get("paths", {}).items():
        for operation in methods.values() if path.startswith("/api/") else ():
            operation["responses"].pop("422", None)  # FastAPI's own; Gorse's clients are told 400
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as palate keys create shows it once."},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    return document


def add_pages(app: FastAPI) -> None:
    """Give an application /docs and the files that it needs."""

    async def docs(request: Request) -> Response:
        return Response(PAGE, media_type="text/html", headers={"content-security-policy": POLICY})

    async def docs_file(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        headers = {"cache-control": "max-age=3600"}
        return Response((FOLDER / name).read_bytes(), media_type=FILES[name], headers=headers)

    app.add_route("/docs", docs, include_in_schema=False)
    for name in FILES:
        app.add_route(f"/docs/{name}", docs_file, include_in_schema=False)
