import subprocess
import sys

import pytest

import palate.data


def test_every_public_name_is_there_and_importing_the_package_costs_nothing():
    assert sorted(palate.data.__all__) == palate.data.__all__
    for name in palate.data.__all__:
        assert getattr(palate.data, name).__name__ == name
    with pytest.raises(AttributeError, match=r"module 'palate\.data' has no attribute 'pandas'"):
        palate.data.pandas  # noqa: B018
    heavy = "import sys, palate.data; sys.exit(any(m in sys.modules for m in ('polars', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0
