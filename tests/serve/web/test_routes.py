"""The table of routes in docs/security.md, tried cell by cell: by a stranger, about another, and from another site."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from films import copied
from in_process import Visitor, serving
from page_routes import ADMINS, OF_A_PERSON, OFFERS, SECRETS, send
from starlette.routing import Mount

from palate.serve.app import create_app
from palate.serve.settings import Settings
from palate.serve.web import guards
from palate.serve.web.document import digest

DOCS = Path(__file__).parents[3] / "docs" / "security.md"
TABLE = DOCS.read_text("utf-8").partition("<!-- routes of the page -->\n")[2].partition("<!-- /")[0]
ROWS = {row[0].strip("`"): row[1:] for row in (line[2:-2].split(" | ") for line in TABLE.splitlines()[2:])}
NOBODYS = "is nobody's"
REFUSED = re.compile(r"(\d{3}) `(\w+)`")
NOTHING_THERE = ("POST /web/undo", "POST /web/uploads/undo")  # there is nothing yet that could be taken back


def routes(page):
    """Return method and path of all that an application answers."""
    every = [route for route in create_app(Settings(store="sqlite://", page=page)).routes if hasattr(route, "path")]
    named = {f"{method} {route.path}" for route in every for method in route.methods or () if method != "HEAD"}
    return {re.sub(f"/static/{digest()}/.*", "/static/DIGEST/…", name) for name in named}


def test_the_table_has_each_route_of_the_page_and_no_other():
    assert set(ROWS) == routes("visitors") - routes("off") == routes("demo") - routes("off")
    assert len(ROWS) > 30


@pytest.fixture(scope="module")
def pages(tmp_path_factory, films_file):
    """An application with each kind of page, and one without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "ARRIVALS", 10_000)  # more people come here in a minute than one address may send
        shop = copied(films_file, tmp_path_factory.mktemp("routes"))
        given = {"engine": None, "handover_secret": "a secret that both know"}
        with (
            serving(shop, page="visitors", **given) as visitors,
            serving(shop, page="demo", **given) as demo,
            serving(shop, page="off", **given) as off,
        ):
            yield {"visitors": visitors.app, "demo": demo.app, "off": off.app}


def sent(app, name, origin=None, **more):
    """Return status and code of a request of somebody new."""
    stranger = Visitor(app)
    if origin is not None:
        stranger.headers["origin"] = origin
    if name not in OFFERS:
        answer = stranger.get(name.removeprefix("GET ").replace("DIGEST/…", f"{digest()}/app.js"))
    else:
        given = (OF_A_PERSON.get(name) or ADMINS.get(name) or SECRETS.get(name) or {}) | more
        if "event_id" in given:
            given["event_id"] = str(uuid.uuid4())  # the same one of somebody else is a conflict
        answer = send(stranger, name, given)
    problem = answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"] if problem else None


def holds(cell, name, got):
    """Return whether an answer is what a cell says; in words: whoever asks is answered."""
    if said := REFUSED.fullmatch(cell):
        return got == (int(said[1]), said[2])
    return got == (404, "not_found") if name in NOTHING_THERE else got[0] in (200, 202)


@pytest.mark.parametrize("path", ["/gradio_api/info", "/gradio_api/run/predict", "/gradio_api/queue/join", "/config"])
def test_gradio_is_never_mounted_with_the_store(pages, path):
    assert [route for route in pages["demo"].routes if isinstance(route, Mount)] == []
    for method in ("GET", "POST"):
        assert Visitor(pages["demo"]).request(method, path).status_code == 404


@pytest.mark.parametrize("name", ROWS)
def test_each_cell_is_true(pages, name):
    _, _, stranger, of_visitors, of_demo, origin = ROWS[name]
    assert sent(pages["off"], name)[0] == 404
    for page, about_another in (("visitors", of_visitors), ("demo", of_demo)):
        assert holds(stranger, name, sent(pages[page], name)), page
        if about_another != NOBODYS:
            assert holds(about_another, name, sent(pages[page], name, user="p1")), page
        elif name in OFFERS:
            assert sent(pages[page], name, user="p1")[0] in (403, 422), page
        is_refused = sent(pages[page], name, origin="http://evil.example") == (403, "origin")
        assert is_refused == (origin == "checked"), page
