"""The contract that every model keeps to, for pytest: subclass it, and name a model of your own.

base       the model under test and what is special about it
learning   parameters, fits, threads, weights, starts, memory, files
answering  scores, lists, filters, newcomers, explanations
made       made-up data with a known structure
"""

import pytest

pytest.register_assert_rewrite("palate.testing.learning", "palate.testing.answering")

from palate.testing.answering import AnsweringContract  # pytest explains the asserts of what is imported later
from palate.testing.learning import Learning
from palate.testing.made import checkerboard, interactions, low_rank


class ModelContract(Learning, AnsweringContract):
    """All that `palate.models` keep to; what a model cannot do it declares, and the test shows as skipped.

    A subclass whose name begins with Test names its ``model``; see `palate.testing.base.Contract` for the rest.
    """


__all__ = ["ModelContract", "checkerboard", "interactions", "low_rank"]
