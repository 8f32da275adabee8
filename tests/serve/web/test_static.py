"""The page's files: what is served, under which policy, and that no file can let data become markup."""

from __future__ import annotations

import re

import pytest

from palate.serve.web.document import FOLDER, POLICY, digest, document, files

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
        for other in re.findall(r'(?<!")\b(?:from|import)\s*"([^"]+)"', data.decode()):
            assert other.startswith("."), f"{name} imports {other}: an import map would be an inline script"
            assert (FOLDER / name).parent.joinpath(other).resolve().is_file()


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
    assert (
        "<title>Films &amp; &lt;b&gt;more&lt;/b&gt;</title>"
        in visiting(page_name="Films & <b>more</b>")().get("/").text
    )
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
    assert sum(len(packed) for _, packed, kind in files().values() if kind != "text/plain") < 80_000
    assert len(document("Palate")) < 4_000
