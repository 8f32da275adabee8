"""Configs: a model's parameters as JSON, checked strictly."""

import json

import numpy as np
import pytest

from palate.errors import DataError, ModelFileError, ParameterError
from palate.files.config import read_config, write_config
from palate.models import Baseline, MatrixFactorization


def test_it_comes_back_the_same(tmp_path):
    path = tmp_path / "config.json"
    model = MatrixFactorization(n_factors=7, schedule="constant", random_state=3, n_threads=2)
    write_config(model, path, {"metric": "rmse"})
    again = read_config(path)
    assert again.get_params() == {**model.get_params(), "n_threads": None}  # threads are the machine's affair
    assert json.loads(path.read_text())["tuned"] == {"metric": "rmse"}
    write_config(Baseline(reg_users=0.1), path)
    assert read_config(path).get_params()["reg_users"] == 0.1
    assert "tuned" not in json.loads(path.read_text())


GOOD = {"format_version": 1, "model": "mf", "parameters": {"n_factors": 5}}


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("{", DataError, "a config is JSON, as palate tune writes it"),
        ('{"a": 1, "a": 2}', DataError, "has the key 'a' twice"),
        ("[]", DataError, "is no config: it needs format_version, model and parameters"),
        ('{"model": "mf"}', DataError, "is no config: it needs format_version, model and parameters"),
        ({"extra": 1}, DataError, "has the unknown key 'extra'; a config has format_version, model, parameters, tuned"),
        ({"format_version": 2}, DataError, "is of version 2, this Palate reads 1"),
        ({"model": "xgboost"}, DataError, "is of the model 'xgboost'; there is popularity, baseline, mf, als"),
        ({"model": ["mf"]}, DataError, r"is of the model '\['mf'\]'"),
        ({"parameters": [1]}, DataError, "must be an object of names and values"),
        ({"parameters": {"luck": 1}}, ParameterError, "config.json: .*luck"),
        ({"parameters": {"n_factors": "5"}}, ParameterError, "config.json: n_factors must be a whole number"),
        (
            {"parameters": {"n_factors": -1}},
            ParameterError,
            "config.json: n_factors must be a whole number of at least 1",
        ),
        (
            {"parameters": {"validation_fraction": None}},
            ParameterError,
            "config.json: validation_fraction must be a number",
        ),
        ({"parameters": {"schedule": "zigzag"}}, ParameterError, "config.json: schedule must be"),
    ],
)
def test_what_is_no_config_is_refused(tmp_path, text, error, said):
    path = tmp_path / "config.json"
    path.write_text(text if isinstance(text, str) else json.dumps({**GOOD, **text}))
    with pytest.raises(error, match=said):
        read_config(path)


def test_files_that_cannot_be(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the config .*none\.json: No such file"):
        read_config(tmp_path / "none.json")
    (tmp_path / "large.json").write_bytes(b" " * (2 << 20))
    with pytest.raises(DataError, match="is too large for a config"):
        read_config(tmp_path / "large.json")
    with pytest.raises(DataError, match="cannot write the config to"):
        write_config(Baseline(), tmp_path / "nowhere" / "config.json")
    with pytest.raises(ModelFileError, match="the config cannot be saved as JSON"):
        write_config(MatrixFactorization(random_state=np.random.default_rng(0)), tmp_path / "c.json")
    write_config(MatrixFactorization(n_factors=np.int64(3)), tmp_path / "c.json")
    assert read_config(tmp_path / "c.json").n_factors == 3
