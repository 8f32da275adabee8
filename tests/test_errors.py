"""Errors carry fields, their sentences are made from them, and each door says them in its own words."""

import ast
import copy
import json
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import palate
from palate import errors
from palate.cli import app
from palate.cli.wording import running, worded
from palate.errors import Blank, Call, Code, Column, Remedy, Set

SOURCE = Path(palate.__file__).parent
DOCS = Path(__file__).resolve().parent.parent / "docs" / "errors.md"
CLASSES = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, palate.PalateError)
}


def raised(call, *args, **options):
    with pytest.raises(palate.PalateError) as caught:
        call(*args, **options)
    return caught.value


@cache
def calls():
    """Return every call that makes an error, as (file, line, class, method or "", node)."""
    return tuple(_calls())


def _calls():
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            if isinstance(name, ast.Name) and name.id in CLASSES:
                way = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                yield path.relative_to(SOURCE), node.lineno, name.id, way, node


def test_every_error_is_raised_with_a_subject():
    bare = [
        f"{path}:{line}"
        for path, line, _, way, node in calls()
        if not way and "subject" not in {keyword.arg for keyword in node.keywords}
    ]
    assert bare == []
    assert len(calls()) > 400


def test_the_page_of_codes_has_each_code_that_is_raised_and_no_other():
    given = [keyword.value for *_, node in calls() for keyword in node.keywords if keyword.arg == "code"]
    said = {value.value for value in given if isinstance(value, ast.Constant)}  # a variable's type is `Code`
    said |= {getattr(errors, kind).code for _, _, kind, _, _ in calls()} | {"disk", "unknown_name"}
    listed = re.findall(r"^\| `(\w+)` \| (?:any|`\w+Error`)", DOCS.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(set(listed)) == sorted(get_args(Code)) == sorted(said)


def test_the_page_has_the_status_of_each_code():
    from palate.serve.problems import STATUS, TITLES

    rows = re.findall(r"^\| (\d{3}) \| (.+) \|$", DOCS.read_text(), re.MULTILINE)
    assert {code: int(status) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)} == STATUS
    assert {*STATUS.values(), 422} <= TITLES.keys()
    assert STATUS.keys() <= {*get_args(Code)}


def test_no_door_rewrites_a_sentence():
    for path in [*(SOURCE / "cli").glob("*.py"), *(SOURCE / "ui").glob("*.py")]:
        assert "re.sub(" not in path.read_text(), path


def of_each_class(tmp_path):
    model = palate.Popularity()
    clicks = palate.Interactions.from_table({"user": [1, 2, 2], "item": [1, 1, 2]})
    return [
        (
            raised(palate.Interactions.from_table, {"user": [1], "item": [1], "value": ["x"]}),
            "faults",
            "the table",
            None,
        ),
        (raised(palate.ALS(n_factors=0).fit, clicks), "parameter", "n_factors", 0),
        (raised(palate.ALS, factors=3), "unknown_parameter", "factors", None),
        (raised(palate.Popularity().fit(clicks).recommend, [7, 8]), "unknown_id", "user", [7, 8]),
        (raised(model.recommend, 1), "not_fitted", "this Popularity", None),
        (raised(palate.load, tmp_path / "no.safetensors"), "not_found", str(tmp_path / "no.safetensors"), None),
        (raised(palate.read_ratings, tmp_path / "no.csv"), "not_found", str(tmp_path / "no.csv"), None),
        (raised(palate.make_splits, clicks, "rndom:0.2"), "unknown_name", "rndom:0.2", None),
        (errors.missing_extra("ui", "the web page"), "missing_extra", "the web page", "ui"),
    ]


def test_errors_of_each_class_carry_code_subject_and_value(tmp_path):
    for error, code, subject, value in of_each_class(tmp_path):
        assert (error.code, error.subject, error.value) == (code, subject, value), repr(error)
        fields = error.as_dict()
        assert fields["message"] == str(error)
        assert fields["type"] == type(error).__name__
        assert json.loads(json.dumps(fields, allow_nan=False)) == fields


def test_fields_outlast_pickling_and_copying(tmp_path):
    for error, *_ in of_each_class(tmp_path):
        for same in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(same) is type(error)
            assert same.as_dict() == error.as_dict()
    source = errors.SourceError.of("the page", "did not answer", code="damaged", rows=[1])
    assert pickle.loads(pickle.dumps(source)).as_dict() == source.as_dict()


def test_fields_come_back_from_another_process():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = raised(pool.submit(palate.Interactions.from_table, {"user": [1, 1], "item": [2, 2]}).result)
    assert (error.code, error.rows) == ("faults", (1,))
    assert error.remedies[0].as_dict()["set"] == {"on_duplicate": "last"}


def test_a_fault_of_rows_is_an_object():
    table = {"user": [1, 2, 3], "item": [1, 1, None], "value": [4, "4,5", "x"]}
    error = raised(palate.Interactions.from_table, table)
    assert error.rows == (1, 2)
    missing, invalid = error.faults
    assert missing == {
        "kind": "missing",
        "role": "item",
        "column": "item",
        "what": "item is missing",
        "count": 1,
        "rows": [2],
        "remedy": None,
    }
    assert (invalid["kind"], invalid["count"], invalid["rows"]) == ("invalid", 2, [1, 2])
    assert invalid["remedy"]["text"].startswith("numbers are written with a decimal point")


@pytest.fixture
def on(monkeypatch):
    """Return a function that words something for a command."""

    def words(name, part):
        monkeypatch.setattr(running, "command", lambda: get_command(app).commands[name])
        return worded(part)

    return words


def test_one_error_in_the_words_of_python_and_of_each_command(on):
    error = errors.DataError(
        "the values differ",
        Remedy(": say how, such as ", Set("positive", 4)),
        Remedy(", or drop them with ", Set("on_invalid", "drop")),
    )
    assert str(error) == "the values differ: say how, such as positive=4, or drop them with on_invalid='drop'"
    assert (
        on("train", error)
        == "the values differ: say how, such as --positive 4, or drop them with --read on_invalid=drop"
    )
    assert on("recommend", error) == "the values differ, or drop them with --read on_invalid=drop"
    assert on("serve", error) == "the values differ"


def test_what_a_command_has_no_option_for_is_not_advised(on):
    seen = Remedy("; pass ", Set("exclude_seen", False))
    assert on("recommend", seen) == "; pass --include-seen"
    assert on("train", seen) == ""
    assert on("recommend", Remedy("; give the rows to ", Call("recommend_for"))) == "; give the rows to --rows"
    assert on("evaluate", Remedy(", or with ", Call("without_overlap(train, test)"))) == ""
    assert on("export", Column("item", "call that column 'item_id'")) == "call that column 'item_id'"
    assert on("import", Set("rating_range", (1, 5))) == "--rating-range 1:5"
    assert on("export", Set("rating_range", (Blank("LOW"), Blank("HIGH")))) == "rating_range=(LOW, HIGH)"


def test_a_refused_file_keeps_what_refused_it(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    error = raised(palate.load, tmp_path / "a.safetensors")
    assert (error.code, error.subject) == ("model_file", str(tmp_path / "a.safetensors"))
    within = errors.ParameterError.outside("reg", "above 0", -1).within("a.json: ", subject="a.json")
    assert str(within) == "a.json: reg must be above 0, got -1"
    assert (within.code, within.subject, within.value) == ("parameter", "reg", -1)


def test_values_are_as_json_holds_them():
    values = [np.float32(0.5), float("nan"), 10**5000, {"a": (1, {2})}, object, b"x", "…" * 3]
    fields = errors.ParameterError("odd", value=values, subject=Path("x")).as_dict()
    assert json.loads(json.dumps(fields, allow_nan=False))["value"][:2] == [0.5, "nan"]
    itself: list[object] = []
    itself.append(itself)
    json.dumps(errors.ParameterError("odd", value=itself).as_dict())


def test_an_id_that_is_none_names_its_option(tmp_path):
    clicks = palate.Interactions.from_table({"user": [1, 2, 2], "item": [1, 1, 2]})
    path = str(palate.save(palate.Popularity().fit(clicks), tmp_path / "m.safetensors") or tmp_path / "m.safetensors")
    done = CliRunner().invoke(app, ["recommend", path, "--user", "1", "--deny", "ABC"])
    assert isinstance(done.exception, palate.errors.UnknownIdError)
    assert str(done.exception) == "--deny takes item ids: item ids are integers here, from 1 to 2; got 'ABC'"
    assert (done.exception.subject, done.exception.ids) == ("item", ["ABC"])
