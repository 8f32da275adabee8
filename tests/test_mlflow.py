"""Models in MLflow itself: logged without a pickle, loaded whole, and asked by frames."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from small_models import make
from synthetic import low_rank

from palate.errors import DataError, MissingExtraError, ModelFileError, ParameterError, UnknownIdError

with warnings.catch_warnings():  # of its own type hints, and of Pydantic's newer names
    warnings.simplefilter("ignore")
    import mlflow

    from palate.integrations.mlflow import AskedByFrame, load_model, log_model

pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")


@pytest.fixture(scope="module")
def model():
    return make("als").fit(low_rank(n_users=40, n_items=30))


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Keep runs in a folder of this module's own: MLflow takes seconds to make a database."""
    folder, before = tmp_path_factory.mktemp("mlflow") / "runs", mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that folders are no longer advised
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow.set_tracking_uri(folder.as_uri())
        yield folder
        mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def logged(model, tracked):
    return log_model(model)


def test_a_logged_model_comes_back_whole_and_without_a_pickle(model, logged, tmp_path):
    back = load_model(logged.model_uri)
    assert back.recommend(model.users_.values, 5).equals(model.recommend(model.users_.values, 5))
    folder = mlflow.artifacts.download_artifacts(artifact_uri=logged.model_uri, dst_path=str(tmp_path))
    assert [path.name for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pickle")] == []
    assert load_model(folder).key == "als"


def test_mlflow_asks_it_for_lists(model, logged):
    asked = mlflow.pyfunc.load_model(logged.model_uri)
    users = model.users_.values.to_list()[:3]
    lists = asked.predict(pd.DataFrame({"user_id": users}), params={"n": 4, "exclude_seen": False})
    want = model.recommend(users, 4, exclude_seen=False)
    assert lists.to_dict("list") == want.to_dict(as_series=False)


def test_mlflow_asks_it_for_predictions(model, logged):
    asked = mlflow.pyfunc.load_model(logged.model_uri)
    users, items = model.users_.values.to_list()[:3], model.items_.values.to_list()[:3]
    values = asked.predict(pd.DataFrame({"user_id": users, "item_id": items}, index=[7, 8, 9]))
    np.testing.assert_array_equal(values.to_numpy(), model.predict(users, items))
    assert values.index.tolist() == [7, 8, 9]


def test_unknown_people_are_refused_or_get_the_popular_list(model):
    asked = AskedByFrame(model)
    with pytest.raises(UnknownIdError):
        asked.predict(pd.DataFrame({"user_id": [-1]}))
    popular = asked.predict(pd.DataFrame({"user_id": [-1]}), {"on_unknown": "popular", "n": 2})
    assert popular["source"].tolist() == ["popular"] * 2
    pairs = pd.DataFrame({"user_id": [-1], "item_id": [model.items_.values[0]]})
    assert np.isnan(asked.predict(pairs, {"on_unknown": "nan"})).all()


def test_what_is_refused(model, tracked):
    asked = AskedByFrame(model)
    with pytest.raises(DataError, match="must have a column user_id, and has columns user"):
        asked.predict(pd.DataFrame({"user": [1]}))
    with pytest.raises(DataError, match="must have a column user_id, and is none"):
        asked.predict([1])
    with pytest.raises(ParameterError, match="no parameter 'k'"):
        asked.predict(pd.DataFrame({"user_id": [1]}), {"k": 5})
    path = tracked / "other"
    mlflow.pyfunc.save_model(path, loader_module="other", data_path=__file__, pip_requirements=[])
    with pytest.raises(ModelFileError, match=r"is no model that palate\.integrations\.mlflow logged"):
        load_model(str(path))


def test_without_mlflow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc", None)
    monkeypatch.delitem(sys.modules, "palate.integrations.mlflow")
    with pytest.raises(MissingExtraError, match=r"pip install 'palate\[mlflow\]'"):
        __import__("palate.integrations.mlflow")


@pytest.mark.long
def test_a_model_is_registered_in_a_database(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where files of runs go
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    log_model(model, registered_model_name="films")
    assert load_model("models:/films/1").users_.values.equals(model.users_.values)
    mlflow.set_tracking_uri(before)
