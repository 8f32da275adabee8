import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate.data.ids import Ids
from palate.errors import DataError, UnknownIdError

INT64 = st.integers(-(2**63), 2**63 - 1)
IDS = st.one_of(
    st.lists(INT64, min_size=1),
    st.lists(st.integers(-5, 40), min_size=1),
    st.lists(st.text(), min_size=1),
    st.lists(st.text("0123456789 é", max_size=3), min_size=1),
)


@settings(deadline=None)
@given(IDS)
def test_column_comes_back_from_ids_and_positions(values):
    dtype = pl.String if isinstance(values[0], str) else pl.Int64
    ids, index = Ids.from_column(pl.Series(values, dtype=dtype), "user")
    assert ids.values.to_list() == sorted(set(values))
    assert ids.at(index).to_list() == values
    assert index.dtype == np.int32
    assert ids.index(values).tolist() == index.tolist()


def test_positions_do_not_depend_on_blocks_or_chunks(monkeypatch):
    monkeypatch.setattr("palate.data.ids.BLOCK", 3)
    numbers = pl.concat([pl.Series([5, 2, 9, 2]), pl.Series([7, 5, 1])], rechunk=False)
    for column in (numbers, numbers * 10**15, numbers.cast(pl.String)):
        ids, index = Ids.from_column(column, "user")
        assert ids.values.to_list() == sorted(set(column.to_list()))
        assert index.tolist() == [2, 1, 4, 1, 3, 2, 0]


def test_empty_column_has_no_ids():
    for dtype in (pl.Int64, pl.String):
        ids, index = Ids.from_column(pl.Series([], dtype=dtype), "user")
        assert len(ids) == len(index) == 0


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt32, pl.Int64, pl.UInt64])
def test_integer_series_of_any_width_become_ids(dtype):
    assert Ids(pl.Series([3, 1, 2], dtype=dtype)).values.to_list() == [3, 1, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 1], "id ids repeat"),
        ([1, "a"], "all integers"),
        (["a", 1], "all integers"),
        ([1, None], "none missing"),
        ([1.5], "all integers"),
        ([True, False], "true and false are no ids"),
        ([2**70], "64 bit"),
        (pl.Series([2**63], dtype=pl.UInt64), "none missing"),
    ],
)
def test_bad_ids_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        Ids(values)


def test_unknown_id_names_it_and_the_known_range():
    with pytest.raises(UnknownIdError, match=r"unknown user id 9; known are 3 users, from 1 to 5"):
        Ids([1, 3, 5], "user").index([1, 9])
    with pytest.raises(UnknownIdError, match=r"unknown item ids 'x', 'y'; known are 2 items, such as 'a', 'b'"):
        Ids(["a", "b"], "item").index(["x", "a", "y"])
    assert Ids([1, 3, 5]).index([3, 9, 1], on_unknown="mark").tolist() == [1, -1, 0]


@pytest.mark.parametrize(("known", "asked"), [([1, 2], "1"), ([1, 2], 1.0), ([1, 2], True), (["1"], 1), (["1"], None)])
def test_id_of_another_type_is_refused_not_guessed(known, asked):
    ids = Ids(known, "user")
    with pytest.raises(UnknownIdError, match="user ids are"):
        ids.index([asked])
    assert asked not in ids


def test_one_id_may_stand_alone():
    assert Ids([4, 7]).index(7).tolist() == [1]
    assert Ids([4, 7]).index(np.int64(4)).tolist() == [0]
    assert Ids(["ab", "c"]).index("ab").tolist() == [0]


def test_typed_text_is_parsed_by_the_kind_of_id():
    assert Ids([1, 2]).parse("2") == 2
    assert Ids(["1"]).parse("2") == "2"
    with pytest.raises(UnknownIdError, match=r"user ids are integers here, from 1 to 2; got 'two'"):
        Ids([1, 2], "user").parse("two")


def test_equality_and_shape():
    assert Ids([1, 2]) == Ids(pl.Series([1, 2])) != Ids([2, 1])
    assert Ids([1]) != Ids(["1"])
    assert hash(Ids([1, 2])) == hash(Ids([1, 2]))
    assert 1 in Ids([1]) and 2 not in Ids([1])  # noqa: PT018
    assert repr(Ids([1, 2], "user")) == "Ids(2 users, integer, from 1 to 2)"
    assert Ids([]).kind == "integer"
    assert "none" in repr(Ids([]))


def test_only_plain_digits_are_parsed():
    assert [Ids([10], "user").parse(text) for text in ("10", "+10", "-3", " 7 ", "0" * 30 + "5")] == [10, 10, -3, 7, 5]
    for text in ("1_0", "٣", "", "+", "1.0", "--1"):
        with pytest.raises(UnknownIdError, match="user ids are integers here"):
            Ids([10, 3], "user").parse(text)
    with pytest.raises(UnknownIdError, match=r"unknown user id '1{58}…; known are 1 users"):
        Ids([10], "user").parse("1" * 5000)


@pytest.mark.parametrize("asked", [b"ab", bytearray(b"ab"), memoryview(b"ab")])
def test_bytes_are_no_ids(asked):
    with pytest.raises(UnknownIdError, match=r"user ids are integers here; got .* of type"):
        Ids([97, 98], "user").index(asked)


def test_integers_beyond_64_bits_are_unknown():
    with pytest.raises(UnknownIdError, match="unknown user id 1180591620717411303424; known"):
        Ids([1], "user").index([2**70])
    with pytest.raises(UnknownIdError, match="unknown user id a int too long to write; known"):
        Ids([1], "user").index(10**5000)


def test_long_ids_are_shortened_in_messages():
    ids = Ids(["a" * 500, "b"], "user")
    with pytest.raises(UnknownIdError, match=r"unknown user id 'c{58}…; known are 2 users, such as 'a{58}…, 'b'$"):
        ids.index("c" * 500)
    with pytest.raises(UnknownIdError, match=r"got \['d{57}… of type list"):
        ids.index([["d" * 500]])
    with pytest.raises(DataError, match=r"all text: .{60,120}$"):
        Ids([1, "a" * 500])
