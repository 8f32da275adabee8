"""An operation as Gorse's clients ask for it.

Paths may end in a slash. Their parts are cut before they are decoded, so that an id may hold a slash where the client
writes it as %2F. Refusals are a sentence of plain text, and 400 where ours are 422.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar
from urllib.parse import unquote

from pydantic_core import from_json
from starlette.routing import Match

from palate.serve.operations import Offers, Operation, Reply

TEXT = b"text/plain; charset=utf-8"


class GorseOperation(Operation):
    """An operation of a path such as `/api/user/{user_id}`."""

    refusals: ClassVar[Mapping[str, Any]] = {"text/plain": {"schema": {"type": "string"}}}

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, dict[str, Any]]:
        """Return whether a request is for this path, and the parts of it that have names."""
        if scope["type"] != "http" or (found := _parts(self.path, _raw_path(scope))) is None:
            return Match.NONE, {}
        match = Match.FULL if scope["method"] in (self.methods or ()) else Match.PARTIAL
        return match, {"endpoint": self.endpoint, "path_params": found, "route": self}

    @classmethod
    def status_of(cls, status: int) -> int:
        """Return 400 for 422."""
        return 400 if status == 422 else status

    @classmethod
    def refused(cls, reply: Reply, body: bytes) -> tuple[Reply, bytes]:
        """Return a refusal as its sentence."""
        told = from_json(body)
        return Reply(None, cls.status_of(reply.status), reply.headers, TEXT), told["detail"].encode()


def offers(tag: str) -> Offers:
    """Return a list for the operations of one part."""
    return Offers(f"gorse: {tag}", GorseOperation)


def _raw_path(scope: Mapping[str, Any]) -> str:
    """Return the path as it was sent; some servers tell the decoded one alone."""
    raw = scope.get("raw_path")
    return str(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("latin-1")


def _parts(path: str, given: str) -> dict[str, str] | None:
    """Return the named parts of a path, None where it is another."""
    wanted, sent = path.split("/"), given.removesuffix("/").split("/")
    if len(wanted) != len(sent):
        return None
    pairs = list(zip(wanted, sent, strict=True))
    if any(name != part for name, part in pairs if not name.startswith("{")):
        return None
    return {name[1:-1]: unquote(part, errors="surrogateescape") for name, part in pairs if name.startswith("{")}
