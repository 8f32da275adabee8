"""The table of the page's routes in docs/security.md, from the application; `write_commands.py` writes it."""

from __future__ import annotations

import inspect

from palate.serve.operations import Offer
from palate.serve.web import PARTS
from palate.serve.web.offers import READING, OfPerson

HEAD = (
    "| route | what it does | who may | a stranger gets | of another, `visitors` | of another, `demo` | Origin |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)
VISITOR, ADMIN, ANYBODY = "a visitor", "an admin", "anybody"
SAME, NEW, THEIRS, NOBODYS = "the same for all", "somebody new's", "theirs", "is nobody's"
FORBIDDEN, NOT_YOURS = "403 `forbidden`", "403 `not_yours`"
DOCUMENTS = (
    ("GET /", "The document, and the cookie of somebody new", ANYBODY, SAME, NOBODYS, NOBODYS, "no"),
    ("GET /static/DIGEST/…", "The page's files, by name", ANYBODY, SAME, NOBODYS, NOBODYS, "no"),
)
OF_SESSIONS = {  # who may, and what a stranger gets
    "DELETE /web/admin": (ADMIN, "no session, as before"),
    "POST /web/admin": ("who has an admin key", "401 `no_key`"),
    "POST /web/session": ("who has an application's token", "403 `token`"),
}
OWN_ALONE = ("DELETE /web/me",)  # also in a demonstration
Row = tuple[str, str, str, str, str, str, str]


def routes_table() -> str:
    """Return a row of each route."""
    return HEAD + "".join(f"| `{row[0]}` | {' | '.join(row[1:])} |\n" for row in rows())


def rows() -> list[Row]:
    """Return what is said of each route, in the order of their paths; `tests/serve/web/test_routes.py` tries it."""
    offers = sorted((offer for part in PARTS for offer in part), key=lambda offer: (offer.path, offer.method))
    return [*DOCUMENTS, *map(_row, offers)]


def _row(offer: Offer) -> Row:
    name = f"{offer.method} {offer.path}"
    who, stranger = OF_SESSIONS.get(name) or ((ADMIN, FORBIDDEN) if offer.role == "admin" else (VISITOR, SAME))
    visitors = demo = NOBODYS
    if offer.asked is not None and issubclass(offer.asked, OfPerson):
        stranger, visitors, demo = NEW, NOT_YOURS, NOT_YOURS if name in OWN_ALONE else THEIRS
    does = (inspect.getdoc(offer.endpoint) or "").split("\n")[0].rstrip(".")
    return name, does, who, stranger, visitors, demo, "no" if offer.method in READING else "checked"
