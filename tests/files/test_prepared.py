"""A model loaded with its prepared file answers as the model of its file does, computes nothing, and copies nothing."""

from __future__ import annotations

import datetime as dt
import gc
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_models import make

import palate
from palate import parallel
from palate.errors import ModelFileError
from palate.files import arrow_interface, table_arrays
from palate.files.prepared import load_prepared, prepare
from palate.models import MODELS
from palate.models.contract import ranked
from palate.sparse import Rows

N_USERS, N_ITEMS = 30, 25


def log_of(kind):
    rng = np.random.default_rng(0)
    pairs = sorted(
        set(zip(rng.integers(0, N_USERS, 300).tolist(), rng.integers(0, N_ITEMS, 300).tolist(), strict=True))
    )
    users, items = ([kind(pair[side] + 100) for pair in pairs] for side in (0, 1))
    return palate.Interactions.from_table({"user": users, "item": items, "value": rng.integers(1, 6, len(pairs))})


def items_table(kind):
    ids = [kind(n + 100) for n in range(N_ITEMS)]
    titles = [f"T{n}" if n % 3 else f"A title of more than twelve bytes, number {n} 🎬" for n in range(N_ITEMS)]
    genres = [["Comedy", "Drama"] if n % 2 else None for n in range(N_ITEMS)]
    return pl.DataFrame({"item_id": ids, "title": titles, "year": range(N_ITEMS), "genres": genres})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


def prepared(folder, key, kind=int):
    path = folder / f"{key}-{kind.__name__}.safetensors"
    if not path.exists():
        palate.save(
            make(key, **({"dtype": "float64"} if key == "als" else {})).fit(log_of(kind), items=items_table(kind)), path
        )
        prepare(path)
    return path


def lists_of(model):
    """Return the scores of all, the lists of known users, and the list of somebody new."""
    users = np.arange(len(model.users_), dtype=np.int32)
    basket = Rows.of_sizes([3], np.array([1, 4, 7]), np.array([5, 3, 4]))
    lists = [model.lists_index(users, 5)]
    if "recommend_for" in model.supports:
        lists.append(model.ranker_of(basket).lists(users[:1], 5))
    return [model.ranker.scorer.of_all(users), *(part for each in lists for part in (each.items, each.scores))]


def refuse_to_derive(values, name, compute):
    """Give what is there, and the ranker and its scorer, which are put together of it."""
    if name in values or name == "ranker" or (name == "scorer" and "scoring" in values):
        return values.setdefault(name, values[name] if name in values else compute())
    return pytest.fail(f"{name} is computed")


@pytest.mark.parametrize("kind", [pytest.param(int, marks=pytest.mark.long), str])
@pytest.mark.parametrize("key", list(MODELS))
def test_it_answers_as_the_model_of_the_file_and_computes_nothing(folder, key, kind, monkeypatch):
    path = prepared(folder, key, kind)
    plain, mapped = palate.load(path), load_prepared(path)
    wanted = lists_of(plain)
    with monkeypatch.context() as patched:
        patched.setattr(ranked, "kept", refuse_to_derive)
        patched.setattr(parallel, "kept", refuse_to_derive)
        found = lists_of(mapped)
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True)
    first = [plain.users_.values[0]]
    assert mapped.recommend(first, where="year>=3").equals(plain.recommend(first, where="year>=3"))
    assert mapped.item_table_.equals(plain.item_table_)
    assert mapped.users_ == plain.users_
    assert mapped.items_ == plain.items_


def test_what_it_holds_lies_in_the_two_files(folder):
    model = load_prepared(prepared(folder, "als", str))  # of float64: without it, copies in float32 are made
    among = model.ranker.scorer.among
    assert among.Q.dtype == np.float64
    for array in (model.item_order.order, model.item_order.places, among.Q, vars(among)["Q32"], vars(among)["c32"]):
        assert not array.flags.writeable
        while isinstance(array.base, np.ndarray):
            array = array.base
        assert array.base is not None  # the mapping
    title = model.item_table_["title"]
    assert len(arrow_interface._held) >= len(model.item_table_.columns)
    assert title[0] == "A title of more than twelve bytes, number 0 🎬"


def test_what_a_column_reads_is_let_go_with_it(folder):
    gc.collect()
    before = len(arrow_interface._held)
    table = load_prepared(prepared(folder, "ials", str)).item_table_
    title = table["title"]
    assert len(arrow_interface._held) > before
    del table
    gc.collect()
    assert title[1] == "T1"
    del title
    gc.collect()
    assert len(arrow_interface._held) == before


def test_text_ids_that_do_not_ascend_are_found(tmp_path):
    rng = np.random.default_rng(3)
    known = palate.Features.from_table(pl.DataFrame({"user_id": ["zz", "b", "a", "ž", "c"], "age": range(5)}), "user")
    log = palate.Interactions.from_table({"user": ["b", "b", "zz"], "item": [5, 6, 5], "value": [1, 2, 3]})
    model = make("mf").fit(log, user_features=known)
    path = tmp_path / "m"
    palate.save(model, path)
    prepare(path)
    mapped = load_prepared(path)
    assert mapped.users_.values.to_list() != sorted(mapped.users_.values)
    wanted = ["a", "b", "c", "zz", "ž", "", "aa", "\ud800"]
    assert mapped.users_.index(wanted, on_unknown="mark").tolist() == [
        *model.users_.index(wanted[:5]).tolist(), -1, -1, -1,
    ]  # fmt: skip
    many = [f"{n}" for n in rng.integers(0, 9, 200)]
    assert (mapped.users_.index(many, on_unknown="mark") == -1).all()
    assert mapped.users_.sorted_positions().tolist() == model.users_.sorted_positions().tolist()


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("model.safetensors", lambda b: b[:-1], "truncated"),
        ("model.safetensors", lambda b: b[:6000] + bytes([b[6000] ^ 1]) + b[6001:], "damaged"),
        ("prepared", lambda b: b[:-1], "truncated"),
        ("prepared", lambda b: b[:-1] + bytes([b[-1] ^ 1]), "does not fit its checksum"),
        ("prepared", lambda b: b[:100] + b"X" + b[101:], "refused"),
        ("prepared", None, "there is no file"),
        ("model.safetensors", None, "there is no file"),
    ],
)
def test_what_is_damaged_is_refused(folder, tmp_path, name, damage, words):
    source = prepared(folder, "ials", str)
    path = tmp_path / "model.safetensors"
    path.write_bytes(source.read_bytes())
    prepare(path)
    at = next(tmp_path.glob(f"{name}*"))
    at.unlink() if damage is None else at.write_bytes(damage(at.read_bytes()))
    with pytest.raises(ModelFileError, match=words):
        load_prepared(path)


def test_a_prepared_file_of_another_model_is_refused(folder, tmp_path):
    path, other = tmp_path / "a.safetensors", prepared(folder, "bpr", str)
    path.write_bytes(prepared(folder, "ials", str).read_bytes())
    prepare(path)
    (ours,) = tmp_path.glob("prepared*")
    theirs = load_prepared(other).file_.path.parent
    for file in theirs.glob("prepared*"):
        if file.name != ours.name:
            ours.write_bytes(file.read_bytes())
            break
    with pytest.raises(ModelFileError, match="of another model file: prepare the model again"):
        load_prepared(path)


TABLE = pl.DataFrame(
    {
        "whole": [1, None, 3],
        "text": ["x", "a much longer text than twelve bytes", None],
        "letters": ["", "žž", "🎬" * 5],
        "number": [1.5, None, 2],
        "truth": [True, None, False],
        "day": [dt.date(2020, 1, 1), None, dt.date(1960, 1, 1)],
        "lists": [["a", "bbbbbbbbbbbbbbbbbbbbbbb"], None, []],
        "holes": [["a", None], ["c"], [""]],
        "nothing": [None, None, None],
        "byte": pl.Series([1, 2, 255], dtype=pl.UInt8),
        "short": pl.Series([-1, None, 255], dtype=pl.Int16),
        "time": pl.Series([dt.datetime(2020, 1, 1), None, dt.datetime(1950, 1, 1)], dtype=pl.Datetime("ms")),
    }
)


@pytest.mark.parametrize("table", [TABLE, TABLE[:0], pl.concat([TABLE] * 7), TABLE[1:2]])
@pytest.mark.parametrize("largest", [1 << 30, 40])
def test_a_table_comes_back_from_arrays(table, largest, monkeypatch):
    monkeypatch.setattr(table_arrays, "LARGEST", largest)  # texts in several buffers
    arrays = {}

    def keep(array):
        arrays[f"{len(arrays)}"] = np.ascontiguousarray(array)
        return f"{len(arrays) - 1}"

    facts = {name: table_arrays.laid_out(table[name], keep) for name in table.columns}
    back = pl.DataFrame({name: table_arrays.layout_of(of, arrays).column(name) for name, of in facts.items()})
    assert back.schema == table.schema
    assert back.equals(table)
    with pytest.raises(ModelFileError, match="the item table lacks '0'"):
        table_arrays.layout_of(facts["whole"], {})


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="this system tells no pages")
def test_a_loaded_model_holds_no_pages_that_it_has_not_read(tmp_path):
    path = tmp_path / "wide.safetensors"
    log = palate.Interactions.from_table({"user": np.arange(20_000), "item": np.arange(20_000) % 50})
    palate.save(palate.BPR(64, n_epochs=1, random_state=0).fit(log), path)
    prepare(path)
    model = load_prepared(path)
    maps = Path("/proc/self/smaps").read_text().split(str(path))[1]
    resident = 1024 * int(maps.split("Rss:")[1].split()[0])
    assert resident < path.stat().st_size / 10
    assert len(model.recommend(7, 3)) == 3
