"""A search for the best parameters of a model, or for the best model, by Optuna, on validation data only.

parts       the nested split: what trials learn from, what they are measured on, what they never see
study       the search: trials, pruning, storage, resuming
tuned       what comes of it
choosing    `auto`: several models on one validation part, within a budget
facts       what the rows are, and so which question is asked
candidates  which models are tried on such rows, why, and about how long they take
contest     which trial comes next, and what the budget still allows
outcome     from finished trials to the model and the comparison
"""

from palate.tuning.choosing import auto
from palate.tuning.chosen import Chosen
from palate.tuning.study import tune
from palate.tuning.tuned import Tuned

__all__ = ["Chosen", "Tuned", "auto", "tune"]
