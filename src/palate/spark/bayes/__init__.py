"""`BayesianMF` on Spark: the sweeps of `palate.models.bayes`, rows drawn where their cells lie."""
