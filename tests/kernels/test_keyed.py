"""Random numbers by name: published values, independence of who asks, and their distribution."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

WORD = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def keyed(kernel):
    return kernel("keyed")


@settings(max_examples=30, deadline=None)
@given(words=st.tuples(*[WORD] * 6))
def test_philox_is_the_naive_twin(keyed, words):
    found = [int(word) for word in keyed.philox(*map(np.uint64, words))]
    assert found == naive.philox(list(words[:4]), list(words[4:]))


@pytest.mark.parametrize(
    ("words", "expected"),
    [  # of Random123's known answers
        ([0] * 6, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 6, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_answers(keyed, words, expected):
    assert " ".join(f"{int(word):08x}" for word in keyed.philox(*map(np.uint64, words))) == expected
    assert " ".join(f"{word:08x}" for word in naive.philox(words[:4], words[4:])) == expected


def test_normals_are_those_of_philox(keyed):
    seed, stream, row = 2**63 + 5, 7, 2**40 + 3
    found = keyed.normals(seed, stream, np.array([row]), 3)[0]
    for f in range(3):
        counter, key = [f // 2, stream, row % 2**32, row // 2**32], [seed % 2**32, seed // 2**32]
        bits = naive.philox(counter, key)
        u, v = ((bits[n] * 2**32 + bits[n + 1]) // 2**11 / 2**53 for n in (0, 2))
        turned = (np.cos, np.sin)[f % 2](2 * np.pi * v)
        assert found[f] == pytest.approx(np.sqrt(-2 * np.log(1 - u)) * turned, rel=1e-12)


def test_numbers_depend_on_nothing_but_their_names(keyed):
    rows = np.array([5, 0, 12, 7])
    whole = keyed.normals(3, 1, rows, 6)
    np.testing.assert_array_equal(keyed.normals(3, 1, rows[::-1], 6)[::-1], whole)
    np.testing.assert_array_equal(keyed.normals(3, 1, rows[2:3], 6)[0], whole[2])
    np.testing.assert_array_equal(keyed.normals(3, 1, rows, 5), whole[:, :5])
    np.testing.assert_array_equal(keyed.normals(3, 1, rows, 6, np.float32), whole.astype(np.float32))
    others = [(4, 1, rows), (3, 2, rows), (3, 1, rows + 100), (3 + 2**32, 1, rows), (3, 1, rows + 2**32)]
    for seed, stream, named in others:
        assert not (keyed.normals(seed, stream, named, 6) == whole).any()
    assert keyed.normals(3, 1, np.zeros(0, np.int64), 4).shape == (0, 4)


def test_numbers_are_normal_and_of_rows_and_columns_apart(keyed):
    n = 20_000 if hasattr(keyed._normals, "py_func") else 200
    E = keyed.normals(0, 0, np.arange(n), 5)
    assert stats.kstest(E.ravel(), "norm").pvalue > 1e-3
    along, across = np.corrcoef(E.T), np.corrcoef(E[:-1].ravel(), E[1:].ravel())
    assert np.abs(along - np.eye(5)).max() < 5 / n**0.5
    assert abs(across[0, 1]) < 5 / (5 * n) ** 0.5


@pytest.mark.parametrize("shape", [0.3, 1.0, 2.5, 400.0])
def test_gammas_have_their_distribution_and_depend_on_their_names_alone(keyed, shape):
    n = 5_000 if hasattr(keyed._gammas, "py_func") else 100
    rows = np.arange(n)
    found = keyed.gammas(3, 1, rows, np.full(n, shape))
    assert stats.kstest(found, stats.gamma(shape).cdf).pvalue > 1e-3
    np.testing.assert_array_equal(keyed.gammas(3, 1, rows[::-2], np.full(len(rows[::-2]), shape)), found[::-2])
    assert not (keyed.gammas(3, 2, rows, np.full(n, shape)) == found).any()
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 5 / n**0.5
