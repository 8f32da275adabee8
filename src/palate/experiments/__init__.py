"""The mathematics of experiments: arrays and frozen records in, numbers out; no store, no HTTP.

people      ratios over people, and their resampling
planning    how many lists an experiment needs
looks       what looking early does to a test
explore     how chance takes part in a list
choosing    lists by chance, and their propensities
arms        the report of an experiment
clicks      the stated click model, and one that is fitted
estimates   what another policy would have brought
"""
