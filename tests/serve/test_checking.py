"""`palate serve --check`: every fault that it knows is caused, and told with what to do."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import time
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from small_models import make
from store.old_stores import old_sqlite

from palate import Interactions, save
from palate.cli import main
from palate.serve import checking
from palate.serve.checking import findings, memory_of, ready
from palate.serve.settings import Settings
from palate.store import keys
from palate.store.store import open_store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    """Of the environment's variables those of the tests themselves are none of the service's."""
    for name in [name for name in os.environ if name.startswith("PALATE_") and name != "PALATE_DATA"]:
        monkeypatch.delenv(name)


@pytest.fixture
def store(tmp_path):
    """The address of a store that is there."""
    url = f"sqlite:///{tmp_path}/shop.db"
    open_store(url).close()
    return url


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    rows = {"user": ["a", "a", "b"], "item": ["x", "y", "x"], "rating": [5.0, 3.0, 4.0]}
    path = tmp_path_factory.mktemp("checked") / "small.safetensors"
    save(make("popularity").fit(Interactions.from_table(rows)), path)
    return path


def told(store, models=(), **settings):
    """Return what is found beside what is fine, by its level."""
    found = findings(Settings(store=store, **({"port": 0} | settings)), models)
    return [(one.level, one.what) for one in found if one.level != "fine"]


def one_of(store, models=(), **settings):
    """Return the only finding that is not fine; each has what to do."""
    found = [one for one in findings(Settings(store=store, **({"port": 0} | settings)), models) if one.level != "fine"]
    assert len(found) == 1, found
    assert found[0].do
    return found[0]


def test_nothing_is_wrong_with_a_store_that_is_there_or_is_to_be_made(store, model, tmp_path):
    assert told(store, [model], page="visitors") == []
    assert told(f"sqlite:///{tmp_path}/new.db") == []
    assert not (tmp_path / "new.db").exists()  # it only looked


def test_a_port_that_is_taken(store):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        one = one_of(store, port=sock.getsockname()[1])
    assert one.level == "error"
    assert "Address already in use" in one.what


def test_an_address_that_names_no_store():
    errors = [what for level, what in told("mysql://shop") if level == "error"]
    assert len(errors) == 1
    assert errors[0].startswith("this URL names no store: write sqlite:///shop.db (a file) or postgresql")


def test_a_store_in_no_folder(tmp_path):
    (one,) = [f for f in findings(Settings(store=f"sqlite:///{tmp_path}/none/shop.db", port=0)) if f.level == "error"]
    assert one.what == f"sqlite:///{tmp_path}/none/shop.db: its folder {tmp_path}/none is not there"
    assert one.do == f"mkdir -p {tmp_path}/none"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no folder here refuses everybody, root as well")
def test_a_store_in_a_folder_that_cannot_be_written():
    assert ("error", "sqlite:////proc/shop.db is not there, and its folder cannot be written") in told("/proc/shop.db")


def test_a_variable_that_names_no_setting(store, monkeypatch):
    monkeypatch.setitem(os.environ, "PALATE_WORKRES", "2")
    one = one_of(store)
    assert (one.level, one.do) == ("warning", "did you mean PALATE_WORKERS?")
    assert "PALATE_WORKRES is no setting" in one.what
    assert "2" not in one.what  # it may be secret


def test_a_store_of_another_schema_names_the_command(tmp_path):
    one = one_of(old_sqlite(tmp_path))
    assert one.level == "error"
    assert "palate store upgrade" in one.what


def test_a_file_that_is_no_store(tmp_path):
    (tmp_path / "shop.db").write_text("no database at all, but a text of some length")
    assert one_of(f"sqlite:///{tmp_path}/shop.db").level == "error"


def test_a_database_that_cannot_be_reached(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    one = one_of(f"postgresql+psycopg://nobody:secret@127.0.0.1:{port}/shop", folder=tmp_path)
    assert one.level == "error"
    assert "cannot be reached" in one.what
    assert "secret" not in one.what


def test_a_replica_and_a_user_without_rights(store, monkeypatch):
    monkeypatch.setattr(checking, "_cannot_write", lambda store: "grant this user INSERT")
    one = one_of(store)
    assert (one.level, one.do) == ("error", "grant this user INSERT")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no folder here refuses everybody, root as well")
def test_a_folder_that_cannot_be_written(store):
    one = one_of(store, folder="/proc/models")
    assert one.level == "error"
    assert "the folder /proc/models cannot be written" in one.what


@pytest.mark.parametrize(("free", "level"), [(5 * 10**8, "warning"), (10**7, "error")])
def test_a_disk_that_is_nearly_full(store, monkeypatch, free, level):
    usage = namedtuple("usage", "total used free")(10**10, 10**10 - free, free)
    monkeypatch.setattr(checking.shutil, "disk_usage", lambda path: usage)
    one = one_of(store)
    assert one.level == level
    assert f"{free / 1e9:.1f} GB left" in one.what


def test_a_model_that_is_none_or_is_not_there(store, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no model")
    found = findings(Settings(store=store, port=0), [broken, tmp_path / "none.safetensors"])
    assert [one.what.startswith(str(tmp_path)) for one in found if one.level == "error"] == [True, True]
    assert not ready(found)


def test_a_model_whose_ids_the_namespace_cannot_have(store, model):
    with open_store(store) as there:
        there.create_namespace("numbers", "integer")
    one = one_of(store, [model], namespace="numbers")
    assert one.level == "error"
    assert "has integer ids" in one.what


def test_figures_that_cannot_be_read_or_are_none(store, tmp_path):
    assert "cannot read" in one_of(store, figures=tmp_path / "none.json").what
    (tmp_path / "some.json").write_text("{}")
    assert "holds no figures by model" in one_of(store, figures=tmp_path / "some.json").what
    (tmp_path / "some.json").write_text('{"als": {"metrics": {"rmse": {"value": 0.9}}}}')
    assert told(store, figures=tmp_path / "some.json") == []


def test_a_large_catalogue_without_candidates(store, model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    one = one_of(store, [model], candidates_from=1)
    assert (one.level, one.do) == ("warning", "pip install 'palate[ann]'")


def test_other_machines_are_let_in_and_no_key_was_made(store):
    one = one_of(store, host="0.0.0.0")
    assert one.level == "warning"
    assert "the API answers nobody" in one.what
    with open_store(store) as there:
        keys.create(there, there.namespace(), "admin", "me")
    assert told(store, host="0.0.0.0") == []


@pytest.mark.parametrize(
    ("page", "proxy", "n"), [("off", False, 0), ("visitors", True, 0), ("visitors", False, 1), ("demo", False, 2)]
)
def test_a_page_that_is_open_to_others(store, page, proxy, n):
    with open_store(store) as there:
        keys.create(there, there.namespace(), "admin", "me")
    found = told(store, host="0.0.0.0", page=page, trust_proxy=proxy)
    assert [level for level, _ in found] == ["warning"] * n


def test_a_clock_that_was_never_set(store, monkeypatch):
    monkeypatch.setattr(checking.time, "time", lambda: 1000.0)
    one = one_of(store)
    assert one.level == "warning"
    assert "the clock of this machine is wrong by 1,767,224,600 s" in one.what


def test_events_of_the_day_after_tomorrow_tell_of_a_clock_that_is_late(store, tmp_path):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        row = (1, 1, "rating", 5.0, 0, int((time.time() + 2 * 86400 + 60) * 1e6), "e1")
        db.execute("INSERT INTO users VALUES (1, 1, 'ann', '{}', 0, 0, 0, 0, 0, NULL)")
        names = "namespace, user, kind, value, time, received, event_id"
        db.execute(f"INSERT INTO events ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    assert "wrong by 172,8" in one_of(store).what


def test_more_workers_than_cores_and_more_memory_than_is_there(store, monkeypatch):
    monkeypatch.setattr(checking, "default_threads", lambda: 2)
    monkeypatch.setattr(checking, "memory_there", lambda: None)
    one = one_of(store, workers=3)
    assert (one.level, one.do) == ("warning", "--workers 2")
    monkeypatch.setattr(checking, "memory_there", lambda: 10**8)
    one = one_of(store)
    assert one.level == "warning"
    assert "0.1 GB are there" in one.what


def test_memory_is_that_of_the_container_where_it_is_less(tmp_path, monkeypatch):
    limit, machine = tmp_path / "memory.max", tmp_path / "meminfo"
    monkeypatch.setattr(checking, "MEMORY", (limit, machine))
    assert checking.memory_there() is None
    machine.write_text("MemTotal: 9000 kB\nMemAvailable: 5000 kB\n")
    assert checking.memory_there() == 5000 * 1024
    limit.write_text("max\n")
    assert checking.memory_there() == 5000 * 1024
    limit.write_text("1000000\n")
    assert checking.memory_there() == 1_000_000


def test_workers_share_the_models_and_not_themselves():
    assert memory_of(2, 100) - memory_of(2, 0) == 100
    assert memory_of(3, 0) - memory_of(2, 0) == checking.WORKER_MB * 10**6


def test_the_command_tells_and_ends_with_1_where_it_would_not_start(store, tmp_path, capsys):
    def run(*words):
        with pytest.raises(SystemExit) as stop:
            main(["serve", "--check", "--port", "0", *words])
        return stop.value.code or 0, capsys.readouterr().out

    code, out = run("--store", store)
    assert code == 0
    assert out.endswith("The service can start.\n")
    code, out = run("--store", store, str(tmp_path / "none.safetensors"))
    assert code == 1
    assert out.startswith("fault")
    assert "train it anew, or name another file" in out
    code, out = run("--store", store, "--json")
    assert code == 0
    assert json.loads(out)["ready"] is True


def test_a_store_that_the_environment_names_is_enough(store, monkeypatch, capsys):
    """As in the image and in the systemd unit."""
    monkeypatch.setitem(os.environ, "PALATE_STORE", store)
    with pytest.raises(SystemExit) as stop:
        main(["serve", "--check", "--port", "0"])
    assert not stop.value.code, capsys.readouterr()
    assert f"{store} is there" in capsys.readouterr().out


def test_nothing_that_is_set_is_looked_past(store, monkeypatch):
    """A fault told by the environment counts as one told by an option."""
    monkeypatch.setitem(os.environ, "PALATE_WORKERS", "9")
    monkeypatch.setattr(checking, "default_threads", lambda: 2)
    assert ("warning", "9 workers share 2 cores") in told(store)


def test_no_more_memory_was_measured_than_is_said_to_be_needed():
    table = (ROOT / "docs" / "operations.md").read_text().split("sizing -->")[1]
    rows = [[cell.strip() for cell in line.split("|")[2:6]] for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) == 2
    for size, *told in rows:
        for n, cell in zip((1, 2, 4), told, strict=True):
            measured, needed = (float(number.replace(",", "")) for number in re.findall(r"[\d,]+", cell))
            assert measured <= memory_of(n, int(size) * 10**6) / 1e6 + 1
            assert abs(needed - memory_of(n, int(size) * 10**6) / 1e6) <= 1  # the size is told in whole MB
