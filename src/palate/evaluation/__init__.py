"""Measuring models: one on one split, one on many, several against each other.

measuring     any metrics of a fitted model, predictions and lists made once
single        fit on the training part, measure on the test part
fitted        a model that was fitted before, measured as it is
result        what one evaluation gives
findings      who is ahead, in sentences
significance  bootstrap intervals, paired tests, Holm's correction, effect sizes
verdicts      paired tests of all pairs of models, in words
details       calibration, errors by group, example users
metric_inputs what metrics take, each made once
jobs          one model on one fold: what is kept of it, in memory and as files
running       many of them, in processes, resumable
comparison    the result: tables, tests in words, its folder
plan          what a comparison is of, and the folder that keeps it
gathering     the comparison of finished rows
comparing     `compare` and `cross_validate`
"""

from palate.evaluation.comparing import compare, cross_validate
from palate.evaluation.comparison import Comparison
from palate.evaluation.measuring import Measured, measure
from palate.evaluation.result import Evaluation, versions
from palate.evaluation.single import StopOn, evaluate, evaluate_splits, mean_metrics

__all__ = [
    "Comparison",
    "Evaluation",
    "Measured",
    "StopOn",
    "compare",
    "cross_validate",
    "evaluate",
    "evaluate_splits",
    "mean_metrics",
    "measure",
    "versions",
]
