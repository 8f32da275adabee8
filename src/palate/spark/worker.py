"""What spares a Python worker of Spark work that its daemon gives it.

A worker collects garbage after each task. With Numba and Arrow loaded that takes a tenth of a second, more than most
tasks do, to look through objects that stay for good.
"""

from __future__ import annotations

import gc
import os
from itertools import count

_tasks = count(1)


def settle() -> None:
    """Take what the process has loaded out of the search for garbage; tasks call it as they begin.

    Only as tasks 1, 2, 4, 8, … begin: kernels are loaded after the first, and what a frozen object holds is never
    given back.
    """
    task = next(_tasks)
    if task & (task - 1) == 0 and "SPARK_REUSE_WORKER" in os.environ:  # of workers that stay, and of nothing else
        gc.freeze()
