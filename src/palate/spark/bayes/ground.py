"""What a training of `BayesianMF` stands on: parameters as they are used, and the features of both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.data.features import Features
from palate.errors import ParameterError
from palate.models import BayesianMF
from palate.models.bayes.chain import Constants
from palate.models.bayes.chance import check_streams
from palate.models.bayes.derived import LEAST_NOISE, BayesSettings, NoiseEstimate, factors_for, noise_left, settings_for
from palate.models.bayes.hyper import Hyper
from palate.models.bayes.side import Dense
from palate.models.bayes.start import Components, CountEncoding, Encoders
from palate.models.bayes.units import in_unit, unit_of_spread
from palate.models.contract.learner import Training
from palate.models.contract.memory import check_memory
from palate.progress import silent
from palate.spark.arrays import runs
from palate.spark.bayes.chains import ChainSide, Constant
from palate.spark.bayes.snapshots import frame_of
from palate.spark.blocks import positions_of
from palate.spark.failures import clear_errors
from palate.spark.laying_out import LAYOUT
from palate.spark.prepared import Prepared, SideName
from palate.spark.settings import SAMPLE, SIDES, balanced, collected, features_of, sample
from palate.sparse import Array, Rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LEFT_OUT = {
    "incidence": (
        False,
        "weights of the incidence are drawn one after the other over all rows, which blocks forbid; set "
        "incidence=False (the components of the incidence stay), or fit on one machine",
    ),
    "likelihood": ("gaussian", "latent ratings of stars are one machine's; set likelihood='gaussian'"),
    "time_effects": (None, "offsets by time are one machine's; set time_effects=None"),
}
BYTES_OF_A_ROW = 24  # of the data at the driver, with what is sorted of it


def check_model(model: BayesianMF, prepared: Prepared) -> None:
    """Refuse what the sampler cannot do here.

    Raises:
        ParameterError: names the parameter, and what to set.
    """
    model.check_parameters()
    for name, (wanted, words) in LEFT_OUT.items():
        if getattr(model, name) != wanted:
            raise ParameterError.of(name, f"is {getattr(model, name)!r}, which BayesianMF cannot do on Spark: {words}")
    if prepared.has_weights:
        raise ParameterError.of(
            "BayesianMF", "takes no sample weights; prepare the ratings without them, or take als", code="not_offered"
        )
    check_streams(int(model.n_chains), int(model.n_sweeps))


@dataclass(frozen=True, eq=False)
class SideGround:
    """What one side stands on.

    Attributes:
        counts: (n_rows,) cells.
        Z: (n_rows, F) float32, its features in the coordinates of their singular vectors.
        parts: of the features, singular vectors V and squares d of each group.
    """

    counts: Array
    Z: Array
    parts: tuple[tuple[Array, Array], ...]

    @classmethod
    def of(cls, counts: Array, dense: list[Array], width: int) -> SideGround:
        """Decompose groups of features, once for all chains."""
        groups = [Dense.of(features, width, np.flatnonzero(counts == 0)) for features in dense]
        Z = np.concatenate([np.zeros((len(counts), 0), np.float32), *(group.Z for group in groups)], axis=1)
        return cls(counts, np.ascontiguousarray(Z), tuple((group.V, group.d) for group in groups))

    def chain_side(self, hyper: Hyper, width: int) -> ChainSide:
        """Return this side of a chain before its first sweep."""
        none = np.zeros((0, 0), np.float32)
        groups = [Dense(none, V, d, np.zeros((len(V), width))) for V, d in self.parts]
        return ChainSide(groups, hyper, Constant.of(self.Z, self.counts > 0), width)


@dataclass(frozen=True, eq=False)
class BayesGround:
    """What all chains stand on.

    Attributes:
        settings: parameters as they are used, in the unit.
        noise: what the ratings say of their noise, in the unit.
        unit: that ratings are divided by.
        constants: priors of mu, alpha and noise scales, in the unit.
        hyper: of both sides.
        mean: of the ratings, in the unit.
        sides: of users and of items.
        encoders: how newcomers' rows become features.
        user_features: as they were given, or None.
    """

    settings: BayesSettings
    noise: NoiseEstimate
    unit: float
    constants: Constants
    hyper: Hyper
    mean: float
    sides: tuple[SideGround, SideGround]
    encoders: Encoders
    user_features: Features | None


def ground_of(prepared: Prepared, model: BayesianMF, seed: int) -> BayesGround:
    """Return what the chains stand on, by one machine's functions.

    Raises:
        ParameterError: the driver has not the memory for the components of the incidence.
    """
    shape = prepared.n_users, prepared.n_items
    k = factors_for(*shape, prepared.n_rows) if model.n_factors is None else int(model.n_factors)
    unit = unit_of_spread(spread_of(prepared))
    counts = counts_of(prepared, "user"), counts_of(prepared, "item")
    noise = noise_of(prepared, counts, k, seed, unit)
    settings = settings_for(model, noise, k)
    hyper = Hyper(settings.wishart_scale, settings.wishart_df, model.mean_strength, model.ridge_shape, model.ridge_rate)
    sd = None if model.mean_sd is None else model.mean_sd / unit
    constants = Constants(model.mean_center / unit, sd, settings.noise_shape, settings.noise_rate, model.scale_df)
    components = components_of(prepared, model)
    own = features_of(prepared, "user"), features_of(prepared, "item")
    counters = [CountEncoding.of(each) if model.counts else None for each in counts]
    sides = []
    for each, features, counter, vectors in zip(
        counts, own, counters, (components.users, components.items), strict=True
    ):
        known = [np.zeros((len(each), 0), np.float32) if features is None else features.matrix[:, 1:]]
        known += [] if counter is None else [counter.matrix(each)]
        dense = [np.concatenate(known, axis=1), vectors]
        sides.append(SideGround.of(each, [group for group in dense if group.shape[1]], k + 1))
    mean = prepared.value_sum / prepared.n_rows / unit
    encoders = Encoders(counters[0], components.projection)
    return BayesGround(settings, noise, unit, constants, hyper, mean, (sides[0], sides[1]), encoders, own[0])


def spread_of(prepared: Prepared) -> float:
    """Return the standard deviation of the ratings."""
    n, mean = prepared.n_rows, prepared.value_sum / prepared.n_rows
    return float(max(prepared.square_sum / n - mean**2, 0.0) ** 0.5)


def counts_of(prepared: Prepared, side: SideName) -> Array:
    """Return how many cells each row of a side has."""
    counts, n = np.zeros(prepared.n(side), np.int64), prepared.n_blocks
    with clear_errors(prepared.path, "counting its rows"):
        own = prepared.layout(side).where("kind = 'counts'").select("block", "row", "counts")
        for record in own.toArrow().to_pylist():
            part = np.frombuffer(record["counts"], np.float64)
            at = positions_of(record["block"], n, len(counts))[record["row"] :][: len(part)]
            counts[at] = part
    return counts


def noise_of(prepared: Prepared, counts: tuple[Array, Array], k: int, seed: int, unit: float) -> NoiseEstimate:
    """Return what the ratings say of their noise: the variance that biases leave by a sample where they are many."""
    small = prepared.n_rows <= SAMPLE
    shape = prepared.n_users, prepared.n_items
    data = collected(prepared, prepared.rows, shape) if small else sample(prepared, seed, balanced(prepared))
    data = in_unit(Training(data, None, None, None, None, silent), unit).data
    spread = np.var(data.values, dtype=np.float64) if small else (spread_of(prepared) / unit) ** 2
    left = max(noise_left(data), LEAST_NOISE * float(spread)) or 1.0
    unidentified = sum(int(np.minimum(each, k + 1).sum()) for each in counts)
    return NoiseEstimate(left, unidentified, prepared.n_rows, min(shape))


def components_of(prepared: Prepared, model: BayesianMF) -> Components:
    """Return the components of the incidence, found at the driver.

    Raises:
        ParameterError: it has not the memory for the positions of all ratings.
    """
    n_users, n_items = prepared.n_users, prepared.n_items
    if not model.n_components:
        return Components.of(Rows.empty(n_users), n_items, 0)
    needed = BYTES_OF_A_ROW * prepared.n_rows + 16 * (n_users + n_items) * (int(model.n_components) + 20)
    check_memory(
        f"finding {model.n_components} components of {prepared.n_rows:,} ratings at the driver",
        needed,
        "set n_components=0, which leaves them out, or give the driver more memory",
    )
    with clear_errors(prepared.path, "reading its rows"):
        table = prepared.rows.select("user", "item").toArrow()
    users, items = (table[name].to_numpy() for name in SIDES)
    return Components.of(Rows.from_cells(users, items, n_users, n_items), n_items, int(model.n_components))


def with_features(layout: DataFrame, side: SideGround, prepared: Prepared) -> DataFrame:
    """Return a layout whose features are those that rows are drawn by."""
    names = [field.split()[0] for field in LAYOUT.split(",")]
    rest = layout.select(*names).where("kind != 'features'")
    F = side.Z.shape[1]
    if not F:
        return rest
    rows: list[dict[str, Any]] = []
    for block, key in enumerate(prepared.keys):
        own = np.ascontiguousarray(side.Z[block :: prepared.n_blocks])
        for part, (first, last) in enumerate(runs(len(own), own[:1].nbytes)):
            place = {"kind": "features", "block": block, "key": key, "part": part, "row": first, "dest": F}
            rows.append({**dict.fromkeys(names), **place, "features": own[first:last].tobytes()})
    return rest.union(frame_of(prepared.spark, rows, LAYOUT))
