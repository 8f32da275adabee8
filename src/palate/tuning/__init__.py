"""A search for the best parameters of a model, by Optuna, on validation data only.

parts   the nested split: what trials learn from, what they are measured on, what they never see
study   the search: trials, pruning, storage, resuming
tuned   what comes of it
"""

from palate.tuning.study import tune
from palate.tuning.tuned import Tuned

__all__ = ["Tuned", "tune"]
