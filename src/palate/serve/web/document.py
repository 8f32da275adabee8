"""The page's document and its files: read once, packed once, and told by a digest, so that browsers keep them.

All files stand below `static/DIGEST/`, and name each other relatively: whatever changes, all addresses are new, and a
browser never has two states of the page at once. The document stands at `/`; what it shows stands in the query.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response

from palate.serve.web.guards import greeting

FOLDER = Path(__file__).parent / "static"
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
EVER = "public, max-age=31536000, immutable"
IMPORTED = re.compile(r'\b(?:import|from)\s*"(\.[^"]+)"')  # not of import()
PACKED = 500  # bytes from which a file is worth packing


@cache
def files() -> dict[str, tuple[bytes, bytes, str]]:
    """Return each file by its name: its bytes, the same packed, and its type."""
    found = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    return {
        path.relative_to(FOLDER).as_posix(): (data := path.read_bytes(), gzip.compress(data, 9, mtime=0), _type(path))
        for path in found
    }


@cache
def digest() -> str:
    """Return 16 hexadecimal digits that change with any of the files."""
    of = hashlib.sha256()
    for name, (data, _, _) in files().items():
        of.update(f"{name}\0{len(data)}\0".encode() + data)
    return of.hexdigest()[:16]


@cache
def document(name: str) -> bytes:
    """Return the document, with the addresses of its files.

    Args:
        name: what the page calls itself; the page reads it from the title.
    """
    links = "\n".join(f'<link rel="modulepreload" href="static/{digest()}/{path}">' for path in needed("app.js"))
    text = (FOLDER / "index.html").read_text("utf-8")
    text = text.replace("<!-- modules -->", links).replace("static/DIGEST/", f"static/{digest()}/")
    return text.replace("<title>Palate</title>", f"<title>{escape(name)}</title>").encode()


def needed(name: str) -> list[str]:
    """Return a module and all that it cannot begin without: what it imports, and what that imports; not `import()`."""
    found, open_now = {name}, [name]
    while open_now:
        here = open_now.pop()
        told = IMPORTED.findall(files()[here][0].decode())
        others = {posixpath.normpath(posixpath.join(posixpath.dirname(here), other)) for other in told} - found
        found |= others
        open_now += others
    return sorted(found)


def add_document(app: FastAPI, name: str) -> None:
    """Give an application the document and its files; the page calls itself by the name."""

    async def page(request: Request) -> Response:
        body, call = document(name), request.scope["palate.call"]
        answer = _packed(request, body, gzip.compress(body, 6), "text/html", {"content-security-policy": POLICY})
        answer.raw_headers.extend(() if call.service is None else greeting(call))
        return answer

    async def file(request: Request) -> Response:
        data, packed, kind = files()[request.url.path.removeprefix(f"/static/{digest()}/")]
        return _packed(request, data, packed, kind, {"cache-control": EVER})

    app.add_route("/", page, include_in_schema=False)
    for path in files():
        app.add_route(f"/static/{digest()}/{path}", file, include_in_schema=False)


def _packed(request: Request, plain: bytes, packed: bytes, kind: str, headers: dict[str, str]) -> Response:
    given = headers | {"vary": "accept-encoding"}
    if len(plain) >= PACKED and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, headers=given | {"content-encoding": "gzip"}, media_type=kind)
    return Response(plain, headers=given, media_type=kind)


def _type(path: Path) -> str:
    return TYPES[path.suffix]
