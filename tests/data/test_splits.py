from __future__ import annotations

import math
from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sklearn.model_selection import KFold, train_test_split
from synthetic import interactions

from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.data.splits.making import make_splits, split
from palate.data.splits.split import Split
from palate.errors import DataError, ParameterError


def made(n, seed=0, times=True) -> Interactions:
    """Return n ratings by few users and items, with many equal times."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation(8 * max(n, 1))[:n]
    users, items = np.divmod(cells, max(n, 1))
    return interactions(users, items, rng.integers(1, 6, n), rng.integers(0, 9, n) if times else None)


def official() -> Interactions:
    """Return 100,000 ratings by as many users and items as MovieLens 100K has, with its first and its last row."""
    first, last = 195 * 1682 + 241, 11 * 1682 + 202
    cells = np.linspace(0, 943 * 1682 - 1, 100_000).astype(int)
    cells = np.concatenate([[first], cells[~np.isin(cells, [first, last])][-99_998:], [last]])
    users, items = np.divmod(cells, 1682)
    return interactions(users + 1, items + 1, np.arange(100_000) % 5 + 1)


@settings(max_examples=60)
@given(n=st.integers(2, 300), part=st.floats(0.01, 0.99), seed=st.integers(0, 2**32 - 1))
def test_random_is_scikit_learns_train_test_split(n, part, seed):
    if math.ceil(part * n) == n:
        with pytest.raises(DataError, match="leaves no row in the train part"):
            make_splits(made(n), f"random:{part}:{seed}")
        return
    train, test = train_test_split(np.arange(n), test_size=part, random_state=seed)
    one = make_splits(made(n), f"random:{part!r}:{seed}")[0]
    np.testing.assert_array_equal(one.train, train)
    np.testing.assert_array_equal(one.test, test)


def test_split_gives_scikit_learns_rows():
    data = made(97)
    expected = train_test_split(np.arange(97), test_size=0.2, random_state=42)
    for part, rows in zip(split(data), expected, strict=True):
        np.testing.assert_array_equal(part.user_index, data.user_index[rows])
        np.testing.assert_array_equal(part.values, data.values[rows])
        np.testing.assert_array_equal(part.times, data.times[rows])
        assert part.users == data.users
    train, _ = split(data, test=0.5, random_state=np.int64(7))
    rows, _ = train_test_split(np.arange(97), test_size=0.5, random_state=7)
    np.testing.assert_array_equal(train.values, data.values[rows])


@settings(max_examples=40)
@given(n=st.integers(2, 200), folds=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_kfold_is_scikit_learns(n, folds, seed):
    text = f"kfold:{folds}:{seed}"
    if folds > n:
        with pytest.raises(DataError, match=f"the split {text} asks for more folds than there are rows"):
            make_splits(made(n), text)
        return
    ours = make_splits(made(n), text)
    theirs = list(KFold(folds, shuffle=True, random_state=seed).split(np.arange(n)))
    assert [s.name for s in ours] == [f"{text} fold {k}" for k in range(1, folds + 1)]
    for one, (train, test) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.train, train)
        np.testing.assert_array_equal(one.test, test)


STRINGS = (
    "random:0.3:1",
    "stratified:0.3:1",
    "last:1",
    "time:0.3",
    "rolling:1:0.3",
    "kfold:3:1",
    "cold-items:0.3:1",
    "cold-users:0.3:1",
)


@settings(max_examples=60)
@given(n=st.integers(30, 200), seed=st.integers(0, 1000), text=st.sampled_from(STRINGS))
def test_parts_are_disjoint_cover_all_rows_and_come_again(n, seed, text):
    data = made(n, seed)
    try:
        several = make_splits(data, text)
    except DataError as error:
        assert "leaves no row in the" in str(error)  # noqa: PT017 some draws leave a part empty, and say so
        return
    for one, again in zip(several, make_splits(data, text), strict=True):
        assert sorted([*one.train, *one.test]) == list(range(n))
        assert len(one.train) > 0 < len(one.test)
        assert not one.train.flags.writeable
        np.testing.assert_array_equal(one.test, again.test)
        train, test = one.apply(data)
        assert (len(train), len(test)) == (len(one.train), len(one.test))
        assert train.users == test.users == data.users
    if len(several) > 1:
        assert sorted(np.concatenate([one.test for one in several])) == list(range(n))


@pytest.mark.parametrize("seed", range(5))
def test_stratified_takes_the_part_of_every_user(seed):
    data = made(200, seed)
    one = make_splits(data, f"stratified:0.25:{seed}")[0]
    for user in range(data.n_users):
        own = int((data.user_index == user).sum())
        assert int((data.user_index[one.test] == user).sum()) == round(0.25 * own)
    other = make_splits(data, f"stratified:0.25:{seed + 1}")[0]
    assert one.test.tolist() != other.test.tolist()


@pytest.mark.parametrize("n", [1, 3])
def test_last_takes_every_users_latest_rows_and_of_equal_times_the_later_row(n):
    data = made(150, 4)
    one = make_splits(data, f"last:{n}")[0]
    assert one.test.tolist() == naive.last_of_each_user(data.user_index.tolist(), data.times.tolist(), n)


def test_time_cuts_at_one_moment():
    data = made(150, 5)
    one = make_splits(data, "time:0.2")[0]
    assert one.test.tolist() == naive.latest(data.times.tolist(), 0.2)
    assert data.times[one.train].max() < data.times[one.test].min()


@settings(max_examples=60)
@given(n=st.integers(20, 200), windows=st.integers(1, 4), part=st.floats(0.02, 0.2), seed=st.integers(0, 1000))
def test_rolling_windows_learn_from_all_before_and_test_on_what_follows(n, windows, part, seed):
    data = made(n, seed)
    times = data.times.tolist()
    size = math.ceil(part * n)
    ordered = sorted(times)
    cuts = [ordered[n - k * size] for k in range(windows, 0, -1)]
    text = f"rolling:{windows}:{part!r}"
    try:
        several = make_splits(data, text)
    except DataError as error:  # equal times may leave a window, or all before the first, empty
        assert "leaves no row in the" in str(error)  # noqa: PT017
        assert cuts[0] == ordered[0] or len(set(cuts)) < windows
        return
    assert [s.name for s in several] == [f"{text} window {k}" for k in range(1, windows + 1)]
    for one, start, end in zip(several, cuts, [*cuts[1:], math.inf], strict=True):
        assert one.train.tolist() == [row for row in range(n) if times[row] < start]
        assert one.test.tolist() == [row for row in range(n) if start <= times[row] < end]
        assert max(one.apply(data)[0].times) < start


def test_windows_that_leave_nothing_to_learn_from_are_refused():
    with pytest.raises(DataError, match=r"rolling:5:0.2 has 5 windows of 8 rows, and the data has 40: nothing is left"):
        make_splits(made(40), "rolling:5:0.2")


def test_one_window_is_the_cut():
    data = made(150, 5)
    for a, b in zip(make_splits(data, "rolling:1:0.2"), make_splits(data, "time:0.2"), strict=True):
        np.testing.assert_array_equal(a.train, b.train)
        np.testing.assert_array_equal(a.test, b.test)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ([0, 1, 2], [2, 3, 1], "2 rows stand in both parts; a test row must not be a training row"),
        ([0, 1, 1, 0], [2], "2 rows stand again in the train part; each may stand once"),
        ([0], [2, 2], "1 rows stand again in the test part"),
        ([0, -1], [2], "the train part of mine must be a list of row numbers from 0"),
        ([0], [1.5], "the test part of mine must be a list of row numbers from 0"),
        ([0], [[1]], "the test part of mine must be a list of row numbers from 0"),
        ([0], [], "the split mine leaves no row in the test part"),
    ],
)
def test_rows_that_are_no_split_are_refused(train, test, said):
    with pytest.raises(DataError, match=said):
        Split("mine", np.array(train), np.array(test))


def test_a_split_keeps_its_own_rows_and_its_claim():
    data = made(40, 3)
    given = np.arange(30)
    one = Split("mine", given, np.arange(30, 40))
    given[0] = 5  # the caller's array stays writable, and the split sees it: no copy of 100 million rows
    assert not one.train.flags.writeable
    with pytest.raises(DataError, match="the split mine has row 39, and these interactions end at 19: it was made of"):
        one.apply(data.take(np.arange(20)))
    with pytest.raises(ParameterError, match="in_time must be one of"):
        Split("mine", np.array([0]), np.array([1]), "always")


def test_a_split_by_time_that_sees_the_future_is_refused():
    data = interactions([1, 1, 2, 2], [1, 2, 1, 2], [3] * 4, times=[0, 86_400, 10, 2 * 86_400])
    future = Split("mine", np.array([0, 3]), np.array([1, 2]), "all")
    with pytest.raises(DataError) as error:
        future.apply(data)
    assert str(error.value).startswith(
        "mine is a split by time, and 1 of 2 training rows are later than the first test row, such as "
        "1970-01-03 00:00:00 after 1970-01-01 00:00:10: training would see the future"
    )
    Split("mine", np.array([0, 2]), np.array([1, 3]), "all").apply(data)
    with pytest.raises(DataError, match=r"1 of 2 training rows are later than the first test row of the same user"):
        Split("mine", np.array([0, 3]), np.array([1, 2]), "user").apply(data)
    Split("mine", np.array([0, 2]), np.array([1, 3]), "user").apply(data)
    Split("mine", np.array([0, 3]), np.array([1, 2])).apply(data)  # claims nothing
    with pytest.raises(DataError, match="mine is a split by time, and these interactions have no times"):
        future.apply(interactions([1, 1, 2, 2], [1, 2, 1, 2]))


@pytest.mark.parametrize(
    ("text", "claim"), [("time:0.2", "all"), ("rolling:1:0.2", "all"), ("last:1", "user"), ("kfold:2:1", "")]
)
def test_splits_claim_what_they_keep(text, claim):
    data = made(80, 2)
    one = make_splits(data, text)[0]
    assert one.in_time == claim
    if claim:  # the same rows of other times are refused
        late = replace(data, times=data.times.max() - data.times)
        with pytest.raises(DataError, match="training would see the future"):
            one.apply(late)


def test_facts_of_a_split():
    data = interactions([1, 1, 2, 3, 3], [1, 2, 1, 2, 3], [3] * 5)
    facts = Split("mine", np.array([0, 1]), np.array([2, 3, 4])).describe(data)
    assert (facts.n_train, facts.n_test) == (2, 3)
    assert (facts.users_without_training, facts.items_without_training, facts.test_rows_of_those) == (2, 1, 3)
    assert facts.says == (
        "2 training rows, 3 test rows; 2 users and 1 item of the test part have no training row (3 test rows): "
        "they are measured like all others"
    )
    facts = Split("mine", np.array([0, 1, 2, 4]), np.array([3])).describe(data)
    assert facts.says == "4 training rows, 1 test rows, all of users and items with training rows"
    facts = Split("mine", np.array([0, 1, 2, 3]), np.array([4])).describe(data)
    assert "; 1 item of the test part has no training row (1 test row): they" in facts.says


@pytest.mark.parametrize(("kind", "index"), [("cold-items", "item_index"), ("cold-users", "user_index")])
def test_cold_splits_leave_no_training_row_to_a_fifth(kind, index):
    data = made(300, 6)
    one = make_splits(data, f"{kind}:0.2:3")[0]
    train, test = (set(getattr(data, index)[rows].tolist()) for rows in (one.train, one.test))
    assert not train & test
    n = data.n_items if kind == "cold-items" else data.n_users
    assert len(test) == math.ceil(0.2 * n)
    assert make_splits(data, f"{kind}:0.2:4")[0].test.tolist() != one.test.tolist()


def test_official_splits_are_consecutive_blocks():
    data = official()
    for k in range(1, 6):
        one = make_splits(data, f"official:u{k}")[0]
        np.testing.assert_array_equal(one.test, np.arange((k - 1) * 20_000, k * 20_000))
        assert len(one.train) == 80_000
    with pytest.raises(ParameterError, match="the split 'official:u6' should be official:u1 to official:u5"):
        make_splits(data, "official:u6")
    with pytest.raises(
        DataError, match=r"made for the 100,000 rows of MovieLens 100K in their order, these are 99 .load"
    ):
        make_splits(made(99), "official:u1")


def test_the_seed_may_be_left_out_and_is_then_42():
    data = made(60)
    for short, whole in (
        ("random:0.2", "random:0.2:42"),
        ("kfold:3", "kfold:3:42"),
        (" cold-users:0.2", "cold-users:0.2:42"),
    ):
        assert make_splits(data, short)[0].test.tolist() == make_splits(data, whole)[0].test.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            "unknown split ''; known are random:0.2:42, stratified:0.25:42, last:1, time:0.2, rolling:4:0.1",
        ),
        ("leave-one-out", "unknown split 'leave-one-out'; known are"),
        ("random", "the split 'random' should look like random:0.2:42"),
        ("random:0.2:42:1", "the split 'random:0.2:42:1' should look like random:0.2:42"),
        ("random:much:42", "the split 'random:much:42' should look like random:0.2:42"),
        ("random:0.2:x", "the split 'random:0.2:x' should look like random:0.2:42"),
        ("random:0:1", "the test part of the split 'random:0:1' must lie between 0 and 1"),
        ("time:1", "the test part of the split 'time:1' must lie between 0 and 1"),
        ("stratified:nan:1", "the test part of the split 'stratified:nan:1' must lie between 0 and 1"),
        ("random:0.2:-1", "the seed of the split 'random:0.2:-1' must be a whole number from 0 to 4294967295"),
        (
            "kfold:3:4294967296",
            "the seed of the split 'kfold:3:4294967296' must be a whole number from 0 to 4294967295",
        ),
        ("last:0", "the split 'last:0' asks for too few; it should look like last:1"),
        ("last:1.5", "the split 'last:1.5' should look like last:1"),
        ("rolling:0:0.1", "the split 'rolling:0:0.1' asks for too few; it should look like rolling:4:0.1"),
        ("rolling:3", "the split 'rolling:3' should look like rolling:4:0.1"),
        ("rolling:3:1.5", "the test part of the split 'rolling:3:1.5' must lie between 0 and 1"),
        ("rolling:3:2:1", "the split 'rolling:3:2:1' should look like rolling:4:0.1"),
        ("kfold:1:42", "the split 'kfold:1:42' asks for too few; it should look like kfold:5:42"),
    ],
)
def test_strings_that_are_no_split_are_refused(text, message):
    with pytest.raises(ParameterError) as error:
        make_splits(made(40), text)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("test", [0, 1, 1.5, -0.2, float("nan"), None, True])
def test_split_refuses_a_part_that_is_none(test):
    with pytest.raises(ParameterError, match="must lie between 0 and 1"):
        split(made(40), test)


@pytest.mark.parametrize("seed", [None, -1, 1.5, "42", 2**32])
def test_split_refuses_what_is_no_seed(seed):
    with pytest.raises(ParameterError, match="must be a whole number from 0 to 4294967295"):
        split(made(40), 0.2, seed)


@pytest.mark.parametrize("text", ["last:1", "time:0.2", "rolling:2:0.1"])
def test_splits_by_time_need_times(text):
    with pytest.raises(DataError, match=f"the split {text} needs times, and these interactions have none: name"):
        make_splits(made(40, times=False), text)


def test_a_part_without_rows_is_refused():
    with pytest.raises(DataError, match=r"the split random:0\.9:1 leaves no row in the train part"):
        make_splits(made(3), "random:0.9:1")
    with pytest.raises(DataError, match="the split last:999 leaves no row in the train part"):
        make_splits(made(40), "last:999")
    with pytest.raises(DataError, match=r"the split stratified:0\.01:1 leaves no row in the test part"):
        make_splits(made(40), "stratified:0.01:1")


def test_official_splits_refuse_other_data_of_as_many_rows():
    data = official()
    for other in (data.take(np.arange(100_000)[::-1]), interactions(np.arange(10**5) // 200, np.arange(10**5) % 200)):
        with pytest.raises(DataError, match="begin with user 196 and item 242 and end with 12 and 203; these"):
            make_splits(other, "official:u1")
    fewer = replace(data, users=Ids(range(1, 945), "user"))
    with pytest.raises(DataError, match="these 944 users and 1,682 items begin with 196 and 242"):
        make_splits(fewer, "official:u1")


def test_folds_are_made_when_asked_for():
    folds = make_splits(made(40), "kfold:7:3")
    assert len(folds) == 7
    assert folds[0] is not folds[0]
    assert [f.name for f in folds[-2:]] == ["kfold:7:3 fold 6", "kfold:7:3 fold 7"]
    assert folds[-1].test.tolist() == list(folds)[6].test.tolist()
    with pytest.raises(IndexError):
        folds[7]
    [one] = make_splits(made(40), " random:0.2:1 ")
    assert one.name == "random:0.2:1"


@pytest.mark.parametrize("call", [lambda x: make_splits(x, "random:0.2:1"), split])
def test_tables_are_not_split_before_they_are_checked(call):
    with pytest.raises(DataError, match=r"must be Interactions, got dict: build it with Interactions\.from_table"):
        call({"user": [1], "item": [1]})


@pytest.mark.parametrize("text", [None, 5, ["random:0.2:1"]])
def test_a_split_is_a_text(text):
    with pytest.raises(ParameterError, match=r"a split is a text such as random:0\.2:42, got "):
        make_splits(made(40), text)


def test_split_takes_what_make_splits_takes():
    data = made(200)
    for text in ("time:0.2", "last:1", "random:0.3:7"):
        (one,) = make_splits(data, text)
        for got, wanted in zip(split(data, text), one.apply(data), strict=True):
            assert_frame_equal(got.to_table(), wanted.to_table())
    with pytest.raises(
        ParameterError, match=r"'kfold:5:42' is 5 splits, .*: take make_splits\(interactions, 'kfold:5:42'\)"
    ):
        split(data, "kfold:5:42")
    with pytest.raises(ParameterError, match=r"unknown split '0\.2'; known are random:0\.2:42, "):
        split(data, "0.2")
    with pytest.raises(
        ParameterError, match=r"test must lie between 0 and 1, or be a split such as 'time:0\.2'; got 2"
    ):
        split(data, 2)
