"""The figure of probability integral transforms: bins, the band of chance, and the finding in words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from palate import plots
from palate.errors import ParameterError
from palate.plots import alt


def test_bins_hold_their_share_and_the_band_is_that_of_chance():
    values = np.random.default_rng(0).random(5000)
    axes = plots.pit(values).axes[0]
    (bars,) = (p for p in axes.patches if type(p).__name__ == "StepPatch")
    np.testing.assert_allclose(bars.get_data().values, np.histogram(values, 20, (0, 1))[0] / 5000)
    band = next(p for p in axes.patches if p is not bars)
    low, high = binom.ppf([0.025, 0.975], 5000, 0.05) / 5000
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((low, high))
    words = str(alt.pit(values))
    assert words.startswith("The distributions are right on the whole: the bins hold 4.")
    assert "of 5,000 ratings: 5.0% each would be even, and" in words


def test_distributions_that_are_too_wide_are_said_to_be_off():
    values = np.random.default_rng(0).beta(3, 3, 2000)
    assert alt.pit(values).finding.startswith("The distributions are off: the bins hold 0.")


@pytest.mark.parametrize("values", [[], [0.5, 1.2], [np.nan], [[0.5]]])
def test_what_is_no_transform_is_refused(values):
    with pytest.raises(ParameterError, match="needs a row of at least one number from 0 to 1"):
        plots.pit(np.array(values))
