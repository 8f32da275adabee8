"""Whether a chain has settled: split R-hat and effective sample size, and a warning in words.

After Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021, sections 3.1 and 3.2, without their ranks: what is watched
are means over many rows, with no heavy tails. Each chain is cut into halves (an odd middle draw is left out), so that
one chain is enough, and a drift shows as halves that differ. With M halves of N draws x_nm, means x_m and variances
s_m^2, and x the mean of the x_m:

    B = N / (M - 1) sum_m (x_m - x)^2        W = 1/M sum_m s_m^2        V = (N - 1) / N W + B / N               (1)
    R-hat = sqrt(V / W)                                                                                         (2)
    rho_t = 1 - (W - 1/M sum_m c_tm) / V        c_tm = 1/N sum_n (x_nm - x_m)(x_n+t,m - x_m)                    (3)
    tau = -1 + 2 sum_k P_k        P_k = rho_2k + rho_2k+1        effective sample size = M N / tau              (4)

The sum goes over the pairs before the first that is not positive, each no larger than the one before (the initial
monotone sequence of Geyer 1992); of that first pair, rho_2k is added where it is positive. tau is at least
1 / log10(M N). Autocovariances c_tm come from a Fourier transform.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from palate.errors import DataError
from palate.models.bayes.derived import NoiseEstimate

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

WATCHED = {
    "noise_precision": "noise precision",
    "user_norm": "norm of the users' rows",
    "item_norm": "norm of the items' rows",
    "validation_rmse_draw": "validation RMSE of each draw",
}  # of a history's records, with their names for people
JUDGED = ("noise_precision", "validation_rmse_draw")  # norms wander where rows trade them: shown, not judged by
LEAST_NOISE_LEFT = 0.25  # of what biases leave: taste explains three quarters hardly anywhere
MOST_UNIDENTIFIED = 0.5  # of the ratings: beyond it they cannot tell noise from taste
FEWEST_DRAWS = 4  # two in each half; figures of fewer are NaN
FEWEST_JUDGED = 100  # draws after the warm-up, below which nothing is said of a chain
HIGHEST_RHAT = 1.05
LOWEST_ESS = 20.0


def split_rhat(draws: ArrayLike) -> float:
    """Return the split R-hat, eq. 2: near 1 where the halves agree, above it where they have not mixed.

    Args:
        draws: (n_draws,) of one chain, or (n_chains, n_draws).

    Returns:
        NaN for fewer than 4 draws a chain, draws that are not finite, or all equal; infinite where halves are constant
        and differ.

    Raises:
        DataError: draws has neither of these shapes.
    """
    x = _halves(draws)
    if not _can_be_judged(x):
        return float("nan")
    within, total = _variances(x)
    return float(np.sqrt(total / within)) if within > 0 else float("inf")


def effective_sample_size(draws: ArrayLike) -> float:
    """Return how many independent draws have a mean as exact as these draws' mean, eq. 4.

    Args:
        draws: (n_draws,) of one chain, or (n_chains, n_draws).

    Returns:
        NaN for fewer than 4 draws a chain, draws that are not finite, or all equal.

    Raises:
        DataError: draws has neither of these shapes.
    """
    x = _halves(draws)
    if not _can_be_judged(x):
        return float("nan")
    within, total = _variances(x)
    rho = 1 - (within - _autocovariances(x).mean(axis=0)) / total
    rho[0] = 1.0
    tau = max(_autocorrelation_time(rho), 1 / np.log10(x.size))
    return float(x.size / tau)


def _halves(draws: ArrayLike) -> Floats:
    """Return the halves of each chain, (2 n_chains, n_draws // 2)."""
    x = np.asarray(draws, np.float64)
    if x.ndim not in (1, 2) or (x.ndim == 2 and not len(x)):
        raise DataError.of("draws", f"must be of shape (n_draws,) or (n_chains, n_draws), got {x.shape}", value=x.shape)
    x = np.atleast_2d(x)
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, x.shape[1] - half :]])


def _can_be_judged(x: Floats) -> bool:
    return bool(x.shape[1] >= FEWEST_DRAWS // 2 and np.isfinite(x).all() and np.ptp(x) > 0)


def _variances(x: Floats) -> tuple[float, float]:
    """Return W and V, eq. 1."""
    n = x.shape[1]
    within = float(x.var(axis=1, ddof=1).mean())
    return within, (n - 1) / n * within + float(x.mean(axis=1).var(ddof=1))


def _autocovariances(x: Floats) -> Floats:
    """Return c_tm of every lag t, (M, N), eq. 3."""
    n = x.shape[1]
    transformed = np.fft.rfft(x - x.mean(axis=1, keepdims=True), 2 * n, axis=1)  # of zeros enough that no end meets
    covariances: Floats = np.fft.irfft(np.abs(transformed) ** 2, 2 * n, axis=1)[:, :n] / n
    return covariances


def _autocorrelation_time(rho: Floats) -> float:
    """Return tau of the autocorrelations rho_t, eq. 4; the longest lags, of two products or fewer, are left out."""
    even, odd = rho[: len(rho) // 2 * 2 : 2], rho[1::2]
    pairs = even + odd
    last = max(0, (len(rho) - 3) // 2)
    negative = np.flatnonzero(pairs[:last] <= 0)
    last = int(negative[0]) if len(negative) else last
    return 2 * float(np.minimum.accumulate(pairs[:last]).sum()) - 1 + max(0.0, float(even[last]))


def chain_summary(history: Sequence[Mapping[str, Any]], n_burn_in: int) -> pl.DataFrame:
    """Return how each watched quantity of a history behaved after the warm-up.

    Args:
        history: records, one a sweep, as ``history_`` of a `BayesianMF`.
        n_burn_in: how many of the first are the warm-up.

    Returns:
        One row for each of noise_precision, user_norm, item_norm and validation_rmse_draw that all records have:
        quantity, mean, sd, ess (effective sample size), rhat (split R-hat). The last two are null for a quantity that
        is fixed, and all but the mean where there are too few sweeps.
    """
    rows = []
    for key in WATCHED:
        draws = traces(history[n_burn_in:], key)
        if draws.size:
            sd = None if draws.size < 2 else float(draws.std(ddof=1)) if np.ptp(draws) > 0 else 0.0
            rows.append((key, float(draws.mean()), sd, effective_sample_size(draws), split_rhat(draws)))
    schema = {"quantity": pl.String, "mean": pl.Float64, "sd": pl.Float64, "ess": pl.Float64, "rhat": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row").with_columns(pl.col("ess", "rhat").fill_nan(None))


def traces(history: Sequence[Mapping[str, Any]], key: str) -> Floats:
    """Return a quantity by chain and sweep, (n_chains, n_sweeps), of the chains whose every record has it.

    The first chain's stands under ``key``, those of others under ``key_2``, ``key_3`` …
    """
    by_chain: list[list[float]] = []
    while history:
        name = key if not by_chain else f"{key}_{len(by_chain) + 1}"
        values = [record.get(name) for record in history]
        if None in values:
            break
        by_chain.append([float(value) for value in values if value is not None])
    return np.array(by_chain, np.float64).reshape(len(by_chain), len(history))


def unsettled(history: Sequence[Mapping[str, Any]], n_burn_in: int) -> dict[str, str]:
    """Return what shows that the chain has not settled: for each such quantity its figures, in words.

    It has not where the split R-hat of the noise precision, or of a validation part's RMSE, is above 1.05 or their
    effective sample size below 20. Nothing is said of fewer than 100
    sweeps after the warm-up: both figures are then too rough to judge by, and whoever asks for so few knows it.
    """
    if len(history) - n_burn_in < FEWEST_JUDGED:
        return {}
    by_quantity = {row["quantity"]: _faults(row) for row in chain_summary(history, n_burn_in).to_dicts()}
    return {quantity: faults for quantity, faults in by_quantity.items() if faults and quantity in JUDGED}


def _faults(row: Mapping[str, Any]) -> str:
    faults = []
    if row["rhat"] is not None and row["rhat"] > HIGHEST_RHAT:
        faults.append(f"split R-hat {row['rhat']:.2f} is above {HIGHEST_RHAT:g}")
    if row["ess"] is not None and row["ess"] < LOWEST_ESS:
        faults.append(f"effective sample size {row['ess']:.1f} is below {LOWEST_ESS:g}")
    return ", ".join(faults)


def faults_in_words(faults_by_quantity: Mapping[str, str]) -> str:
    """Return what `unsettled` found as a part of a sentence."""
    return "; ".join(f"{WATCHED[quantity]}: {faults}" for quantity, faults in faults_by_quantity.items())


def warn_of_unsettled(history: Sequence[Mapping[str, Any]], n_burn_in: int) -> None:
    """Log one warning where the chain has not settled; see `unsettled`."""
    faults_by_quantity = unsettled(history, n_burn_in)
    if not faults_by_quantity:
        return
    fine = "validation_rmse_draw" in history[-1] and "validation_rmse_draw" not in faults_by_quantity
    log.warning(
        "the chain has not settled in %d sweeps after a warm-up of %d (%s)%s; raise n_sweeps, or n_burn_in where the "
        "traces still rise or fall after the warm-up (plots.sampling shows them)",
        len(history) - n_burn_in,
        n_burn_in,
        faults_in_words(faults_by_quantity),
        ", though the validation RMSE of its draws has" if fine else "",
    )


def warn_of_overfit(records: Sequence[Mapping[str, Any]], noise: NoiseEstimate) -> bool:
    """Log a warning where the chains explain noise by taste, and return whether they do.

    They do where the noise that they see is below a quarter of what biases leave, and half the ratings or more can be
    fitted by the rows that they stand in: then there is nothing to hold the noise but its prior.

    Args:
        records: of a history, after the warm-up.
        noise: what the training part says of it, in the unit of the records.
    """
    precisions = traces(records, "noise_precision")
    share = noise.unidentified / noise.n_ratings
    if not precisions.size or share < MOST_UNIDENTIFIED:
        return False
    left = float((1 / precisions).mean()) / noise.left
    if left >= LEAST_NOISE_LEFT:
        return False
    log.warning(
        "the chain takes noise for taste: its noise variance is %.0f %% of what biases leave, and rows can fit "
        "%d of %d ratings by themselves; leave noise_shape and noise_rate to the data (None), or take fewer n_factors: "
        "more sweeps do not help",
        100 * left,
        min(noise.unidentified, noise.n_ratings),
        noise.n_ratings,
    )
    return True
