"""`palate doctor`: what it looks at, and what it says of a fault."""

import pytest
from test_cli import only_json

from palate.cli import main


@pytest.fixture
def run(capsys):
    """Return a function that runs the command in this process: (exit code, stdout, stderr)."""

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(w) for w in words])
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call


def test_doctor_finds_palate_well(run):
    code, out, _ = run("doctor", "--json")
    record = only_json(out)
    assert code == 0, record
    assert record["healthy"]
    found = {c["what"]: c for c in record["checks"]}
    assert {
        "python",
        "packages",
        "extra plots",
        "extra ui",
        "threads",
        "BLAS",
        "kernel cache",
        "data",
        "training",
        "page",
    } <= set(found)
    assert found["page"]["state"] == "ok"


def test_doctor_says_a_fault_and_exits_with_1(run, monkeypatch):
    def ill():
        raise RuntimeError("no wind")

    monkeypatch.setattr("palate.cli.doctor._trains", ill)
    code, out, _ = run("doctor")
    assert code == 1
    assert "no wind" in out
    assert "does not work here yet" in out


def test_doctor_names_a_missing_extra(run, monkeypatch):
    from importlib.metadata import PackageNotFoundError, version

    def lacking(name):
        if name == "matplotlib":
            raise PackageNotFoundError
        return version(name)

    monkeypatch.setattr("palate.cli.doctor.version", lacking)
    assert "pip install 'palate[plots]'" in run("doctor")[1]


def test_doctor_says_which_sqlite_python_has_and_what_is_done_about_it(monkeypatch):
    from palate.cli.doctor import _sqlite

    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 51, 2))
    state, _, finding = _sqlite()
    assert state == "hint"
    assert "before 3.51.3 two writers can corrupt a write-ahead log; Palate lets one at a time write" in finding
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 51, 3))
    assert _sqlite()[0] == "ok"


def test_doctor_looks_at_a_store(run, tmp_path, monkeypatch):
    from palate.store.store import open_store

    monkeypatch.setattr("palate.cli.doctor._trains", lambda: ("ok", "training", ""))
    monkeypatch.setattr("palate.cli.doctor._serves", lambda: ("ok", "page", ""))
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    code, out, _ = run("doctor", "--store", url, "--json")
    assert code == 1  # there is none, and looking makes none
    assert not (tmp_path / "shop.db").exists()
    with open_store(url):
        pass
    code, out, _ = run("doctor", "--store", url, "--json")
    (found,) = [check for check in only_json(out)["checks"] if check["what"] == "store"]
    assert code == 0, out
    assert "the newest; 1 namespaces, 0 events, 0 jobs waiting or running" in found["finding"]
