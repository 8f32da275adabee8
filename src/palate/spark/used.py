"""Settings as they are used, in the form that the driver's side of training takes."""

from __future__ import annotations

from palate.models import ALS, ImplicitALS
from palate.models.ridge.click_sweeps import ClickSettings
from palate.progress import ProgressCallback
from palate.spark.kinds import Clicks, ModelKind, RatingKind
from palate.spark.prepared import Prepared
from palate.spark.settings import used_clicks, used_ratings


def used_by(
    prepared: Prepared, model: ALS | ImplicitALS, seed: int, progress: ProgressCallback
) -> tuple[ModelKind, int]:
    """Return a model's settings and its number of factors, those that are None as the data ask for them.

    Raises:
        DataError: values are no clicks by the rule given.
        DivergenceError: the biases cannot be estimated of these ratings.
    """
    if isinstance(model, ALS):
        ratings = used_ratings(prepared, model, seed, progress)
        return RatingKind(ratings.settings, prepared.rating_limits, ratings.init_scale), model.n_factors
    used, dtype = used_clicks(prepared, model, seed, progress), str(model.dtype)
    settings = ClickSettings(used.weighing, model.cg_steps)
    scale, reg_features = model.init_scale / used.n_factors**0.5, used.weighing.reg * model.reg_features
    kind = Clicks(settings, model.positive, used.typical, used.n_warm, reg_features, scale, used.shrinkage, dtype)
    return kind, used.n_factors
