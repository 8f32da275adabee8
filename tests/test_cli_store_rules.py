"""``palate store`` forget, clean, kinds and namespaces."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palate.cli import app
from palate.errors import ConflictError, DataError, NotFoundError, ParameterError
from palate.store import Event, feedback, forgetting, open_store
from palate.store.kinds import EventKind, Kinds, kinds_of


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with open_store(url) as store:
        ns = store.namespace()
        feedback.add(
            store, ns, [Event("ann", "tea", "click"), Event("bob", "tea", "click"), Event("bob", "milk", "skip")]
        )
    return url


def run(*words, **options):
    return CliRunner().invoke(app, ["store", *map(str, words)], **options)


def test_forget(url):
    done = run("forget", "ann", "nobody", "--store", url)
    assert done.stdout.startswith("forgotten: 1 users with 1 events and 0 lists; 0 model files written anew")
    record = json.loads(run("forget", "bob", "--store", url, "--json").stdout)
    assert record == {"users": 1, "events": 2, "lists": 0, "models": 0, "scrubbed": True, "copies": []}
    assert isinstance(run("forget", "bob", "--store", url, "--namespace", "x").exception, NotFoundError)
    assert isinstance(run("forget", "", "--store", url).exception, ParameterError)


def test_a_copy_that_an_upgrade_kept_is_told(url, tmp_path):
    (tmp_path / "shop.db.schema1.backup").write_bytes(b"what it held")
    told = " ".join(run("forget", "ann", "--store", url).stderr.split())
    assert "shop.db.schema1.backup was kept by an upgrade, and holds what it held: delete it" in told


def test_forgetting_that_leaves_bytes_says_so(url, monkeypatch):
    monkeypatch.setattr(forgetting, "scrub", lambda store, full=False: None)
    assert (
        "some bytes are still in files: `palate store clean` tries again" in run("forget", "ann", "--store", url).stderr
    )
    assert "bytes of people who were forgotten are still in files" in run("clean", "--store", url).stderr
    assert json.loads(run("clean", "--store", url, "--json").stdout)["scrubbed"] is False


def test_clean(url):
    done = run("clean", "--store", url, "--keep-lists", "30", "--keep-events", "0.5", "--full")
    assert done.stdout == "deleted: 0 lists, 0 events\n"
    record = json.loads(run("clean", "--store", url, "--namespace", "default", "--json").stdout)
    assert record == {"lists": 0, "events": 0, "scrubbed": True}
    assert isinstance(run("clean", "--store", url, "--keep-lists", "0").exception, ParameterError)


def test_kinds_are_shown_and_taken_from_a_file(url, tmp_path):
    shown = run("kinds", "--store", url).stdout
    for word in ("rating", "value >= 4", "never, hides", "always", "ever"):
        assert word in shown
    written = json.loads(run("kinds", "--store", url, "--json").stdout)
    assert [kind["name"] for kind in written["kinds"]] == ["rating", "click", "purchase", "skip", "hide"]
    file = tmp_path / "kinds.json"
    file.write_text(json.dumps(written))  # what it prints, it takes
    assert run("kinds", "--store", url, "--from", file).exit_code == 0
    new = '[{"name": "click", "weight": 2, "returns_after": 7, "counts_for": 90, "rating": 3}]'
    taken = run("kinds", "--store", url, "--from", "-", input=new)
    assert "1 events of kind 'skip' stay in the log, and count for nothing" in taken.stderr
    assert "7 days" in taken.stdout
    with open_store(url) as store, store.read() as conn:
        click = EventKind(name="click", weight=2, returns_after=7, counts_for=90, rating=3)
        assert kinds_of(conn, store.namespace()) == Kinds((click,))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("[{]", DataError, "is no JSON"),
        ("[]", ParameterError, "the event kinds are none"),
        ('{"name": "click"}', ParameterError, "event kinds are given as a list"),
        ('[{"name": "click", "positive": "stars"}]', ParameterError, "a condition such as"),
    ],
)
def test_what_are_no_kinds_is_told(url, tmp_path, text, error, words):
    (tmp_path / "kinds.json").write_text(text)
    raised = run("kinds", "--store", url, "--from", tmp_path / "kinds.json").exception
    assert isinstance(raised, error)
    assert words in str(raised)
    assert isinstance(run("kinds", "--store", url, "--from", tmp_path / "no.json").exception, DataError)


def test_namespaces(url, tmp_path):
    assert run("namespaces", "--store", url).stdout == "default: ids are text\n"
    added = run("namespaces", "--store", url, "--add", "films", "--ids", "integer", "--json").stdout
    assert json.loads(added)["namespaces"][1] == {"name": "films", "ids": "integer"}
    assert isinstance(run("namespaces", "--store", url, "--add", "films").exception, ConflictError)
    absent = f"sqlite:///{tmp_path / 'no.db'}"
    assert isinstance(run("namespaces", "--store", absent).exception, NotFoundError)
    assert run("namespaces", "--store", absent, "--add", "shop").stdout.endswith("shop: ids are text\n")
