"""A model as a folder of partitioned Parquet: round trips in any order of rows, and each refusal by its words."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from altered import alter
from model_files import MADE, WHOLE, assert_same_model, ials_model, number_model, text_model
from synthetic import low_rank
from typer.testing import CliRunner

from palate import files
from palate.cli import app
from palate.data.dataset import Dataset, LearnedLog
from palate.errors import ModelFileError, NotFittedError
from palate.files.partitioned_out import save_folder
from palate.models import ALS


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a folder of integer ids, in several files a part, that tests copy."""
    folder = tmp_path_factory.mktemp("partitioned") / "m"
    save_folder(number_model(), folder, rows=5)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "m")
    return tmp_path / "m"


def written(path, table):
    """Write a file of a part, and return what facts say of it."""
    table.write_parquet(path)
    return [path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()]


def edit_facts(folder, edit):
    """Change the facts, sealed as they should be."""
    path = next((folder / "facts").iterdir())
    facts = json.loads(pl.read_parquet(path)["json"][0])
    facts = edit(facts) or facts
    text = facts if isinstance(facts, str) else json.dumps(facts)
    written(path, pl.DataFrame({"json": [text], "sha256": [hashlib.sha256(text.encode()).hexdigest()]}))


def edit_part(folder, part, edit):
    """Change the table of a part, now in one file, its sums as they should be."""
    table = edit(pl.read_parquet(folder / part))
    shutil.rmtree(folder / part)
    (folder / part).mkdir()
    sums = {f"{part}/part-0.parquet": written(folder / part / "part-0.parquet", table)}
    edit_facts(folder, lambda f: f.update(files={k: v for k, v in f["files"].items() if not k.startswith(part)} | sums))


def refused(folder, text, code="model_file"):
    with pytest.raises(ModelFileError, match=rf"^{folder} is refused: .*{text}") as caught:
        files.load(folder)
    assert caught.value.code == code


# -- round trips ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [text_model, *map(MADE.get, WHOLE)], ids=["mf of text", *WHOLE])
@pytest.mark.parametrize("store_history", [True, False])
def test_a_folder_is_the_same_model_as_a_file(made, store_history, tmp_path):
    model = made(store_history=store_history)
    save_folder(model, tmp_path / "m", rows=5)
    files.save(model, tmp_path / "m.safetensors")
    loaded, other = files.load(tmp_path / "m"), files.load(tmp_path / "m.safetensors")
    assert_same_model(loaded, other)
    assert (loaded.rated_ is None) == (other.rated_ is None)
    if loaded.rated_ is not None:
        np.testing.assert_array_equal(loaded.rated_.counts, other.rated_.counts)
        np.testing.assert_array_equal(loaded.rated_.means, other.rated_.means)
    if store_history:
        assert loaded.recommend(loaded.users_.values, 3).equals(other.recommend(other.users_.values, 3))


@pytest.mark.parametrize("write", [save_folder, files.export])
def test_a_model_made_of_several_is_no_folder(write, tmp_path):
    with pytest.raises(ModelFileError, match="holds one model, and blend is made of several: save it as a file"):
        write(MADE["blend"](), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_rows_may_stand_in_any_order_and_sparks_own_files_beside_them(folder):
    model = files.load(folder)
    for part in ("users", "items", "seen", "item_table"):
        edit_part(folder, part, lambda table: table.sample(fraction=1, shuffle=True, seed=3))
    for name in ("_SUCCESS", ".part-0.parquet.crc"):
        (folder / "users" / name).write_bytes(b"")
    assert_same_model(files.load(str(folder)), model)


def test_which_log_a_model_learned_from_is_kept(tmp_path):
    log = LearnedLog("00" * 16, "shop", 3, None, 40_000_000)
    data = replace(Dataset.from_tables(low_rank(6, 5, 20)), log=log)
    save_folder(ALS(2, n_epochs=1).fit(data), tmp_path / "m")
    assert files.load(tmp_path / "m").log_ == log


def test_commands_and_versions_take_a_folder(folder, tmp_path):
    store = f"sqlite:///{tmp_path / 'shop.db'}"
    asked = CliRunner().invoke(app, ["recommend", str(folder), "--user", "101", "-n", "2", "--json"])
    assert len(json.loads(asked.output)["recommendations"]) == 2
    assert CliRunner().invoke(app, ["versions", "add", str(folder), "--activate", "--store", store]).exit_code == 0
    (kept,) = tmp_path.rglob("model.safetensors")
    assert_same_model(files.load(kept), files.load(folder))


# -- writing --------------------------------------------------------------------------------------------------------


def test_nothing_is_written_over_and_no_nan(folder, tmp_path):
    with pytest.raises(ModelFileError, match="m is there already; name another folder"):
        save_folder(number_model(), folder)
    with pytest.raises(NotFittedError):
        save_folder(ALS(), tmp_path / "n")
    bad = alter(ALS.from_state(ALS(2, n_epochs=1).fit(low_rank(6, 5, 20)).state()), item_biases_=np.full(5, np.nan))
    with pytest.raises(ModelFileError, match="item_biases_ holds NaN"):
        save_folder(bad, tmp_path / "n")
    assert not (tmp_path / "n").exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"cannot save to .*Not a directory"):
        save_folder(number_model(), tmp_path / "file" / "m")


# -- missing and damaged --------------------------------------------------------------------------------------------


def test_a_folder_without_facts_is_half_written(folder):
    shutil.rmtree(folder / "facts")
    refused(folder, "it is half written: the facts, which are written last, are not there", "damaged")
    (folder / "facts").mkdir()
    (folder / "facts" / "_temporary").mkdir()
    refused(folder, "it is half written", "damaged")
    for side in ("users", "items"):
        shutil.rmtree(folder / side)
    refused(folder, "it is half written", "damaged")


def test_a_folder_of_something_else_is_none(tmp_path):
    with pytest.raises(ModelFileError, match="is refused: it is not an ordinary file"):
        files.load(tmp_path)


@pytest.mark.parametrize("part", ["users", "items", "arrays", "seen", "item_table"])
def test_a_missing_part_a_missing_file_and_a_further_one_are_named(folder, part):
    first = sorted((folder / part).iterdir())[0]
    (folder / part / "zz.parquet").write_bytes(first.read_bytes())
    refused(folder, f"it has the further file {part}/zz.parquet", "damaged")
    (folder / part / "zz.parquet").unlink()
    first.unlink()
    refused(folder, f"it lacks the file {part}/{first.name}", "damaged")
    shutil.rmtree(folder / part)
    refused(folder, f"it lacks the file {part}/", "damaged")


@pytest.mark.parametrize("part", ["users", "items", "arrays", "seen", "item_table"])
def test_any_changed_byte_is_found(folder, part):
    path = sorted((folder / part).iterdir())[-1]
    whole = path.read_bytes()
    for at in np.random.default_rng(1).choice(len(whole), 4, replace=False):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        refused(folder, path.name)
    path.write_bytes(whole[:-9])
    refused(folder, path.name)


def test_changed_facts_are_found(folder):
    path = next((folder / "facts").iterdir())
    whole, model = path.read_bytes(), files.load(folder)
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        with contextlib.suppress(ModelFileError):
            assert_same_model(files.load(folder), model)  # Parquet has bytes that mean nothing
    path.write_bytes(b"")
    refused(folder, "is not a valid Parquet file")


# -- hostile --------------------------------------------------------------------------------------------------------


def set_to(**changes):
    return lambda facts: facts.update(changes)


def without(name):
    return lambda facts: facts.pop(name) and None


FACTS = {
    "give no format_version": lambda _: "[]",
    "give no format_version ": set_to(format_version="1"),
    "have format version 2, this Palate reads 1; pip install --upgrade palate": set_to(format_version=2),
    "lacks the key 'n_users'": without("n_users"),
    "has the unknown key 'more'": set_to(more=1),
    "'weights' has a wrong type": set_to(weights=1),
    "'n_users' has a wrong type or value": set_to(n_users=-1),
    "'users' has a wrong type or value": set_to(users="uuid"),
    "unknown model class 'os.system'": set_to(model="os.system"),
    "is not valid JSON": lambda _: "{",
    "holds NaN": lambda _: '{"format_version": 1, "x": NaN}',
    "log must have store, namespace": set_to(log={}),
    "users/ has 12 rows for 13 users": lambda f: f.update(n_users=13, arrays=taller(f["arrays"], 13)),
    "user_factors_ has 12 rows for 13 users": set_to(n_users=13),
    "seen/ has 80 rows, the facts say 79": set_to(n_seen=79),
    "column 'weight'": set_to(weights=True),
    "column 'rated_counts'": set_to(rated=True),
    "tell of the unknown array 'spam_'": lambda f: f["arrays"].update(spam_=["float32", [1]]),
    "mean_ must be a number": lambda f: f["learned"].update(mean_="0"),
    "a parameter is refused: .*reg": lambda f: f["parameters"].update(reg=-1),
    "user_factors_ must be a dtype and a shape": lambda f: f["arrays"].update(user_factors_=["float16", [12, 2]]),
    "user_factors_ must be a dtype and a shape ": lambda f: f["arrays"].update(user_factors_=["float32", [-12, 2]]),
    "rows of 4 to 4 numbers; the facts say 1000000000000": lambda f: f["arrays"].update(
        user_factors_=["float32", [12, 10**12]]
    ),
    "the arrays of a MatrixFactorization are not as they should be: item_biases_": lambda f: (
        f["arrays"].pop("item_biases_") and None
    ),
    "further file users/": lambda f: f.update(files={k: v for k, v in f["files"].items() if "users" not in k}),
    "lacks the file ../../etc/passwd": lambda f: f["files"].update({"../../etc/passwd": [1, "0"]}),
}


def taller(arrays, n):
    return {name: [dtype, [n, *shape[1:]] if shape[0] == 12 else shape] for name, (dtype, shape) in arrays.items()}


@pytest.mark.parametrize("text", FACTS)
def test_facts_that_lie_are_refused(folder, text):
    edit_facts(folder, FACTS[text])
    if "item_biases_" in text:
        edit_part(folder, "items", lambda table: table.drop("item_biases"))
    code = {
        "format": "version",
        "give no": "version",
        "have for": "version",
        "further": "damaged",
        "lacks th": "damaged",
    }
    expected = next((word for start, word in code.items() if start in text), "model_file")
    with pytest.raises(ModelFileError, match=rf"^{folder} is refused: .*{text.strip()}") as caught:
        files.load(folder)
    assert caught.value.code in (expected, "model_file", "unknown_name")


def put(column, row, value):
    """Return an edit that puts a value in a row of a column."""

    def edit(table):
        values = table[column].to_list()
        values[row] = value
        return table.with_columns(pl.Series(column, values, dtype=table.schema[column], strict=False))

    return edit


TABLES = {
    "users/ column 'position' holds a position twice": ("users", put("position", 0, 3)),
    "users/ column 'position' leaves the range of the 12 users": ("users", put("position", 0, 12)),
    "items/ column 'position' leaves the range": ("items", put("position", 0, -1)),
    "users/ column 'position' holds Int64, not Int32": ("users", lambda t: t.cast({"position": pl.Int64})),
    "users/ column 'position' has missing values": ("users", put("position", 0, None)),
    "users/ column 'user_id' has missing values": ("users", put("user_id", 0, None)),
    "users/ column 'user_id' holds String": ("users", lambda t: t.cast({"user_id": pl.String})),
    "user ids repeat: each may stand once": ("users", put("user_id", 0, 103)),
    "users/ has 11 rows for 12 users": ("users", lambda t: t[1:]),
    "has rows of 2 to 4 numbers; the facts say 4": ("users", put("user_factors", 4, [1.0, 2.0])),
    "user_factors_ holds a missing number": ("users", put("user_factors", 4, [1.0, None, 2.0, 3.0])),
    "user_factors_ holds NaN or an infinite number": ("users", put("user_factors", 4, [1.0, float("nan"), 2.0, 3.0])),
    "item_biases_ holds NaN or an infinite": ("items", put("item_biases", 4, float("inf"))),
    "holds a number beyond 1e.15": ("items", put("item_biases", 4, 1e30)),
    "column 'user_biases' holds Float64, not Float32": ("users", lambda t: t.cast({"user_biases": pl.Float64})),
    "users/ has the unknown column 'more'": ("users", lambda t: t.with_columns(more=1)),
    "items/ lacks the column 'item_factors'": ("items", lambda t: t.drop("item_factors")),
    "seen/ column 'user' leaves the range of the 12 users": ("seen", put("user", 0, 12)),
    "seen/ column 'item' leaves the range of the 9 items": ("seen", put("item", 0, -1)),
    "seen.indices does not rise within a row": ("seen", lambda t: pl.concat([t[:-1], t[:1]])),
    "seen.values holds NaN": ("seen", put("value", 0, float("nan"))),
    "item_table/ must have an item_id for each of the 9 items": ("item_table", lambda t: t[1:]),
    "item_table/ is out of step with the items": ("item_table", put("item_id", 0, 7)),
    "item_table/ is out of step with": ("item_table", put("item_id", 0, None)),
    "the item table has no column 'title'": ("item_table", lambda t: t.drop("title")),
    "arrays/ lacks the column 'data'": ("arrays", lambda t: t.drop("data")),
}


@pytest.mark.parametrize("text", TABLES)
def test_tables_that_lie_are_refused(folder, text):
    edit_part(folder, *TABLES[text])
    refused(folder, text, "duplicates" if "repeat" in text else "model_file")


PIECES = {
    "holds 0 bytes in 0 parts, not 36": lambda t: t[:0],
    "holds part 0 of 'gram_', unknown or there twice": lambda t: pl.concat([t, t]),
    "holds part 0 of 'spam', unknown": lambda t: t.with_columns(name=pl.lit("spam")),
    "holds 36 bytes in 1 parts, not 36": lambda t: t.with_columns(part=pl.lit(1, pl.Int32)),
    "holds 35 bytes in 1 parts, not 36": lambda t: t.with_columns(data=pl.col("data").bin.slice(1)),
}


@pytest.mark.parametrize("text", PIECES)
def test_pieces_of_arrays_that_lie_are_refused(tmp_path, text):
    save_folder(ials_model(store_history=False), tmp_path / "m")
    edit_part(tmp_path / "m", "arrays", lambda table: PIECES[text](table.filter(name="gram_")))
    edit_facts(tmp_path / "m", lambda f: f.update(arrays={k: v for k, v in f["arrays"].items() if "weights" not in k}))
    refused(tmp_path / "m", text)


def test_parts_of_an_array_follow_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr("palate.files.partitioned_out.PIECE", 7)
    model = ials_model()
    save_folder(model, tmp_path / "m")
    edit_part(tmp_path / "m", "arrays", lambda table: table.reverse())
    assert_same_model(files.load(tmp_path / "m"), model)
