"""Every view of the page in a real Chromium, at three widths, light and dark: axe-core is content, nothing sticks out.

A view that is added to the page is visited without being named here: the names are those of `views.js`.
"""

from __future__ import annotations

import pytest
from films import copied
from page_browser import VIEWS

from palate.serve.web.document import FOLDER
from palate.store import keys, open_store

pytestmark = [pytest.mark.browser, pytest.mark.long]
WIDTHS, SCHEMES = (320, 768, 1920), ("light", "dark")
QUERIES = {  # of views that show more than one thing, or need to be told what
    "for-you": ("", "&user=p7"),
    "new": ("", "&user=p7"),
    "film": ("&item=f119&user=p7", "&item=none"),
    "search": ("&q=e&user=p7", "&q=zzz"),
    "map": ("&item=f116&user=p7",),
    "compare": ("&user=p7",),
    "by-user": ("", "&user=p7"),
    "data": ("", "&user=p7"),
    "scenes": ("&part=card",),
}
WAITS = ".waits, .waiting, [aria-busy=true]"
OPENED = ".filters summary:visible, .card .why:visible"  # what is folded is looked at, too


@pytest.fixture(scope="module")
def shop(films_file, tmp_path_factory, served):
    """The address of a demonstration, and an admin's key of it."""
    path = copied(films_file, tmp_path_factory.mktemp("every"))
    with open_store(f"sqlite:///{path}") as store:
        _, key = keys.create(store, store.namespace(), "admin")
    with served(path, None, page="demo") as address:
        yield address, key


def admitted(tab, key):
    """Show an admin's key, so that what stands behind it is seen."""
    tab.open("?view=scenes")
    tab.page.fill("input[name=key]", key)
    tab.page.click(".locked button")
    tab.page.wait_for_selector("#part-title")


def settled(tab, query):
    """Open a view, and wait until nothing is awaited."""
    tab.open(query)
    tab.page.wait_for_load_state("networkidle")
    tab.page.wait_for_function(f"!document.querySelector({WAITS!r})")


def looked_at(tab):
    """Return what is wrong with what is shown now."""
    return [*tab.axe(), *tab.reaches_too_far()]


def test_the_views_are_found():
    files = {
        path.stem for path in (FOLDER / "views").glob("*.js") if "export function View(" in path.read_text("utf-8")
    }
    assert files == set(VIEWS)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(page_tab, shop, width, scheme):
    tab = page_tab(width, 844, shop[0], color_scheme=scheme)
    tab.page.set_default_timeout(60_000)  # a busy machine is no fault of the page
    tab.expects(404)  # a film that is not there
    found = {}
    for view in VIEWS:
        if view == "scenes":
            found["scenes, closed"] = (settled(tab, "?view=scenes"), looked_at(tab))[1]
            admitted(tab, shop[1])
        for query in QUERIES.get(view, ("",)):
            settled(tab, f"?view={view}{query}")
            for part in tab.page.locator(OPENED).all()[:2]:
                part.click()
            tab.page.wait_for_load_state("networkidle")
            found[view + query] = looked_at(tab)
    assert {view: wrong for view, wrong in found.items() if wrong} == {}
