import datetime

import numpy as np
import polars as pl
import pytest

from palate.data.checking import Fault, Policy, Where, dropped_or_raise, typed
from palate.errors import DataError, ParameterError


def faults_of(policy=None, **columns):
    found = {
        name: values if isinstance(values, pl.Series) else pl.Series(name, values) for name, values in columns.items()
    }
    found = {name: column.alias(name) for name, column in found.items()}
    faults = typed(found, policy or Policy())
    return {(f.kind, f.text.split(", such as")[0]): f.rows.tolist() for f in faults}, found


@pytest.mark.parametrize(
    ("values", "missing", "invalid"),
    [
        ([1, None, 3], [1], []),
        ([1.0, 2.5, float("nan"), None], [2, 3], [1]),
        (["a", "", "  ", None, "b"], [1, 2, 3], []),
        (pl.Series([1, 2**64 - 1], dtype=pl.UInt64), [], [1]),
        ([None, None], [0, 1], []),
        (pl.Series(["a", None], dtype=pl.Categorical), [1], []),
    ],
)
def test_faults_of_ids(values, missing, invalid):
    found, _ = faults_of(user=values)
    assert found.get(("missing", "user is missing"), []) == missing
    assert found.get(("invalid", "user cannot be read"), []) == invalid


@pytest.mark.parametrize(
    ("values", "missing", "unread", "infinite"),
    [
        ([1, None, 3], [1], [], []),
        ([1.0, float("nan"), float("inf"), -float("inf")], [1], [], [2, 3]),
        (["1", " 2.5 ", "x", "", "NaN", "inf", "1e300", None], [3, 4, 7], [2], [5, 6]),
        (["3,5"], [], [0], []),
        ([True, False], [], [], []),
        ([1e300], [], [], [0]),
        ([None, None], [0, 1], [], []),
    ],
)
def test_faults_of_values(values, missing, unread, infinite):
    found, columns = faults_of(value=values)
    assert found.get(("missing", "value is missing"), []) == missing
    assert found.get(("invalid", "value cannot be read"), []) == unread
    assert found.get(("invalid", "value is not finite"), []) == infinite
    assert columns["value"].dtype == pl.Float32


def test_values_outside_the_stated_range_are_faults_and_infinite_ones_only_once():
    found, _ = faults_of(Policy(rating_range=(1, 5)), value=[0.5, 1, 5, 5.5, float("inf"), None])
    assert found[("invalid", "value is outside 1 to 5")] == [0, 3]
    assert found[("invalid", "value is not finite")] == [4]
    assert found[("missing", "value is missing")] == [5]


SECONDS = 1_577_872_800  # 2020-01-01 10:00:00 UTC


@pytest.mark.parametrize(
    "time",
    [
        "2020-01-01T10:00:00Z",
        "2020-01-01T12:00:00+02:00",
        "2020-01-01 10:00:00",
        "2020-01-01T10:00:00.250",
        "1577872800",
        " 1577872800 ",
        "1577872800.9",
    ],
)
def test_texts_that_are_times(time):
    found, columns = faults_of(time=[time, "2020-01-01"])
    assert not found
    assert columns["time"].to_list() == [SECONDS, SECONDS - 36_000]


def test_texts_that_are_all_whole_seconds():
    assert faults_of(time=["5", " -7 ", None])[1]["time"].to_list() == [5, -7, None]


def test_dates_and_moments_become_seconds():
    moment = pl.Series([datetime.datetime(2020, 1, 1, 10)])
    for column in (
        moment,
        moment.cast(pl.Datetime("ms")),
        moment.dt.replace_time_zone("UTC"),
        pl.Series([SECONDS + 0.5]),
    ):
        assert faults_of(time=column)[1]["time"].to_list() == [SECONDS]
    assert faults_of(time=moment.cast(pl.Date))[1]["time"].to_list() == [SECONDS - 36_000]


def test_texts_that_are_no_times():
    found, _ = faults_of(time=["2020-01-01", "soon", "", None, "2020-13-01"])
    assert found == {("missing", "time is missing"): [2, 3], ("invalid", "time cannot be read"): [1, 4]}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("user", [[1]], r"column 'user' has type List\(Int64\); ids are integers or text"),
        ("value", [datetime.date(2020, 1, 1)], r"column 'value' has type Date; values are numbers"),
        ("time", [True], r"column 'time' has type Boolean; times are seconds, dates or ISO text"),
    ],
)
def test_types_that_fit_no_role(name, values, message):
    with pytest.raises(DataError, match=message):
        faults_of(**{name: values})


def test_one_error_lists_all_faults_rows_and_remedies():
    faults = [
        Fault("missing", "user", "is missing", np.array([0])),
        Fault("invalid", "value", "cannot be read", np.arange(2, 9), "'x'"),
        Fault("duplicate", "a user-item pair", "stands again", np.array([9, 10])),
    ]
    with pytest.raises(DataError) as caught:
        dropped_or_raise(12, faults, Policy(), Where("log.csv", "line", 2))
    assert str(caught.value).splitlines() == [
        "log.csv has faults:",
        "  user is missing: 1 of 12 (line 2)",
        "  value cannot be read, such as 'x': 7 of 12 (lines 4, 5, 6, 7, 8, …)",
        "  a user-item pair stands again: 2 of 12 (lines 11, 12)",
        "what can be done:",
        "  on_missing='drop' leaves these rows out",
        "  on_invalid='drop' leaves these rows out",
        "  on_duplicate='last', 'mean' or 'sum' makes one row of each pair",
    ]


def test_only_faults_that_may_not_be_dropped_are_errors():
    faults = [
        Fault("missing", "user", "is missing", np.array([0])),
        Fault("invalid", "value", "is not finite", np.array([0, 1])),
    ]
    with pytest.raises(DataError, match="value is not finite") as caught:
        dropped_or_raise(4, faults, Policy(on_missing="drop"), Where())
    assert "user is missing" not in str(caught.value)
    both = Policy(on_missing="drop", on_invalid="drop")
    assert dropped_or_raise(4, faults, both, Where()) == {"user is missing": 1, "value is not finite": 1}  # a row once
    with pytest.raises(DataError, match="the table: no row is left after dropping 2 faulty rows"):
        dropped_or_raise(2, faults, both, Where())


def test_empty_table_is_an_error():
    with pytest.raises(DataError, match="the table is empty: there is no rating in it"):
        dropped_or_raise(0, [], Policy(), Where())


def test_row_numbers_may_come_from_elsewhere():
    where = Where("f", "line", numbers=lambda rows: [10 * r for r in rows])
    assert where.rows(np.array([1])) == "line 10"
    assert where.rows(np.arange(8)) == "lines 0, 10, 20, 30, 40, …"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"on_missing": "ignore"}, "on_missing must be 'error' or 'drop', got 'ignore'"),
        ({"on_invalid": None}, "on_invalid must be 'error' or 'drop', got None"),
        ({"on_duplicate": "first"}, "on_duplicate must be 'error', 'last', 'mean' or 'sum', got 'first'"),
        ({"rating_range": (5, 1)}, r"rating_range must be \(lowest, highest\), got \(5, 1\)"),
        ({"rating_range": (float("nan"), 1)}, "rating_range must be"),
    ],
)
def test_policies_that_are_none(policy, message):
    with pytest.raises(ParameterError, match=message):
        Policy(**policy)


@pytest.mark.parametrize("given", [5, "1:5", (1,), (None, 5), ("1", "5"), (1, float("inf")), (1, 1e300), (0, 10**400)])
def test_rating_ranges_that_are_none(given):
    with pytest.raises(ParameterError, match=r"rating_range must be \(lowest, highest\), got .*; give two numbers"):
        Policy(rating_range=given)


@pytest.mark.parametrize(
    ("time", "unit", "word"),
    [
        (874_724_710_000, "ms", "milliseconds"),
        ("1700000000000000", "us", "microseconds"),
        (1_700_000_000_000_000_000, "ns", "nanoseconds"),
        (-62_135_596_801, "ms", "milliseconds"),
    ],
)
def test_times_that_are_no_seconds(time, unit, word):
    columns = {"time": pl.Series("time", [type(time)(5), time, None])}
    fault = next(f for f in typed(columns, Policy()) if f.kind == "invalid")
    assert fault.rows.tolist() == [1]
    assert fault.text == f"time is outside the years 1 to 9999, such as {time}, as {word} are"
    assert str(fault.remedy) == f"time_unit='{unit}' reads {word}"
    columns = {"time": pl.Series("time", [type(time)(5), time, None])}
    assert {f.kind for f in typed(columns, Policy(time_unit=unit))} == {"missing"}
    per_second = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    assert columns["time"].to_list() == [0, int(time) // per_second, None]


def test_times_beyond_all_years_in_their_unit():
    fault = next(f for f in faults_of_time([10**18], "ms") if f.kind == "invalid")
    assert fault.text == "time is outside the years 1 to 9999, such as 1000000000000000000"
    assert not fault.remedy


def faults_of_time(times, unit):
    return typed({"time": pl.Series("time", times)}, Policy(time_unit=unit))


def test_first_and_last_second_of_all_dates_are_times():
    assert not faults_of(time=[-62_135_596_800, 253_402_300_799])[0]


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["a", "", "  "])])
def test_empty_categories_are_missing_ids(kind):
    found, _ = faults_of(user=pl.Series(["a", "", "  "], dtype=kind))
    assert found == {("missing", "user is missing"): [1, 2]}


@pytest.mark.parametrize("beyond", ["99999999999999999999", "-9223372036854775809"])
def test_one_time_beyond_64_bits_leaves_the_others(beyond):
    columns = {"time": pl.Series("time", ["881250949", beyond, "2020-01-01T10:00:00Z"])}
    faults = typed(columns, Policy())
    assert [(f.kind, f.rows.tolist()) for f in faults] == [("invalid", [1])]
    assert columns["time"][0] == 881_250_949
    assert columns["time"][2] == SECONDS


def test_examples_are_shortened():
    fault = typed({"value": pl.Series("value", ["x" * 500])}, Policy())[0]
    assert fault.text == f"value cannot be read, such as '{'x' * 58}…"


@pytest.mark.parametrize("word", ["NULL", "null", "nan", "NaN", "None", "NA", "N/A", "<NA>", "\\N"])
def test_words_that_say_missing_are_missing(word):
    for role in ("user", "item", "value", "time"):
        faults = typed({role: pl.Series(role, ["1", word])}, Policy())
        assert [(f.kind, f.rows.tolist()) for f in faults] == [("missing", [1])]
        assert faults[0].text == f"{role} is missing, such as {word!r}"
        assert bool(faults[0].remedy) == (role in ("user", "item"))
    columns = {"user": pl.Series("user", ["1", word])}
    assert not typed(columns, Policy(ids="text"))
    assert columns["user"].to_list() == ["1", word]


def test_float_ids_beyond_their_precision_are_refused_whatever_they_are():
    ids = pl.Series("user", [2.0**53 + 2, -(2.0**60), 2.0**53, float("inf"), None, float("nan"), 7])
    columns = {"user": ids}
    faults = {f.kind: f for f in typed(columns, Policy())}
    assert faults["invalid"].rows.tolist() == [0, 1, 3]
    assert faults["invalid"].text.startswith(
        "user is a float beyond 2**53, which may stand for several ids, such as 9007"
    )
    assert faults["missing"].rows.tolist() == [4, 5]


def test_numbers_as_text_ids():
    columns = {"user": pl.Series("user", [1.0, 20.0]), "item": pl.Series("item", [3, 4])}
    assert not typed(columns, Policy(ids="text"))
    assert (columns["user"].to_list(), columns["item"].to_list()) == (["1", "20"], ["3", "4"])


def test_truth_written_out_is_a_value():
    columns = {"value": pl.Series("value", ["True", " false", "TRUE"])}
    assert not typed(columns, Policy())
    assert columns["value"].to_list() == [1, 0, 1]
    assert len(typed({"value": pl.Series("value", ["True", "3"])}, Policy())) == 1


def test_commas_in_numbers_are_explained_and_a_remedy_for_all_rows_stands_alone():
    fault = typed({"value": pl.Series("value", ["1,5"])}, Policy())
    with pytest.raises(DataError) as caught:
        dropped_or_raise(1, fault, Policy(), Where("a.csv", "line", 2, columns={"value": "Note"}))
    assert str(caught.value).splitlines() == [
        "a.csv has faults:",
        "  value cannot be read, such as '1,5': 1 of 1 (line 2) in 'Note'",
        "what can be done:",
        "  numbers are written with a decimal point and without marks between thousands",
    ]


@pytest.mark.parametrize(
    ("option", "message"), [({"ids": "int"}, "ids must be"), ({"time_unit": "h"}, "time_unit must")]
)
def test_how_ids_and_times_are_taken_is_checked(option, message):
    with pytest.raises(ParameterError, match=message):
        Policy(**option)
