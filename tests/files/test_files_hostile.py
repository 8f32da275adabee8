"""Model files that are damaged or hostile: each refusal by its words."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from model_files import Parts, baseline_model, number_model, popularity_model, sealed, text_model

from palate import files
from palate.errors import ModelFileError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def valid(folder):
    """Return the paths of a file with integer ids and of one with text ids."""
    paths = folder / "numbers", folder / "texts"
    files.save(number_model(), paths[0])
    files.save(text_model(), paths[1])
    return paths


def refused(path, data, text):
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=rf"^{path} is refused: .*{text}"):
        files.load(path)


# -- no safetensors file --------------------------------------------------------------------------------------------


def a_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", "{}" * 50)
    return path.read_bytes()


def an_npz(path):
    np.savez(path.with_suffix(".npz"), x=np.zeros(50))
    return path.with_suffix(".npz").read_bytes()


def an_npy(path):
    np.save(path.with_suffix(".npy"), np.zeros(50))
    return path.with_suffix(".npy").read_bytes()


FOREIGN = {
    "begins like a pickle, which Palate never loads": lambda _: pickle.dumps({"weights": list(range(1000))}),
    "begins like a pickle, which": lambda _: pickle.dumps(os.system, protocol=2) + b" " * 20,
    "begins like a zip archive": a_zip,
    "it begins like a zip archive": an_npz,
    "begins like a NumPy array": an_npy,
    "begins like a gzip file": lambda _: gzip.compress(b"{}" * 100),
    "begins like a text": lambda _: b"user_id,item_id,rating\n1,2,3\n",
    "truncated: 0 bytes are no model": lambda _: b"",
    "truncated: 7 bytes are no model": lambda _: b"1234567",
    "claims a header of 2,147,483,648 bytes; at most 33,554,432": lambda _: (2 << 30).to_bytes(8, "little") + b"{}  ",
    "claims a header of 18,446,744,073,709,551,615 bytes": lambda _: b"\xff" * 8 + b"{}",
    "truncated: the header claims 1,000 bytes, the whole file has 10": lambda _: (1000).to_bytes(8, "little") + b"{}",
    "no header begins at its ninth byte": lambda _: (2).to_bytes(8, "little") + b"[]",
    "the header is not valid JSON": lambda _: (2).to_bytes(8, "little") + b"{]",
    "the header is not UTF-8 text": lambda _: (3).to_bytes(8, "little") + b"{\xff}",
    "no Palate model: its metadata lacks 'palate'": lambda _: (2).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("text", FOREIGN)
def test_a_file_that_is_no_model_file_is_refused(folder, text):
    refused(folder / "foreign", FOREIGN[text](folder / "made"), text)


def test_a_file_that_is_not_there_or_no_file_or_not_readable_is_named(folder, monkeypatch):
    with pytest.raises(
        ModelFileError, match=r"there is no model file .*/none; `palate train DATA --out .*/none` makes"
    ):
        files.load(folder / "none")
    with pytest.raises(ModelFileError, match="is refused: it is not an ordinary file"):
        files.load(folder)
    os.mkfifo(folder / "pipe")
    with pytest.raises(ModelFileError, match="is refused: it is not an ordinary file"):
        files.load(folder / "pipe")
    (folder / "locked").write_bytes(b"x")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    with pytest.raises(ModelFileError, match=r"cannot read .*/locked: Permission denied"):
        files.load(folder / "locked")


# -- the container --------------------------------------------------------------------------------------------------


def change(name, **fields):
    return lambda table: table[name].update(fields)


TABLES = {
    "array item_table has the unknown dtype 'F16'; known are F64": change("item_table", dtype="F16"),
    r"array item_table has the unknown dtype \['U8'\]": change("item_table", dtype=["U8"]),
    "array items.ids: shape and data_offsets must be lists of whole numbers": change("items.ids", shape=[-9]),
    "array items.ids: shape and data_offsets must be": change("items.ids", shape=[9.0]),
    "array items.ids: shape and data_offsets must be lists": change("items.ids", shape="9"),
    "array seen.values: shape and data_offsets must be": change("seen.values", data_offsets=[0, 1, 2]),
    "array seen.values: shape and data_offsets must be lists of": change("seen.values", data_offsets=[True, 320]),
    "array seen.values: the header must give dtype, shape and data_offsets, nothing": change("seen.values", extra=1),
    r"array users.ids: shape \[13\] of I64 does not fill bytes 0 to 96": change("users.ids", shape=[13]),
    r"array users.ids: shape \[12\] of I32 does not fill bytes": change("users.ids", dtype="I32"),
    "array items.ids starts at 0, not at 96: arrays overlap or leave a gap": change("items.ids", data_offsets=[0, 72]),
    "starts at 16, not at 0: arrays overlap or leave a gap": change("users.ids", data_offsets=[16, 112]),
    "users.ids: shape .* does not fill bytes 96 to 0": change("users.ids", data_offsets=[96, 0]),
    r"truncated: array item_table ends at 1,000,0.., the file's arrays at": lambda table: table["item_table"].update(
        shape=[1000000 - table["item_table"]["data_offsets"][0]],
        data_offsets=[table["item_table"]["data_offsets"][0], 1000000],
    ),
    "array seen.values: the header must": lambda table: table.update({"seen.values": None}),
    "the arrays end at .*, but the file goes on to": lambda table: table.pop("item_table"),
    "the file has the unknown array 'other'": lambda table: table.update(other=table.pop("item_table")),
    "the file has the unknown array 'more'": lambda table: table.update(
        more={"dtype": "U8", "shape": [0], "data_offsets": table["item_table"]["data_offsets"][1:] * 2}
    ),
    "array more has the impossible shape": lambda table: table.update(
        more={"dtype": "U8", "shape": [0, 2**63], "data_offsets": table["item_table"]["data_offsets"][1:] * 2}
    ),
}


@pytest.mark.parametrize("text", TABLES)
def test_a_hostile_table_of_arrays_is_refused(valid, folder, text):
    parts = Parts.of(valid[0])
    table = parts.table()
    TABLES[text](table)
    data = b"".join(array.tobytes() for array in parts.arrays.values())
    refused(folder / "table", sealed({"palate": json.dumps(parts.palate)}, table, data), text)


def test_unaligned_arrays_are_refused(valid, folder):
    parts = Parts.of(valid[1])
    parts.arrays = {"users.text": parts.arrays.pop("users.text"), **parts.arrays}
    assert len(parts.arrays["users.text"]) % 8
    refused(folder / "unaligned", parts.sum_up().bytes(), "is not aligned to its 8-byte numbers")


def test_a_cut_file_and_a_longer_file_are_refused(valid, folder):
    data = valid[0].read_bytes()
    refused(folder / "cut", data[:-1], r"truncated: array item_table ends at [\d,]+, the file's arrays at")
    refused(folder / "cut", data[:500], r"truncated: the header claims [\d,]+ bytes, the whole file has 500")
    refused(folder / "longer", data + b"\0", r"the arrays end at [\d,]+, but the file goes on to")


EDITS = {
    "the header has the key 'users.ids' twice": ('"users.ids": ', '"users.ids": {}, "users.ids": '),
    "the header has the key 'dtype' twice": ('"dtype": "I64"', '"dtype": "I64", "dtype": "I64"'),
    "the header has the key 'palate' twice": ('"palate": ', '"palate": "", "palate": '),
    "the 'palate' header has the key 'model' twice": (r"\"model\": ", r"\"model\": \"mf\", \"model\": "),
    "the 'palate' header has the key 'reg' twice": (r"\"reg\": ", r"\"reg\": 1, \"reg\": "),
    "the 'palate' header holds NaN, which is not a finite": (r"\"mean_\": ", r"\"mean_\": NaN, \"more\": "),
    "the 'palate' header holds -Infinity": (r"\"mean_\": ", r"\"mean_\": -Infinity, \"more\": "),
    "the 'palate' header holds 1e999": (r"\"mean_\": ", r"\"mean_\": 1e999, \"more\": "),
    "the 'palate' header holds 99999999999999999999,": (r"\"seed_\": ", r"\"seed_\": 99999999999999999999, \"more\": "),
    "the 'palate' header holds 9{40}, which": (r"\"seed_\": ", r"\"seed_\": " + "9" * 9999 + r", \"more\": "),
    "the 'palate' header is nested too deeply: at most 8 levels": (
        r"\"init\": ",
        r"\"init\": " + "[" * 100 + "]" * 100 + r", \"more\": ",
    ),
    "the 'palate' header is nested too deeply": (
        r"\"init\": ",
        r"\"init\": " + "[" * 99999 + "]" * 99999 + r", \"more\": ",
    ),
    "the header is nested too deeply": (
        '"palate": ',
        '"more": ' + '{"a":' * 99999 + "1" + "}" * 99999 + ', "palate": ',
    ),
    "the header is nested too deeply: at most 8": ('"palate": ', '"more": ' + "[" * 50 + "]" * 50 + ', "palate": '),
    "the header's __metadata__ does not map text to text": ('"palate": ', '"more": 1, "palate": '),
    "the metadata has the unknown key 'more'": ('"palate": ', '"more": "", "palate": '),
    "the 'palate' header holds half a surrogate pair, which is no text": (r"\"mf\"", r"\"\\ud800\""),
    "the header holds half a surrogate pair": ('"palate": ', r'"more": "\ud800", "palate": '),
}


@pytest.mark.parametrize("text", EDITS)
def test_hostile_json_is_refused(valid, folder, text):
    old, new = EDITS[text]

    def edit(header):
        assert old in header
        return header.replace(old, new, 1)

    refused(folder / "json", Parts.of(valid[0]).bytes(edit=edit), text)


# -- the palate header ----------------------------------------------------------------------------------------------


def put(where, value):
    """Return an edit of the palate header at a path like "learned.mean_"."""
    *path, last = where.split("/")

    def edit(palate):
        for key in path:
            palate = palate[key]
        palate[last] = value

    return edit


def drop(where):
    *path, last = where.split("/")

    def edit(palate):
        for key in path:
            palate = palate[key]
        del palate[last]

    return edit


LOG = {"store": "00" * 16, "namespace": "shop", "trained_to": 7, "newest_event": None, "read": 9}
HEADERS = {
    "made by a newer Palate: format version 2, this one reads up to 1; pip install": put("format_version", 2),
    "unknown format version 0": put("format_version", 0),
    "the 'palate' header gives no format_version": put("format_version", "1"),
    "'palate' header gives no format_version": drop("format_version"),
    "gives no format_version": put("format_version", True),
    "unknown model class 'os.system'; this Palate knows popularity, baseline, mf, als": put("model", "os.system"),
    "the 'palate' header's model is no str": put("model", 1),
    "the 'palate' header's parameters is no dict": put("parameters", []),
    "the 'palate' header's seen is no bool": put("seen", 1),
    "the 'palate' header has the unknown key 'code'": put("code", "import os"),
    "the 'palate' header lacks the key 'learned'": drop("learned"),
    "the 'palate' header's users must be 'integer' or 'text'": put("users", "pickle"),
    "the file has the unknown array 'users.ids'": put("users", "text"),
    "the file has the unknown array 'seen.indices'": put("seen", False),
    "parameters of a MatrixFactorization are not as they should be: more": put("parameters/more", 1),
    "are not as they should be: n_factors": drop("parameters/n_factors"),
    "learned values of a MatrixFactorization are not as they should be: mean_": drop("learned/mean_"),
    "learned values of a MatrixFactorization are not as they should be: fit": put("learned/fit", 1),
    "a parameter is refused: n_factors must be a whole number of at least 1, got -1": put("parameters/n_factors", -1),
    "a parameter is refused: learning_rate must be a number above 0": put("parameters/learning_rate", "fast"),
    "a parameter is refused: n_threads must be None or": put("parameters/n_threads", 0),
    "a parameter is refused: init must be 'normal' or 'uniform'": put("parameters/init", {"a": [1]}),
    "mean_ must be a number": put("learned/mean_", "3"),
    "mean_ must be a numbe": put("learned/mean_", True),
    r"mean_ must be a number within 1e\+15": put("learned/mean_", -1e16),
    "rating_range_ must be two numbers, the lowest first": put("learned/rating_range_", [5, 1]),
    "rating_range_ must be two numbers": put("learned/rating_range_", [1, "5"]),
    "rating_range_ must be two": put("learned/rating_range_", None),
    "history_ must be a list of records of numbers": put("learned/history_", [[1]]),
    "refit_history_ must be a list of records of numbers": put("learned/refit_history_", [{"epoch": "1"}]),
    "best_epoch_ must be a whole number": put("learned/best_epoch_", -1),
    "seed_ must be a whole number": put("learned/seed_", 1.5),
    "epoch_chosen_on_ must be text": put("learned/epoch_chosen_on_", 1),
    "interrupted_ must be true or false": put("learned/interrupted_", "no"),
    "the header's sha256 lacks the array 'items.ids'": drop("sha256/items.ids"),
    "the header's sha256 has the unknown array 'more'": put("sha256/more", "0" * 64),
    "array items.ids does not fit its checksum: the file is damaged": put("sha256/items.ids", "0" * 64),
    "the 'palate' header's log must have store, namespace, trained_to, newest_event, read": put("log", {"store": "s"}),
    "the 'palate' header's log must have store": put("log", None),
    "header's log.trained_to is not what a store gives": put("log", {**LOG, "trained_to": True}),
    "header's log.newest_event is not what a store gives": put("log", {**LOG, "newest_event": 1 << 63}),
    "header's log.namespace is not what a store gives": put("log", {**LOG, "namespace": None}),
}


@pytest.mark.parametrize("text", HEADERS)
def test_a_hostile_palate_header_is_refused(valid, folder, text):
    parts = Parts.of(valid[0])
    HEADERS[text](parts.palate)
    refused(folder / "header", parts.bytes(), text)


FLOOR = {
    "half_life_days must be a number above 0, got -1": (popularity_model, put("parameters/half_life_days", -1)),
    "learned values of a Popularity are not as they should be: mean_": (popularity_model, put("learned/mean_", 1)),
    "learned values of a Baseline are not as they should be: mean_": (baseline_model, drop("learned/mean_")),
    "reg_items must be a number of at least 0, got '2'": (baseline_model, put("parameters/reg_items", "2")),
    "lacks the array 'learned.user_biases_'": (popularity_model, put("model", "baseline")),
    "unknown array 'learned.user_biases_'": (baseline_model, put("model", "popularity")),
}


@pytest.mark.parametrize("text", FLOOR)
def test_a_hostile_header_of_a_model_without_factors_is_refused(folder, text):
    made, edit = FLOOR[text]
    files.save(made(), folder / "floor")
    parts = Parts.of(folder / "floor")
    edit(parts.palate)
    refused(folder / "floor", parts.bytes(), text)


@pytest.mark.parametrize("palate", ["", "[]", "{", "1"])
def test_a_palate_header_that_is_no_object_is_refused(valid, folder, palate):
    parts = Parts.of(valid[0])
    data = b"".join(array.tobytes() for array in parts.arrays.values())
    refused(
        folder / "header",
        sealed({"palate": palate}, parts.table(), data),
        "the 'palate' header (is not valid|gives no)",
    )


def test_a_changed_header_does_not_fit_its_checksum(valid, folder):
    data = valid[0].read_bytes()
    assert data.count(rb"\"n_epochs\":3") == 1
    refused(
        folder / "sum", data.replace(rb"\"n_epochs\":3", rb"\"n_epochs\":4"), "the header does not fit its checksum"
    )
    without = data.replace(b"header_sha256", b"header_sha257")
    refused(folder / "sum", without, "the header does not fit its checksum header_sha256: the file is damaged")


# -- the arrays -----------------------------------------------------------------------------------------------------


def cell(name, index, value):
    def edit(arrays):
        arrays[name][index] = value

    return edit


def cast(name, dtype):
    return lambda arrays: arrays.update({name: arrays[name].astype(dtype)})


def rows(name, n):
    return lambda arrays: arrays.update({name: arrays[name][:n]})


NUMBERS = {
    "user_factors_ holds NaN or an infinite number": cell("learned.user_factors_", (3, 1), np.nan),
    r"user_factors_ holds a number beyond 1e\+15, with which scores would overflow": cell(
        "learned.user_factors_", (0, 0), -2e15
    ),
    "item_biases_ holds a number beyond": cell("learned.item_biases_", 1, 2e15),
    "item_biases_ holds NaN or an infinite number": cell("learned.item_biases_", 0, -np.inf),
    "seen.values holds NaN or an infinite number": cell("seen.values", 7, np.inf),
    "user_factors_ holds uint8, not float32 or float64": cast("learned.user_factors_", np.uint8),
    r"user_factors_ has shape \(11, 4\), but n_users x n_factors is \(12, 4\)": rows("learned.user_factors_", 11),
    r"item_biases_ has shape \(8,\), but n_items is \(9,\)": rows("learned.item_biases_", 8),
    r"item_factors_ has shape \(9, 3\)": lambda a: a.update(
        {"learned.item_factors_": a["learned.item_factors_"][:, :3]}
    ),
    r"user_biases_ has shape \(12, 1\)": lambda a: a.update(
        {"learned.user_biases_": a["learned.user_biases_"][:, None]}
    ),
    "item column 'title' has 9 rows for 8 items: the item table is out of step": rows("items.ids", 8),
    "seen.indptr has 13 numbers for 11 users; it must have one more": rows("users.ids", 11),
    "user ids repeat": cell("users.ids", 1, 100),
    "users.ids must be one row of int64, not 1 dimensions of float64": cast("users.ids", np.float64),
    "items.ids must be one row of int64, not 2 dimen": lambda a: a.update({"items.ids": a["items.ids"].reshape(3, 3)}),
    "seen.indices leaves the range of the 9 items": cell("seen.indices", -1, 9),
    "seen.indices leaves the range": cell("seen.indices", 0, -1),
    "seen.indices does not rise within a row": cell("seen.indices", 1, 0),
    "seen.indices does not rise within a": cell("seen.indices", 79, 0),
    "the file lacks the array 'item_table'": lambda a: a.pop("item_table"),
    "seen.indptr does not rise from 0 to the 80 cells": cell("seen.indptr", 0, 1),
    "seen.indptr does not rise from 0 to the 80": cell("seen.indptr", -1, 81),
    "seen.indptr does not rise from 0": cell("seen.indptr", 5, 79),
    "seen.indptr does not rise": cell("seen.indptr", 5, -1),
    "seen.indices has 79 numbers, seen.values 80": rows("seen.indices", 79),
    "seen.indptr must be one row of int64": cast("seen.indptr", np.int32),
    "seen.indices must be one row of int32": cast("seen.indices", np.int64),
    "seen.values must be one row of float32": cast("seen.values", np.float64),
    "the item table is not UTF-8 text": cell("item_table", 50, 0xFF),
}


@pytest.mark.parametrize("text", NUMBERS)
def test_hostile_arrays_are_refused(valid, folder, text):
    parts = Parts.of(valid[0])
    NUMBERS[text](parts.arrays)
    parts.arrays = dict(sorted(parts.arrays.items(), key=lambda pair: -pair[1].itemsize))
    refused(folder / "arrays", parts.sum_up().bytes(), text)


TEXTS = {
    "users.text is not UTF-8 text": cell("users.text", 0, 0xFF),
    "users.offsets does not rise from 0 to the .* bytes of text": cell("users.offsets", 1, 99),
    "users.offsets does not rise from 0 to": cell("users.offsets", -1, 99),
    "users.offsets does not rise from 0": cell("users.offsets", 0, 1),
    "users.offsets does not rise": lambda a: a.update({"users.offsets": a["users.offsets"][:0]}),
    "users.offsets must be one row of int64": cast("users.offsets", np.int32),
    "items.text must be one row of uint8": cast("items.text", np.int32),
    "user ids repeat": lambda a: a["users.text"].__setitem__(slice(0, 6), np.frombuffer(b"annann", np.uint8)),
    "item column 'title' has 4 rows for 3 items": lambda a: a.update(
        {"items.offsets": np.delete(a["items.offsets"], 1)}
    ),
}


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_text_ids_are_refused(valid, folder, text):
    parts = Parts.of(valid[1])
    TEXTS[text](parts.arrays)
    parts.arrays = dict(sorted(parts.arrays.items(), key=lambda pair: -pair[1].itemsize))
    refused(folder / "texts-bad", parts.sum_up().bytes(), text)


def test_an_id_cut_inside_a_letter_is_refused(valid, folder):
    parts = Parts.of(valid[1])
    offsets, text = parts.arrays["items.offsets"], parts.arrays["items.text"].tobytes()
    inside = text.index("é".encode()) + 1
    offsets[np.flatnonzero(offsets == inside - 1)] = inside
    refused(folder / "letter", parts.sum_up().bytes(), "items.text is not UTF-8 text")


# -- the item table -------------------------------------------------------------------------------------------------


def values(name, *new, n=9):
    """Return an edit that puts these values, then nulls, into a column."""

    def edit(document):
        column = next(column for column in document["columns"] if column["name"] == name)
        column["values"] = [*new, *[None] * (n - len(new))]

    return edit


ITEMS = {
    "item column 'year' has 8 rows for 9 items: the item table is out of step": values("year", n=8),
    "item column 'year' holds str values, not int32": values("year", "1995"),
    "item column 'year' holds bool values, not int32": values("year", True),
    "item column 'year' holds a value that is no int32": values("year", 2**31),
    "item column 'big' holds a value that is no uint64": values("big", -1),
    "item column 'stars' holds int values, not float64": values("stars", 1),
    "item column 'colour' holds int values, not bool": values("colour", 1),
    "item column 'release_date' holds a value that is no date": values("release_date", 2**40),
    "item column 'genres' holds str values, not list": values("genres", "Comedy"),
    r"item column 'genres' holds int values, not list\[str\]": values("genres", [1]),
    r"item column 'genres' holds list values, not list\[str\]": values("genres", [["x"]]),
    "item column 'title' holds dict values, not str": values("title", {}),
    "item column 'empty' holds int values, not null": values("empty", 1),
    "the item table holds half a surrogate pair": values("title", "\ud800"),
    "item column 'year' has the unknown dtype 'object'": lambda d: d["columns"][1].update(dtype="object"),
    "the item table has the column 'year' twice": lambda d: d["columns"].append(d["columns"][1]),
    "the item table has the column 'item_id' twice": lambda d: d["columns"][1].update(name="item_id"),
    "the item table has no column 'title' of text": lambda d: d["columns"].pop(0),
    "a column must have name, dtype and values, nothing else": lambda d: d["columns"][1].update(more=1),
    "a column must have name, dtype and values": lambda d: d["columns"].append(3),
    "a column's name and dtype must be text, its values a list": lambda d: d["columns"][1].update(values=3),
    "a column's name and dtype must be text": lambda d: d["columns"][1].update(name=None),
    "the item table must be a list of columns": lambda d: d.update(columns={}),
    "the item table must be a list": lambda d: d.update(more=1),
}


@pytest.mark.parametrize("text", ITEMS)
def test_a_hostile_item_table_is_refused(valid, folder, text):
    parts = Parts.of(valid[0])
    document = parts.items_json()
    ITEMS[text](document)
    parts.set_items_json(document)
    refused(folder / "items", parts.sum_up().bytes(), text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the item table is not valid JSON"),
        (b"[" * 99999, "the item table is nested too deeply"),
        (b'{"columns": [' + b"[" * 20 + b"]" * 20 + b"]}", "the item table is nested too deeply: at most 8"),
        (b"[]", "the item table must be a list of columns"),
        (b'{"columns": [], "columns": []}', "the item table has the key 'columns' twice"),
    ],
)
def test_an_item_table_that_is_no_json_table_is_refused(valid, folder, data, text):
    parts = Parts.of(valid[0])
    parts.set_items_json(data)
    refused(folder / "items", parts.sum_up().bytes(), text)
