"""An empty store is a normal state: each operation of the page answers, and each view says what there is to do."""

from __future__ import annotations

import pytest
from in_process import Visitor, serving
from page_browser import VIEWS
from page_routes import ADMINS, OF_A_PERSON, OFFERS, SECRETS, send

from palate.serve.web.kinds import add_kinds
from palate.store import keys, open_store

GIVEN = {**OF_A_PERSON, **ADMINS, **SECRETS, "POST /web/scenes/jobs/cancel": {"job": 99, "sure": True}}
REFUSED = {  # what there cannot be in an empty store
    **dict.fromkeys(("GET /web/film", "GET /web/why", "POST /web/ratings", "POST /web/reactions"), (404, "not_found")),
    **dict.fromkeys(("POST /web/undo", "POST /web/uploads/undo"), (404, "not_found")),
    "POST /web/compare": (422, "unknown_name"),
    "POST /web/admin": (401, "no_key"),
    "POST /web/session": (409, "not_offered"),
    "POST /web/scenes/jobs/cancel": (404, "not_found"),
    "POST /web/scenes/versions/activate": (404, "not_found"),
    "POST /web/scenes/versions/rollback": (404, "not_found"),
}


@pytest.fixture(scope="module")
def admin(tmp_path_factory):
    """A visitor of an empty store with the session of an admin."""
    path = tmp_path_factory.mktemp("empty") / "shop.db"
    with open_store(f"sqlite:///{path}") as store:
        key = keys.create(store, store.namespace(), "admin")[1]
        add_kinds(store, store.namespace(), None)  # as "palate serve" does
    with serving(path, page="visitors", engine=None) as client:
        visitor = Visitor(client.app)
        assert visitor.post("/web/admin", json={"key": key}).status_code == 200
        yield visitor


@pytest.mark.parametrize("name", [name for name in OFFERS if name != "DELETE /web/admin"])  # which ends the session
def test_each_operation_answers_over_an_empty_store(admin, name):
    answer = send(admin, name, GIVEN.get(name, {}))
    if name in REFUSED:
        assert (answer.status_code, answer.json()["code"]) == REFUSED[name], answer.text
    else:
        assert answer.status_code in (200, 202), answer.text


@pytest.fixture(scope="module")
def empty_address(tmp_path_factory, served):
    with served(tmp_path_factory.mktemp("bare") / "shop.db", None, page="demo") as address:
        yield address


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.parametrize("view", VIEWS)
def test_each_view_says_what_an_empty_store_means(page_tab, empty_address, view):
    tab = page_tab(390, 844, empty_address)
    tab.expects(404)  # the film that is not there
    tab.open(f"?view={view}&item=f1")
    tab.page.wait_for_load_state("networkidle")
    tab.page.wait_for_function("!document.querySelector('.waits, .waiting, [aria-busy=true]')")
    assert tab.page.locator("[role=alert]:not(:empty)").count() == 0
    assert len(tab.page.inner_text("main")) > 60
    assert tab.stuck_out() == []
    assert tab.axe() == []
