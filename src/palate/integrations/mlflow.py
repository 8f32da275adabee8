"""Models in MLflow: logged as Palate's own file, loaded back whole, or asked as a ``pyfunc`` by a frame.

No pickle is written: MLflow is given the model file, and the name of this module, which loads it. The frame has a
column ``user_id`` and, for predictions of pairs, ``item_id``:

    lists = mlflow.pyfunc.load_model(uri).predict(pd.DataFrame({"user_id": [1, 2]}), params={"n": 5})
    stars = mlflow.pyfunc.load_model(uri).predict(pd.DataFrame({"user_id": [1, 2], "item_id": [50, 50]}))
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from palate import files
from palate.data.ids import Ids
from palate.errors import DataError, ModelFileError, ParameterError, missing_extra
from palate.models import Recommender

try:
    import mlflow.artifacts
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
except ImportError:
    raise missing_extra("mlflow", "a model in MLflow") from None

FILE = "model.safetensors"
PARAMETERS = {"n": 10, "exclude_seen": True, "on_unknown": "raise"}
KINDS = {"n": DataType.long, "exclude_seen": DataType.boolean, "on_unknown": DataType.string}


def log_model(model: Recommender, name: str = "palate", **options: Any) -> Any:
    """Log a fitted model in the active run, or a new one; return what MLflow says of it, such as its ``model_uri``.

    Args:
        model: fitted.
        name: of the logged model.
        options: of `mlflow.pyfunc.log_model`, such as ``registered_model_name``.

    Raises:
        NotFittedError: before ``fit``.
        ModelFileError: the model holds NaN, or the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        files.save(model, path)
        given = {
            "loader_module": __name__,
            "data_path": str(path),
            "signature": signature_of(model),
            "pip_requirements": [f"palate[mlflow]=={version('palate')}"],
            "metadata": {"palate": {"model": model.key, "users": len(model.users_), "items": len(model.items_)}},
        }
        return mlflow.pyfunc.log_model(name=name, **{**given, **options})


def load_model(uri: str) -> Recommender:
    """Return a logged model as it was: all its methods, not ``predict`` alone.

    Args:
        uri: such as "models:/m-…", "runs:/…/palate", "models:/films/1" of a registered one, or a folder.

    Raises:
        ModelFileError: what was logged there is no model of Palate, or is damaged.
    """
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    flavor = Model.load(folder).flavors.get("python_function", {})
    if flavor.get("loader_module") != __name__:
        raise ModelFileError.of(uri, "is no model that palate.integrations.mlflow logged", code="format")
    return files.load(folder / flavor["data"])


def signature_of(model: Recommender) -> ModelSignature:
    """Return what a pyfunc takes: ids of the model's own types, and how lists are made.

    Raises:
        NotFittedError: before ``fit``.
    """
    inputs = Schema([ColSpec(_type(model.users_), "user_id"), ColSpec(_type(model.items_), "item_id", required=False)])
    params = ParamSchema([ParamSpec(name, KINDS[name], default) for name, default in PARAMETERS.items()])
    return ModelSignature(inputs=inputs, params=params)


class AskedByFrame:
    """A model as MLflow asks it: a frame of users, or of pairs, in; a frame of lists, or predictions, out."""

    def __init__(self, model: Recommender) -> None:
        self.model = model

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the lists of the users of a frame or, where it has a column ``item_id``, a prediction a row.

        Args:
            frame: with a column ``user_id``.
            params: n, exclude_seen and on_unknown as in `Recommender.recommend`; with ``item_id``, on_unknown alone,
                as in `Recommender.predict`.

        Raises:
            DataError: the frame has no column ``user_id``.
            ParameterError: a parameter is unknown or out of range, or the model predicts no values.
            UnknownIdError: an id that the model does not know, with on_unknown="raise".
        """
        if not isinstance(frame, pd.DataFrame) or "user_id" not in frame.columns:
            has = f"has columns {', '.join(map(str, frame.columns))}" if isinstance(frame, pd.DataFrame) else "is none"
            raise DataError.of("the frame", f"must have a column user_id, and {has}", code="columns")
        given = params or {}
        for odd in sorted(given.keys() - PARAMETERS.keys()):
            raise ParameterError.unknown("no parameter", odd, PARAMETERS)
        users = frame["user_id"].tolist()
        if "item_id" in frame.columns and not frame["item_id"].isna().all():
            on_unknown = given.get("on_unknown", "raise")
            values = self.model.predict(users, frame["item_id"].tolist(), on_unknown=on_unknown)
            return pd.Series(values, index=frame.index, name="prediction")
        return pd.DataFrame(self.model.recommend(users, **{**PARAMETERS, **given}).to_dict(as_series=False))


def _load_pyfunc(path: str) -> AskedByFrame:
    """Return the model of a file, for `mlflow.pyfunc`, which looks for a function of this name."""
    return AskedByFrame(files.load(path))


def _type(ids: Ids) -> DataType:
    return DataType.long if ids.kind == "integer" else DataType.string
