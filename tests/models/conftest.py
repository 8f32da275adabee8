from __future__ import annotations

import pytest
from synthetic import low_rank


@pytest.fixture(scope="module")
def data():
    return low_rank()
