"""The names of `palate.spark`: sorted, true, and imported when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import palate.spark


def test_the_names_are_there():
    assert sorted(palate.spark.__all__) == palate.spark.__all__ == dir(palate.spark) == sorted(palate.spark._HOME)
    for name in palate.spark.__all__:
        assert getattr(palate.spark, name).__module__.startswith("palate.spark."), name
        assert getattr(palate.spark, name).__doc__


def test_another_name_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        palate.spark.fit  # noqa: B018


def test_no_name_imports_pyspark_before_there_is_a_session():
    code = "import sys, palate.spark as s; [getattr(s, n) for n in s.__all__]; print('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
