from __future__ import annotations

import logging

import numpy as np
import polars as pl
import pytest
from synthetic import low_rank

from palate.errors import DataError, NotFittedError
from palate.models import BayesianMF
from palate.models.bayes.chains import chain_summary, effective_sample_size, split_rhat, unsettled, warn_of_unsettled

T = np.arange(101)
JAGGED, SLOW, TURNED = np.sin(T * T * 0.37), np.sin(0.11 * T) + np.sin(T * T), np.cos(0.13 * T) + np.cos(T * T * 0.7)
RISING, SWINGING = 0.02 * T + np.sin(3 * T * T), (-1.0) ** T * (1 + np.sin(T * T))
THREE = np.stack([SLOW, TURNED, RISING])

# of arviz-stats 0.8.0: ess(method="mean"), rhat(method="split"); it has no R-hat of one chain
ARVIZ = {
    "jagged": (JAGGED, 107.97195158913944, None),
    "slow": (SLOW, 11.679072492084991, None),
    "rising": (RISING, 2.0601646923320427, None),
    "swinging": (SWINGING, 200.0, None),
    "three": (THREE, 17.166497822968037, 1.1562452549760929),
}


def autoregressive(phi: float, *shape: int, seed: int = 0) -> np.ndarray:
    """Return stationary chains x_t = phi x_{t-1} + e_t; their autocorrelation time is (1 + phi) / (1 - phi)."""
    x = np.random.default_rng(seed).standard_normal(shape)
    x[..., 0] /= (1 - phi**2) ** 0.5
    for t in range(1, shape[-1]):
        x[..., t] += phi * x[..., t - 1]
    return x


def naive_effective_sample_size(draws: np.ndarray) -> float:
    """Return it by sums over lags, written from the paper: section 3.2 and Geyer's rule."""
    half = draws.shape[1] // 2
    x = np.concatenate([draws[:, :half], draws[:, -half:]])
    m, n = x.shape
    c = [np.mean([np.sum((r[: n - t] - r.mean()) * (r[t:] - r.mean())) / n for r in x]) for t in range(n)]
    within = np.mean([np.sum((r - r.mean()) ** 2) / (n - 1) for r in x])
    means = x.mean(axis=1)
    total = (n - 1) / n * within + np.sum((means - means.mean()) ** 2) / (m - 1)
    rho = [1.0, *(1 - (within - c_t) / total for c_t in c[1:])]
    tau, before = -1.0, np.inf
    for k in range(n // 2):
        pair = rho[2 * k] + rho[2 * k + 1]
        if pair <= 0:
            return m * n / max(tau + max(rho[2 * k], 0), 1 / np.log10(m * n))
        before = min(before, pair)
        tau += 2 * before
    raise AssertionError("these draws are too few for Geyer's rule")


@pytest.mark.parametrize("name", ARVIZ)
def test_both_figures_are_those_of_arviz(name):
    draws, ess, rhat = ARVIZ[name]
    assert effective_sample_size(draws) == pytest.approx(ess, rel=1e-10)
    if rhat is not None:
        assert split_rhat(draws) == pytest.approx(rhat, rel=1e-10)


@pytest.mark.parametrize("phi", [-0.6, 0.0, 0.5, 0.9])
def test_the_effective_sample_size_is_that_of_sums_over_lags(phi):
    draws = autoregressive(phi, 2, 301)
    assert effective_sample_size(draws) == pytest.approx(naive_effective_sample_size(draws), rel=1e-10)


def test_independent_draws_count_as_what_they_are():
    draws = autoregressive(0, 4000)
    assert 3500 < effective_sample_size(draws) < 4500
    assert abs(split_rhat(draws) - 1) < 0.003


@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_the_autocorrelation_time_of_an_autoregressive_chain_is_found(phi):
    draws = autoregressive(phi, 4, 10_000)
    assert draws.size / effective_sample_size(draws) == pytest.approx((1 + phi) / (1 - phi), rel=0.15)


def test_a_chain_that_swings_around_its_mean_is_worth_more_than_its_length():
    assert 1.5 * 2000 < effective_sample_size(autoregressive(-0.6, 2000)) < 2000 * np.log10(2000) + 1e-6


def test_a_drift_and_chains_apart_are_told():
    draws = autoregressive(0, 500)
    assert split_rhat(draws + np.linspace(0, 3, 500)) > 1.2
    assert effective_sample_size(draws + np.linspace(0, 3, 500)) < 20
    assert split_rhat(autoregressive(0, 3, 200) + np.array([[0], [0], [2]])) > 1.2


def test_units_change_neither_figure():
    draws = autoregressive(0.7, 200)
    assert split_rhat(1e6 - 3 * draws) == pytest.approx(split_rhat(draws), rel=1e-6)
    assert effective_sample_size(1e6 - 3 * draws) == pytest.approx(effective_sample_size(draws), rel=1e-6)


@pytest.mark.parametrize("draws", [np.ones(50), [0.1] * 7, [1, 2, 3], [], [1.0, np.nan, 2, 3], [1.0, np.inf, 2, 3]])
def test_where_there_is_nothing_to_judge_both_are_nan(draws):
    assert np.isnan(split_rhat(draws))
    assert np.isnan(effective_sample_size(draws))


def test_halves_that_stand_still_at_different_values():
    assert split_rhat([1, 1, 1, 2, 2, 2]) == float("inf")
    assert np.isfinite(effective_sample_size([1, 1, 1, 2, 2, 2]))


@pytest.mark.parametrize("draws", [1.0, np.ones((2, 2, 2)), np.ones((0, 5))])
def test_other_shapes_are_refused(draws):
    for function in (split_rhat, effective_sample_size):
        with pytest.raises(DataError, match=r"draws must be of shape \(n_draws,\) or \(n_chains, n_draws\), got"):
            function(draws)


def history(n: int = 150, drift: float = 0.0, **more: float) -> list[dict[str, float]]:
    """Return records of n sweeps whose noise precision drifts by that many standard deviations."""
    a, b, c = autoregressive(0, 3, n)
    steps = np.linspace(0, drift, n)
    return [
        {
            "epoch": t + 1,
            "noise_precision": 1.2 + 0.01 * (a[t] + steps[t]),
            "user_norm": b[t],
            "item_norm": c[t],
            **more,
        }
        for t in range(n)
    ]


def test_a_summary_is_of_the_sweeps_after_the_warm_up():
    records = history()
    table = chain_summary(records, 50)
    assert table.columns == ["quantity", "mean", "sd", "ess", "rhat"]
    assert table["quantity"].to_list() == ["noise_precision", "user_norm", "item_norm"]
    kept = np.array([record["user_norm"] for record in records[50:]])
    row = table.row(1, named=True)
    assert (row["mean"], row["sd"]) == pytest.approx((kept.mean(), kept.std(ddof=1)))
    assert (row["ess"], row["rhat"]) == (effective_sample_size(kept), split_rhat(kept))


def test_a_summary_has_the_validation_part_where_there_is_one_and_nulls_for_what_is_fixed():
    table = chain_summary(history(validation_rmse_draw=0.95), 50)
    last = table.row(-1, named=True)
    assert last["quantity"] == "validation_rmse_draw"
    assert (last["mean"], last["ess"], last["rhat"]) == (pytest.approx(0.95), None, None)


@pytest.mark.parametrize(("n", "height", "sd"), [(50, 0, None), (51, 3, [True] * 3), (52, 3, [False] * 3)])
def test_a_summary_of_few_sweeps_has_nulls(n, height, sd):
    table = chain_summary(history(n), 50)
    assert table.height == height
    assert table.schema["rhat"] == pl.Float64
    assert table["rhat"].null_count() == height
    assert sd is None or table["sd"].is_null().to_list() == sd


def test_a_chain_that_has_not_settled_is_told_once_in_words(caplog):
    warn_of_unsettled(history(drift=8), 50)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    said = record.getMessage()
    start = "the chain has not settled in 100 sweeps after a warm-up of 50 (noise precision: split R-hat "
    assert said.startswith(start)
    assert " is above 1.05, effective sample size " in said
    assert " is below 20); raise n_sweeps, or n_burn_in where the traces still rise or fall after the warm-up" in said
    assert "norm of" not in said


def test_where_the_noise_drifts_and_the_scores_do_not_the_warning_says_so(caplog):
    records = history(drift=8)
    errors = 1 + 0.01 * autoregressive(0, len(records), seed=1)
    warn_of_unsettled([{**r, "validation_rmse_draw": e} for r, e in zip(records, errors, strict=True)], 50)
    (record,) = caplog.records
    assert "is below 20), though the validation RMSE of its draws has; raise n_sweeps" in record.getMessage()


def test_nothing_is_said_of_a_settled_chain_nor_of_a_short_one(caplog):
    warn_of_unsettled(history(), 50)
    warn_of_unsettled(history(149, drift=8), 50)
    warn_of_unsettled(history(validation_rmse_draw=1.0), 50)
    assert not caplog.records
    assert set(unsettled(history(drift=8), 50)) == {"noise_precision"}
    wandering = [{**record, "user_norm": record["epoch"]} for record in history()]
    assert not unsettled(wandering, 50)  # rows trade their norms


def test_a_fitted_model_gives_its_summary_and_warns(caplog):
    noise = {"noise_shape": 1.0, "noise_rate": 1.0}
    model = BayesianMF(2, n_sweeps=110, n_burn_in=2, n_components=0, **noise, random_state=0, n_threads=1)
    model.fit(low_rank())
    table = model.sampling_summary()
    assert table.equals(chain_summary(model.history_, 2))
    assert table["quantity"].to_list() == ["noise_precision", "user_norm", "item_norm"]
    assert table["rhat"].null_count() == 0
    warned = [r for r in caplog.records if r.getMessage().startswith("the chain has not settled in 108 sweeps")]
    assert len(warned) == bool(unsettled(model.history_, 2)) == 1


def test_a_summary_needs_a_fit():
    with pytest.raises(NotFittedError):
        BayesianMF().sampling_summary()
