"""``python -m palate.retraining``: one job of the kind "retrain", in a process of its own."""

from __future__ import annotations

import sys

from palate.retraining.trainer import retrain
from palate.store.working import work

if __name__ == "__main__":
    sys.exit(work(retrain))
