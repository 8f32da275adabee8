"""float32 as bfloat16: rounding to the nearest even one, what is exact, what is not finite."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def wire(kernel):
    return kernel("wire")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_bits_are_rounded_as_the_naive_twin_rounds(wire, bits):
    x = np.array(bits, np.uint32).view(np.float32)
    x = x[np.isfinite(x)]
    with np.errstate(over="ignore"):
        expected = np.array([naive.bfloat16(value) for value in x], np.float32)
    found = wire.from_bfloat16(wire.to_bfloat16(x))
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


def test_every_bfloat16_comes_back_as_it_is(wire):
    every = np.arange(2**16, dtype=np.uint16)
    if not hasattr(wire._to_bfloat16, "py_func"):
        every = every[::101]
    x = wire.from_bfloat16(every)
    numbers = ~np.isnan(x)
    np.testing.assert_array_equal(wire.to_bfloat16(x)[numbers], every[numbers])
    assert np.isnan(wire.from_bfloat16(wire.to_bfloat16(x[~numbers]))).all()


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (1 + 1 / 256, 1.0),  # halfway: the even one
        (1 + 3 / 256, 1 + 4 / 256),
        (1 + 1 / 256 + 2**-20, 1 + 2 / 256),
        (-(1 + 3 / 256), -(1 + 4 / 256)),
        (0.0, 0.0),
        (-0.0, -0.0),
        (np.inf, np.inf),
        (-np.inf, -np.inf),
        (3.4028235e38, np.inf),
        (-3.4028235e38, -np.inf),
    ],
)
def test_known_numbers(wire, x, expected):
    (found,) = wire.from_bfloat16(wire.to_bfloat16(np.array([x], np.float32)))
    assert found == expected
    assert np.signbit(found) == np.signbit(expected)


def test_none_stays_none_whatever_its_bits(wire):
    bits = np.array([0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000], np.uint32)
    assert np.isnan(wire.from_bfloat16(wire.to_bfloat16(bits.view(np.float32)))).all()


def test_shapes_stay_and_a_number_changes_by_a_256th_at_most(wire):
    x = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    bits = wire.to_bfloat16(x[:, ::2])
    found = wire.from_bfloat16(bits)
    assert bits.dtype == np.uint16
    assert found.shape == (7, 2)
    assert 0 < np.abs(found / x[:, ::2] - 1).max() <= 1 / 256
    assert wire.to_bfloat16(np.zeros((0, 4), np.float32)).shape == (0, 4)
