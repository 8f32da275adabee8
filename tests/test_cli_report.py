"""``palate report``: what it writes, announces and refuses."""

from __future__ import annotations

import pytest
from made_run import made_run

from palate.cli import main


@pytest.fixture
def call(capsys):
    def run(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, " ".join(err.split())

    return run


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    made_run().save(path)
    return path


def test_the_command_writes_and_announces_what_it_replaces(folder, call, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    code, out, err = call("report", folder)
    assert (code, err) == (0, "")
    size = (folder / "report.html").stat().st_size
    assert " ".join(out.split()).startswith("wrote ")
    assert f"{size / 1e6:.2f} MB: open it in any browser" in " ".join(out.split())
    code, out, _ = call("report", folder)
    assert out.startswith("replaced ")
    target = tmp_path / "other.html"
    code, out, _ = call("report", folder, "--out", target, "--json")
    assert (code, out) == (0, f'{{"path": "{target}", "bytes": {size}, "replaced": false}}\n')
    assert target.read_bytes() == (folder / "report.html").read_bytes()


def test_the_command_refuses(folder, call, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    code, _, err = call("report", empty)
    assert code == 1
    assert "holds no comparison" in err
    assert "palate compare DATA --out" in err
    for out, says in (
        (empty, "it is a folder; name a file in it"),
        (tmp_path / "nowhere" / "a.html", "is not there; make it first"),
        (folder / "run.json", "name a file that ends in .html, not run.json"),
    ):
        code, _, err = call("report", folder, "--out", out)
        assert code == 1
        assert says in err
    assert call("report", tmp_path / "nothing")[0] == 1
