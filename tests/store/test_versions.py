"""Model versions: complete folders, one of them active; what is damaged never answers."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from small_models import make
from sqlalchemy import insert, select

import palate
from palate.data.dataset import LearnedLog as Log
from palate.data.ids import Ids
from palate.errors import ConflictError, ModelFileError, NotFoundError, StoreError
from palate.files import prepared as prepared_module
from palate.store import versions
from palate.store.hashes import identity, tombstone
from palate.store.schema import namespaces, tombstones
from palate.store.schema import versions as rows
from palate.store.versions import folders, keeping, rewriting
from palate.store.versions import loaded as loaded_module
from palate.store.versions.keeping import version_of

FILES = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # about files: any database will do
LOG = {"user": ["ann", "ann", "bob", "bob", "eve"], "item": ["x", "y", "y", "z", "x"]}


def saved(path, key="ials", log=None, **changes):
    model = make(key, positive="any", **changes).fit(palate.Interactions.from_table(LOG))
    if log is not None:
        object.__setattr__(model.known_, "log", log)
    palate.save(model, path)
    return path


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("models") / "model.safetensors")


def changes(store, ns):
    with store.read() as conn:
        return conn.execute(select(namespaces.c.changes).where(namespaces.c.key == ns.key)).scalar_one()


def states(store, ns):
    return {version.number: version.state for version in versions.listed(store, ns)}


def damage(store, ns, number, file="model.safetensors", at=None):
    path = next(folders.folder_of(store, ns, number).glob(f"{file}*"))
    data = bytearray(path.read_bytes())
    first = 8 + int.from_bytes(data[:8], "little")  # of the arrays
    data[first + 1 if at is None else at] ^= 1
    path.write_bytes(data)


def test_a_version_is_added_activated_loaded_and_listed(store, ns, model_file):
    assert versions.load_active(store, ns) is None
    assert versions.add(store, ns, model_file) == 1
    assert versions.load_active(store, ns) is None
    (version,) = versions.listed(store, ns)
    assert (version.number, version.model, version.state, version.activated) == (1, "ials", "ready", None)
    assert version.details["users"] == 3
    assert version.details["items"] == 3
    assert version.trained == model_file.stat().st_mtime_ns // 1000
    before = changes(store, ns)
    assert versions.activate(store, ns, 1).state == "active"
    assert changes(store, ns) == before + 1
    loaded = versions.load_active(store, ns)
    assert (loaded.number, loaded.key, loaded.trained, loaded.error) == (1, "ials", version.trained, None)
    assert loaded.trained_to is loaded.newest_event is None
    assert loaded.users_index(["eve", "nobody", "ann"]).tolist() == [2, -1, 0]
    assert loaded.items_index(["z", "a"]).tolist() == [2, -1]
    plain = palate.load(model_file)
    assert loaded.model.recommend("ann", 2).equals(plain.recommend("ann", 2))


def test_the_next_version_takes_over_and_a_roll_back_goes_on_back(store, ns, model_file):
    for number in (1, 2, 3, 4):
        assert versions.add(store, ns, model_file) == number
    for number in (1, 2, 3):
        versions.activate(store, ns, number)
    assert states(store, ns) == {4: "ready", 3: "active", 2: "retired", 1: "retired"}
    assert versions.roll_back(store, ns).number == 2
    assert states(store, ns) == {4: "ready", 3: "retired", 2: "active", 1: "retired"}
    assert versions.roll_back(store, ns).number == 1
    with pytest.raises(NotFoundError, match="no version that was active before: there is nothing to roll back to"):
        versions.roll_back(store, ns)
    versions.activate(store, ns, 3)
    versions.activate(store, ns, 3)  # once more changes nothing
    assert versions.roll_back(store, ns).number == 1


def test_each_namespace_has_versions_of_its_own(store, ns, model_file):
    other = store.create_namespace("other")
    assert versions.add(store, ns, model_file) == versions.add(store, other, model_file) == 1
    versions.activate(store, other, 1)
    assert states(store, ns) == {1: "ready"}
    assert versions.load_active(store, ns) is None
    assert versions.add(store, other, model_file) == 2
    for number in (2, 0, -1, True, 1.0, "1", "../1", None, 2**70):
        with pytest.raises(NotFoundError, match="has no model version"):
            versions.activate(store, ns, number)
        with pytest.raises(NotFoundError, match="has no model version"):
            versions.load(store, ns, number)


@FILES
def test_what_is_no_model_is_not_added(store, ns, tmp_path, model_file):
    bad, whole = tmp_path / "bad.safetensors", model_file.read_bytes()
    for data, words in ((whole[:-1], "truncated"), (b"PK12345678", "a zip archive"), (b"", "truncated")):
        bad.write_bytes(data)
        with pytest.raises(ModelFileError, match=words) as refused:
            versions.add(store, ns, bad)
        assert str(bad) in str(refused.value)
        assert ".new-" not in str(refused.value)
    with pytest.raises(ModelFileError, match=r"there is no model file .*missing"):
        versions.add(store, ns, tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="not an ordinary file"):
        versions.add(store, ns, tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="not an ordinary file"):
        versions.add(store, ns, tmp_path)
    assert versions.listed(store, ns) == []
    assert list(folders.folder_of_all(store, ns).iterdir()) == []


@FILES
def test_a_model_whose_ids_the_namespace_cannot_have_is_not_added(store, ns, tmp_path, model_file):
    numbers = store.create_namespace("numbers", id_kind="integer")
    with pytest.raises(
        ModelFileError, match="the user id 'ann' is no integer, and namespace 'numbers' has integer ids"
    ):
        versions.add(store, numbers, model_file)
    log = palate.Interactions.from_table({"user": ["a", "b"], "item": [1, 2]})
    for text in ("", "a\0b", "ü" * 257):
        path = tmp_path / "odd.safetensors"
        palate.save(make("popularity").fit(replace(log, users=Ids(["a", text], "user"))), path)
        with pytest.raises(ModelFileError, match="cannot be asked for: ids have 1 to 512 bytes, none of them NUL"):
            versions.add(store, ns, path)


@FILES
def test_integers_of_a_model_are_asked_for_as_text(store, tmp_path):
    numbers = store.create_namespace("numbers", id_kind="integer")
    path = tmp_path / "m.safetensors"
    palate.save(
        make("ials", positive="any").fit(palate.Interactions.from_table({"user": [7, -3, 12], "item": [0, 5, 5]})), path
    )
    versions.add(store, numbers, path)
    loaded = versions.load(store, numbers, 1)
    texts = ["7", "-3", "12", "07", "+7", " 7", "7.0", "", "x", "\uff19", "1" * 30, "-", "9223372036854775808"]
    assert loaded.users_index(texts).tolist() == [1, 0, 2] + [-1] * 10
    assert loaded.items_index(["0", "-0", "5"]).tolist() == [0, -1, 1]


@FILES
def test_a_damaged_version_is_not_activated_and_the_old_one_goes_on(store, ns, model_file):
    for _ in range(2):
        versions.add(store, ns, model_file)
    versions.activate(store, ns, 1)
    damage(store, ns, 2)
    with pytest.raises(ModelFileError, match="damaged"):
        versions.activate(store, ns, 2)
    assert states(store, ns) == {2: "failed", 1: "active"}
    assert "damaged" in versions.listed(store, ns)[0].details["error"]
    assert versions.load_active(store, ns).number == 1


@FILES
@pytest.mark.parametrize("harm", ["damaged", "gone", "of another Palate"])
@pytest.mark.parametrize("by", [versions.activate, versions.load])
def test_what_is_derived_of_a_model_is_made_anew(store, ns, model_file, harm, by, monkeypatch, caplog):
    versions.add(store, ns, model_file)
    (path,) = folders.folder_of(store, ns, 1).glob("prepared*")
    whole = path.read_bytes()
    if harm == "of another Palate":
        with monkeypatch.context() as patched:
            patched.setattr(prepared_module, "FORMAT_VERSION", 0)
            prepared_module.prepare(path.with_name(folders.MODEL))
    elif harm == "gone":
        path.unlink()
    else:
        damage(store, ns, 1, "prepared", at=-1)
    by(store, ns, 1)
    assert path.read_bytes() == whole
    assert by is versions.activate or "is made anew" in caplog.text
    caplog.clear()
    versions.load(store, ns, 1)
    assert not caplog.text


@FILES
def test_a_folder_that_may_not_be_written_is_refused_with_the_first_error(store, ns, model_file, monkeypatch):
    versions.add(store, ns, model_file)
    damage(store, ns, 1, "prepared", at=-1)
    monkeypatch.setattr(loaded_module.WriteLock, "held", lambda _: (_ for _ in ()).throw(StoreError("read-only")))
    with pytest.raises(ModelFileError, match="does not fit its checksum"):
        versions.load(store, ns, 1)


@FILES
def test_where_the_active_version_is_lost_the_one_before_answers_and_tells(store, ns, model_file, caplog):
    for number in (1, 2, 3):
        versions.add(store, ns, model_file)
        versions.activate(store, ns, number)
    damage(store, ns, 3)
    loaded = versions.load_active(store, ns)
    assert loaded.number == 2
    assert "damaged" in str(loaded.error)
    assert "model version 3 cannot be loaded" in caplog.text
    folders.remove(folders.folder_of(store, ns, 2))
    assert versions.load_active(store, ns).number == 1
    folders.remove(folders.folder_of(store, ns, 1))
    with pytest.raises(ModelFileError, match="damaged"):
        versions.load_active(store, ns)
    with pytest.raises(ModelFileError, match="there is no file"):
        versions.roll_back(store, ns)
    assert states(store, ns) == {3: "active", 2: "failed", 1: "failed"}


def test_old_versions_lose_their_files_and_stay_listed(store, ns, model_file):
    for number in range(1, 7):
        versions.add(store, ns, model_file)
        if number in (1, 2):
            versions.activate(store, ns, number)
    held = versions.load(store, ns, 3)
    assert versions.prune(store, ns, keep=2) == [4, 3]
    assert states(store, ns) == {6: "ready", 5: "ready", 4: "removed", 3: "removed", 2: "active", 1: "retired"}
    assert sorted(path.name for path in folders.folder_of_all(store, ns).iterdir()) == ["1", "2", "5", "6"]
    assert len(held.model.recommend("ann", 2)) == 1  # who holds the files has them
    with pytest.raises(ConflictError, match="version 3 was removed to save room: add its model file again"):
        versions.activate(store, ns, 3)
    assert versions.prune(store, ns, keep=2) == []
    assert versions.add(store, ns, model_file) == 7
    assert versions.roll_back(store, ns).number == 1


@FILES
def test_a_number_is_not_used_again_and_leftovers_go(store, ns, model_file):
    parent = folders.folder_of_all(store, ns)
    (parent / "3").mkdir()  # of an add that was killed before its row was there
    leftover = parent / ".new-1-abc"
    leftover.mkdir()
    assert versions.add(store, ns, model_file) == 4
    versions.prune(store, ns)
    assert leftover.exists()
    os.utime(leftover, (0, 0))
    versions.prune(store, ns)
    assert not leftover.exists()


def test_a_row_that_cannot_be_written_leaves_no_version(store, ns, model_file, monkeypatch):
    monkeypatch.setattr(keeping, "raise_changes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        versions.add(store, ns, model_file)
    assert versions.listed(store, ns) == []
    assert list(folders.folder_of_all(store, ns).iterdir()) == []


@FILES
def test_all_is_on_the_disk_before_a_version_is_listed(store, ns, model_file, monkeypatch):
    """A power cut after the answer loses nothing: files, then their names, then the folder's, then the row."""
    done = []
    sync, rename, insert_row = os.fsync, type(model_file).rename, rows.insert
    monkeypatch.setattr(
        os, "fsync", lambda handle: (done.append(str(Path(f"/proc/self/fd/{handle}").readlink())), sync(handle))[1]
    )
    monkeypatch.setattr(
        type(model_file), "rename", lambda path, to: (done.append(f"rename {to.name}"), rename(path, to))[1]
    )
    monkeypatch.setattr(rows, "insert", lambda: (done.append("row"), insert_row())[1])
    versions.add(store, ns, model_file)
    parent = str(folders.folder_of_all(store, ns))
    at = done.index("rename 1")
    written = [name for name in done[:at] if "/.new-" in name]
    assert any(name.endswith("/model.safetensors") for name in written)
    assert any("/.palate-" in name for name in written)  # the prepared file, before it has its name
    assert Path(done[at - 1]).name.startswith(".new-")  # the folder itself
    assert done[at + 1 : at + 3] == [parent, "row"]


def test_whoever_was_forgotten_since_is_unknown(store, ns, tmp_path):
    log = Log(identity(store.secret), ns.name, 17, 900, 1000)
    versions.add(store, ns, saved(tmp_path / "own.safetensors", log=log))
    versions.add(store, ns, saved(tmp_path / "other.safetensors", log=Log("0" * 32, ns.name, 17, 900, 1000)))
    versions.add(store, ns, saved(tmp_path / "none.safetensors"))
    loaded = {number: versions.load(store, ns, number) for number in (1, 2, 3)}
    assert [loaded[n].trained_to for n in (1, 2, 3)] == [17, None, None]
    assert [loaded[n].newest_event for n in (1, 2, 3)] == [900, 900, None]
    with store.write() as conn:
        for user, time in (("ann", 999), ("bob", 1001)):
            digest = tombstone(store.secret, ns, "user", user)
            conn.execute(insert(tombstones).values(namespace=ns.key, side="user", digest=digest, time=time))
        other = tombstone(store.secret, ns, "item", "x")
        conn.execute(insert(tombstones).values(namespace=ns.key, side="item", digest=other, time=2000))
    everybody = ["ann", "bob", "eve"]
    assert loaded[1].users_index(everybody).tolist() == [0, 1, 2]
    for number, wanted in ((1, [0, -1, 2]), (2, [0, -1, 2]), (3, [-1, -1, 2])):
        assert versions.load(store, ns, number).users_index(everybody).tolist() == wanted
        again = versions.renewed(store, ns, loaded[number])
        assert again.is_forgotten("bob")
        assert again.users_index(everybody).tolist() == wanted
        assert again.model is loaded[number].model


@FILES
def test_details_that_another_process_writes_during_a_rewrite_stay(store, ns, model_file, monkeypatch):
    number = versions.add(store, ns, model_file)
    plain = rewriting.without_users

    def meanwhile(*args):
        plain(*args)
        with store.write() as conn:
            details = {**version_of(conn, ns, number).details, "figures": {"of": "films"}}
            keeping.set_version(conn, ns, number, details=json.dumps(details))

    monkeypatch.setattr(rewriting, "without_users", meanwhile)
    assert versions.rewrite(store, ns, ["bob"]) == [number]
    details = versions.listed(store, ns)[0].details
    assert (details["users"], details["figures"]) == (2, {"of": "films"})


def test_a_version_is_rewritten_without_whom_was_forgotten(store, ns, model_file):
    for number in (1, 2):
        versions.add(store, ns, model_file)
        versions.activate(store, ns, number)
    held = versions.load_active(store, ns)
    before, folder = changes(store, ns), folders.folder_of(store, ns, 2)
    assert versions.rewrite(store, ns, ["bob", "nobody"]) == [2, 1]
    assert changes(store, ns) == before + 2
    assert sorted(path.name.split("-")[0] for path in folder.iterdir()) == ["model.safetensors", "prepared"]
    assert not any(b"bob" in path.read_bytes() for path in folder.iterdir())
    loaded = versions.load_active(store, ns)
    assert loaded.number == 2
    assert loaded.users_index(["ann", "bob", "eve"]).tolist() == [0, -1, 1]
    assert len(held.model.recommend("bob", 1)) == 1  # the old pages, until they are let go
    plain = palate.load(model_file)
    for user in ("ann", "eve"):
        now, then = loaded.model.recommend(user, 3), plain.recommend(user, 3)
        assert now.sort("item_id").equals(then.sort("item_id"))
    version = versions.listed(store, ns)[0]
    assert version.digest == folders.digest_of(folder / "model.safetensors")
    assert version.details["users"] == 2
    assert versions.rewrite(store, ns, ["bob"]) == []


@FILES
def test_a_version_that_knew_nobody_else_is_removed(store, ns, tmp_path):
    path = tmp_path / "one.safetensors"
    palate.save(make("popularity").fit(palate.Interactions.from_table({"user": ["a", "a"], "item": [1, 2]})), path)
    versions.add(store, ns, path)
    versions.activate(store, ns, 1)
    assert versions.rewrite(store, ns, ["a"]) == [1]
    assert states(store, ns) == {1: "removed"}
    assert versions.load_active(store, ns) is None
    assert not folders.folder_of(store, ns, 1).exists()


@FILES
def test_a_worker_that_loads_while_files_are_rewritten_reads_them_again(store, ns, model_file, monkeypatch):
    versions.add(store, ns, model_file)
    wanted = loaded_module.load_prepared
    calls = []

    def once_lost(path):
        calls.append(path)
        if len(calls) == 1:
            raise ModelFileError("there is no file prepared", code="not_found")
        return wanted(path)

    monkeypatch.setattr(loaded_module, "load_prepared", once_lost)
    assert versions.load(store, ns, 1).number == 1
    assert len(calls) == 2


@FILES
def test_who_was_forgotten_is_found_in_kept_versions(store, ns, model_file):
    versions.add(store, ns, model_file)
    assert versions.forgotten_in(store, ns, 1) == []
    with store.write() as conn:
        digest = tombstone(store.secret, ns, "user", "bob")
        conn.execute(insert(tombstones).values(namespace=ns.key, side="user", digest=digest, time=5))
    assert versions.forgotten_in(store, ns, 1) == ["bob"]
    versions.rewrite(store, ns, ["bob"])
    assert versions.forgotten_in(store, ns, 1) == []
    damage(store, ns, 1)
    with pytest.raises(ModelFileError, match="damaged"):
        versions.rewrite(store, ns, ["ann"])


@FILES
@pytest.mark.parametrize(("kept", "left"), [(None, 5), (2, 2)])
def test_the_service_cleans_old_versions_away(store, ns, model_file, kept, left):
    from palate.serve.service import _clean
    from palate.serve.settings import told

    for _ in range(6):
        versions.add(store, ns, model_file)
    _clean(store, told(store=store.url, keep_versions=kept))
    assert list(states(store, ns).values()).count("ready") == left
