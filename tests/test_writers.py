"""Nothing but a regular file is ever written over, by any writer; and left-over temporary files go."""

import ast
import os
import socket
import stat
import time
from pathlib import Path

import polars as pl
import pytest
from small_mf import model
from synthetic import low_rank

import palate
from palate import Popularity, compare, tune
from palate.atomic import check_target, replacing
from palate.cli import main
from palate.data.sources.fetching import write_files
from palate.data.splits.making import save_splits
from palate.errors import PalateError
from palate.files import Checkpoint, export, import_folder, save
from palate.files.config import read_config, write_config
from palate.models.bayes.checkpoints import Snapshot
from palate.plots.house import new_figure, write_figure
from palate.report import write_report
from palate.tuning import Tuned

SOURCES = sorted(Path(palate.__file__).parent.rglob("*.py"))
ANY_WRITER = {"write_text", "write_bytes", "savefig", "write_parquet", "write_csv", "write_ndjson", "save", "savez"}
DOORS = ("replacing(", "io.BytesIO(", "io.StringIO(")  # what a handle comes from
HANDLES = {"file", "drawn"}  # of functions that are given one, and of pictures in memory
EXEMPT = {
    **{name: {"open"} for name in ("atomic.py", "data/reading/raw.py", "data/reading/incoming.py")},  # door; copies
    "store/versions/folders.py": {"open"},  # into a folder that is renamed when it is whole
    "store/working.py": {"open"},  # what the process of a job writes to stderr
    "serve/refusals.py": {"open"},  # lines are added
    "store/tombstones.py": {"fdopen"},  # lines are added
    "spark/cache.py": {"open"},  # a lock
    "spark/separated.py": {"write_text"},  # a few lines into a temporary folder, to look at
}

needs_posix = pytest.mark.skipif(os.name != "posix", reason="there are no device files here")


def opens_for_writing(call):
    """Return whether a call opens a file other than for reading."""
    modes = [one.value for one in [*call.args, *(k.value for k in call.keywords)] if isinstance(one, ast.Constant)]
    return any(isinstance(mode, str) and set(mode) <= set("rwxab+t") and set(mode) & set("wxa+") for mode in modes)


def writers_of(path):
    """Yield the writing calls of a source that do not write to a handle from the one door."""
    text = path.read_text()
    handles = HANDLES | {
        item.optional_vars.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name) and ast.unparse(item.context_expr).startswith(DOORS)
    }
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if (name in ("open", "fdopen") and opens_for_writing(node)) or (
            name in ANY_WRITER and node.args and ast.unparse(node.args[0]) not in handles
        ):
            yield name, node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(SOURCES[0].parent)))
def test_no_other_door_to_a_file_exists(path):
    inner = str(path.relative_to(Path(palate.__file__).parent).as_posix())
    # `files.save(model, path)` and `self.save(…)` are Palate's own writers, which go through the door themselves
    found = [(name, line) for name, line in writers_of(path) if name != "save"]
    assert [one for one in found if one[0] not in EXEMPT.get(inner, set())] == []


def test_the_search_for_doors_finds_them(tmp_path):
    source = tmp_path / "x.py"
    source.write_text("open(p, 'w')\np.open('xb')\np.write_text(t)\nframe.write_csv(path)\nopen(p)\np.open('rb')\n")
    assert [line for _, line in writers_of(source)] == [1, 2, 3, 4]


@pytest.fixture(scope="module")
def fitted():
    return model(n_factors=2, n_epochs=1, random_state=0).fit(low_rank(n_users=20, n_items=12))


@pytest.fixture(params=["pipe", "socket", "device", "link to a pipe"])
def special(request, tmp_path):
    """Return a function that puts something that is no regular file at a path; it must stand there afterwards."""
    made = []

    def put(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "socket":
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(str(path))
        elif request.param == "device":
            _make_device(path)
        else:
            os.mkfifo(tmp_path / "pipe")
            path.symlink_to(tmp_path / "pipe")
        made.append((path, path.lstat(), path.stat()))
        return path

    yield put
    for path, link, target in made:
        assert (path.lstat().st_mode, path.lstat().st_ino) == (link.st_mode, link.st_ino)
        assert (path.stat().st_mode, path.stat().st_ino) == (target.st_mode, target.st_ino)


def _make_device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))  # a /dev/null of its own
    except OSError:
        pytest.skip("only root may make a device")


def write_tuned(fitted, path):
    Tuned(fitted, {}, "rmse", 1.0, None, None, {}, pl.DataFrame({"state": ["complete"]}), {}).save(path.parent)


def write_splits(fitted, path):
    data = low_rank(n_users=20, n_items=12)
    save_splits("random:0.2:1", path, data)


WRITERS = {
    "model.safetensors": save,
    "meta.json": lambda fitted, path: export(fitted, path.parent),
    "user_to_index.pkl": lambda fitted, path: export(plain(fitted), path.parent, layout="original"),
    "config.json": write_config,
    "trials.parquet": write_tuned,
    "split.parquet": write_splits,
    "figure.png": lambda _, path: write_figure(new_figure("", "", "")[0], path),
    "u.data": lambda _, path: write_files({"u.data": b""}, path.parent),
    "report.html": lambda _, path: write_report(a_run(), path),
    "run.json": lambda _, path: a_run().save(path.parent),
    "study.db": lambda fitted, path: tune("baseline", low_rank(n_users=20, n_items=12), n_trials=1, out=path.parent),
}


def plain(fitted):
    return model(n_factors=2, n_epochs=1, random_state=0, biases=False).fit(low_rank(n_users=20, n_items=12))


def a_run():
    data = low_rank(n_users=20, n_items=12)
    return compare({"popularity": Popularity()}, data, "random:0.2:1", ["recall@5"], positive=0, n_processes=None)


@needs_posix
@pytest.mark.parametrize("name", WRITERS)
def test_writers_refuse_what_is_no_regular_file(fitted, special, tmp_path, name):
    path = special(tmp_path / "here" / name)
    with pytest.raises(PalateError, match=r"it is a (pipe|socket|device); only a regular file is replaced"):
        WRITERS[name](fitted, path)


@needs_posix
def test_a_checkpoint_refuses_what_is_no_regular_file(special, tmp_path):
    checkpoint = Checkpoint(special(tmp_path / "chain.ckpt"))
    with pytest.raises(OSError, match="only a regular file is replaced"):
        checkpoint.save(Snapshot({}, {}))


@needs_posix
@pytest.mark.parametrize(
    "words",
    [
        ("train", "log.csv", "--model", "popularity", "--out", "x.csv"),
        ("recommend", "m.safetensors", "--all", "--out", "x.csv"),
        ("data", "split", "log.csv", "--split", "random:0.2:1", "--out", "x.parquet"),
        ("import", "exported", "--out", "x.csv"),
    ],
    ids=lambda words: words[0],
)
def test_commands_refuse_what_is_no_regular_file(fitted, special, tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text("user,item,rating\n" + "".join(f"{k % 7},{k},3\n" for k in range(30)))
    save(fitted, "m.safetensors")
    export(fitted, "exported")
    special(tmp_path / words[-1])
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert stop.value.code == 1
    assert "only a regular file is replaced" in " ".join(capsys.readouterr().err.split())


@needs_posix
@pytest.mark.parametrize("name", ["meta.json", "users.json", "items.parquet", "seen.parquet", "user_factors.npy"])
def test_what_never_ends_is_not_read_from_a_folder(fitted, special, tmp_path, name):
    export(fitted, tmp_path / "exported")
    (tmp_path / "exported" / name).unlink()
    special(tmp_path / "exported" / name)
    with pytest.raises(PalateError, match="no regular file"):
        import_folder(tmp_path / "exported")


@needs_posix
def test_what_never_ends_is_no_config(special, tmp_path):
    with pytest.raises(PalateError, match="no regular file"):
        read_config(special(tmp_path / "c.json"))


def test_a_target_that_turns_into_a_folder_meanwhile_is_refused(tmp_path):
    path = tmp_path / "x"

    def write():
        with replacing(path) as file:
            file.write(b"new")
            path.mkdir()

    with pytest.raises(IsADirectoryError):
        write()
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_link_is_followed_and_a_dangling_one_filled(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    check_target(tmp_path / "link")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "target").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()


def aged(path, days):
    path.write_bytes(b"x")
    os.utime(path, (0, time.time() - days * 24 * 3600))
    return path


def test_the_next_save_removes_what_a_killed_one_left_a_day_ago(fitted, tmp_path):
    old = aged(tmp_path / ".palate-123-0123abcd.tmp", 1.1)
    others = [
        aged(tmp_path / ".palate-123-0123abce.tmp", 0.9),
        aged(tmp_path / ".palate-mine.tmp", 9),
        aged(tmp_path / "x.palate-123-0123abcd.tmp", 9),
        aged(tmp_path / "notes.tmp", 9),
    ]
    (tmp_path / ".palate-1-00000000.tmp").mkdir()
    os.utime(tmp_path / ".palate-1-00000000.tmp", (0, 0))
    save(fitted, tmp_path / "m.safetensors")
    assert not old.exists()
    assert all(other.exists() for other in others)
    assert (tmp_path / ".palate-1-00000000.tmp").is_dir()


@needs_posix
def test_a_link_named_like_a_temporary_file_is_left_alone(fitted, tmp_path):
    target = aged(tmp_path / "precious", 9)
    link = tmp_path / ".palate-1-00000001.tmp"
    link.symlink_to(target)
    os.utime(link, (0, 0), follow_symlinks=False)
    save(fitted, tmp_path / "m.safetensors")
    assert link.is_symlink()
    assert target.exists()


@needs_posix
def test_a_temporary_file_of_another_user_is_left_alone(fitted, tmp_path, monkeypatch):
    theirs = aged(tmp_path / ".palate-1-00000002.tmp", 9)
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    save(fitted, tmp_path / "m.safetensors")
    assert theirs.exists()
