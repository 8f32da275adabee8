"""The page's files: what is served, under which policy, and that no file can let data become markup."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from palate.serve.web.document import FOLDER, POLICY, digest, document, files, needed
from palate.serve.web.lists import FAIRLY, LIKELY, SURE

DOCS = Path(__file__).resolve().parents[3] / "docs"

OURS = sorted(
    path for path in FOLDER.rglob("*") if path.suffix in (".js", ".html", ".css") and "vendor" not in path.parts
)
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML|\beval\b|new Function|srcdoc"
    r"|createContextualFragment|DOMParser|javascript:|\bon[a-z]+=[\"']"
)
OUTSIDE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9.-]+\.[a-z]{2,}")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_file_of_ours_makes_markup_of_data_or_names_another_host(path):
    text = path.read_text("utf-8")
    assert MARKUP.findall(text) == []
    assert OUTSIDE.findall(text) == []
    assert "style=${`" not in text
    assert len(text.splitlines()) <= (500 if path.name == "words.js" else 300)  # words are one list of sentences


@pytest.mark.parametrize("text", ["e.innerHTML = title", "eval(x)", "<p onclick='x'>", "new Function(x)"])
def test_the_lint_finds_what_it_is_for(text):
    assert MARKUP.search(text)


def test_the_policy_lets_no_text_become_a_script_or_a_style():
    assert "unsafe" not in POLICY
    assert POLICY.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "require-trusted-types-for 'script'" in POLICY


def test_modules_name_files_that_are_there_relatively():
    for name, (data, _, kind) in files().items():
        if kind != "text/javascript":
            continue
        for other in re.findall(r'(?<!")\b(?:from|import)[\s(]*"([^"]+)"', data.decode()):
            assert other.startswith("."), f"{name} imports {other}: an import map would be an inline script"
            assert (FOLDER / name).parent.joinpath(other).resolve().is_file()


def test_the_first_list_waits_for_no_other_view():
    first = needed("app.js")
    assert {"app.js", "early.js", "vendor/preact.js", "views/for-you.js", "views/filters.js"} <= set(first)
    assert not {"views/map.js", "views/models.js", "views/new.js", "views/data/upload.js"} & set(first)
    assert set(re.findall(r'modulepreload" href="static/\w+/([^"]+)"', document("Palate").decode())) == set(first)
    assert b"early.js" in document("Palate").partition(b"<link")[0]


def test_the_document_and_its_files_are_served(visiting):
    visitor = visiting()()
    page = visitor.get("/")
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["cache-control"] == "no-store"
    named = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert len(named) > 5
    for address in named:
        got = visitor.get(f"/{address}")
        assert got.status_code == 200
        assert "immutable" in got.headers["cache-control"]
        assert got.headers["x-content-type-options"] == "nosniff"
    assert f"static/{digest()}/app.js" in page.text


def test_the_page_calls_itself_as_it_is_told(visiting):
    told = visiting(page_name="Films & <b>more</b>")().get("/").text
    assert "<title>Films &amp; &lt;b&gt;more&lt;/b&gt;</title>" in told
    assert "<title>Palate</title>" in visiting()().get("/").text


def test_an_unpacked_file_is_as_good(visiting):
    visitor = visiting()()
    address = f"/static/{digest()}/app.js"
    packed, plain = visitor.get(address), visitor.get(address, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == files()["app.js"][0]


@pytest.mark.parametrize(
    "path", ["/static/", "/static/0/app.js", f"/static/{digest()}/../document.py", "/static/app.js"]
)
def test_nothing_else_is_served(visiting, path):
    assert visiting()().get(path).status_code == 404


def test_the_page_is_small():
    assert sum(len(files()[name][1]) for name in needed("app.js")) < 50_000
    assert sum(len(packed) for _, packed, kind in files().values() if kind != "text/plain") < 100_000
    assert len(document("Palate")) < 4_000


def test_the_help_tells_what_was_measured_of_onboarding():
    """The figures of the page's help are those of docs/benchmarks.md: one run wrote both."""
    text = (FOLDER / "onboarding.js").read_text("utf-8")
    told = json.loads(text[text.index("{") : text.rindex(";")])
    rows = (DOCS / "benchmarks.md").read_text("utf-8").partition("<!-- onboarding -->")[2].splitlines()
    cells = {row.split("|")[1].strip(): row.split("|")[2:-2] for row in reversed(rows) if row.count("|") > 8}
    assert [float(cell) for cell in cells["questions of ours for popular's error"]] == told["needed"]
    numbers = [int(word) for word in re.findall(r"\| (\d+) questions", rows[1])]
    assert numbers == told["after"]
    rmse = next(row for row in rows if row.startswith("| ours |")).split("|")[2:-2]
    assert [float(cell) for cell in rmse] == told["rmse"]["ours"]


def test_the_help_says_the_bounds_of_sure_and_unsure_and_how_often_they_were_right():
    words = (FOLDER / "words.js").read_text("utf-8")
    assert (LIKELY, SURE, FAIRLY) == (0.8, 0.5, 0.6), "say the new ones in the help of words.js"
    for said in ("in four cases of five", "at most half of the scale", "at most six tenths of the scale"):
        assert said in words
    rows = (DOCS / "serving.md").read_text("utf-8").partition("<!-- interval-widths -->")[2].splitlines()[3:]
    for word in ("sure", "fairly sure", "unsure"):
        right = [int(row.split("|")[4].strip(" %")) for row in rows if f": {word} |" in row]
        assert re.search(rf'\["{word}", "[^"]* {min(right)} to {max(right)} %', words), (word, right)
