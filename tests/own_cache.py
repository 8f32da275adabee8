"""A cache of compiled kernels for each process of tests: Numba's own is not made for several that write at once."""

from __future__ import annotations

import os
from pathlib import Path

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER:  # set before Numba is imported, and inherited by the commands that tests start
    folder = Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba" / WORKER
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
