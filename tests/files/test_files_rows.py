"""A file whose arrays do not fit each other is refused when it is loaded, though every checksum is true."""

import contextlib
import json

import numpy as np
import pytest
from model_files import MADE as OF_EACH_MODEL
from model_files import WHOLE, Parts, ease_model, knn_model, text_model
from synthetic import low_rank

from palate import files
from palate.data.features import Features
from palate.errors import ModelFileError
from palate.models import ALS, BPR, BayesianMF, ImplicitALS, MatrixFactorization


def with_features(model):
    """Return a model fitted with features of both sides."""
    data = low_rank(12, 9, 80)
    both = {}
    for side, ids in (("user", data.users.values), ("item", data.items.values)):
        towns = [f"t{k % 2}" for k in range(len(ids))]
        table = {f"{side}_id": ids, "age": [20.0 + k for k in range(len(ids))], "town": towns}
        both[f"{side}_features"] = Features.from_table(table, side)
    return model.set_params(random_state=4).fit(data, **both)


MADE = OF_EACH_MODEL | {
    "mf of text": text_model,
    "mf with features": lambda: with_features(MatrixFactorization(2, n_epochs=2)),
    "als with features": lambda: with_features(ALS(2, n_epochs=2)),
    "ials with features": lambda: with_features(ImplicitALS(2, n_epochs=2, positive=3)),
    "bpr with features": lambda: with_features(BPR(2, n_epochs=2, positive=3)),
    "ease, dense": lambda: ease_model(n_neighbors=None),
    "bayes with features": lambda: with_features(BayesianMF(2, n_sweeps=4, n_burn_in=2, n_kept=2)),
    "bayes, plain": lambda: BayesianMF(2, n_sweeps=4, n_burn_in=2, n_kept=2, random_state=4, n_components=0).fit(
        low_rank(12, 9, 80)
    ),
}
CHANGES = {
    "without its last": lambda array, axis: np.delete(array, -1, axis),
    "without its first": lambda array, axis: np.delete(array, 0, axis),
    "with its last twice": lambda array, axis: np.append(array, np.take(array, [-1], axis), axis),
}


@pytest.fixture(scope="module", params=MADE)
def saved(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "m.safetensors"
    files.save(MADE[request.param](), path)
    return path


def resealed(path, name, array, to):
    """Write the file with another array of this name; every checksum fits."""
    parts = Parts.of(path)
    parts.arrays[name] = array
    parts.arrays = dict(sorted(parts.arrays.items(), key=lambda pair: -pair[1].itemsize))
    to.write_bytes(parts.sum_up().bytes())
    return to


def test_every_array_a_row_short_or_long_is_refused(saved, tmp_path):
    arrays = Parts.of(saved).arrays
    accepted = []
    for name, array in arrays.items():
        for axis in range(array.ndim):
            for what, change in CHANGES.items():
                if not array.shape[axis] or (name == "item_table" and what == "without its last"):
                    continue
                path = resealed(saved, name, change(array, axis), tmp_path / "changed")
                with contextlib.suppress(ModelFileError):
                    files.load(path)
                    accepted.append(f"{name} {what} on axis {axis}")
    assert accepted == []


def test_values_that_do_not_fit_the_arrays_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    files.save(MADE["mf with features"](), path)
    for change, text in (
        (lambda learned: learned.update(user_encoding_=[]), "user_encoding_ names 0 features, the arrays hold 4"),
        (lambda learned: learned["item_encoding_"].pop(), "item_encoding_ names 2 features, the arrays hold 4"),
    ):
        parts = Parts.of(path)
        change(parts.palate["learned"])
        (tmp_path / "changed").write_bytes(parts.bytes())
        with pytest.raises(ModelFileError, match=f"is refused: {text}"):
            files.load(tmp_path / "changed")


def test_weights_out_of_order_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    files.save(knn_model(), path)
    indices = Parts.of(path).arrays["learned.weights_indices_"]
    indices[:2] = indices[1::-1]
    with pytest.raises(ModelFileError, match="weights_indices_ does not rise within a row"):
        files.load(resealed(path, "learned.weights_indices_", indices, tmp_path / "changed"))


@pytest.mark.parametrize("key", [key for key in MADE if key in WHOLE or key not in OF_EACH_MODEL])
def test_every_exported_array_a_row_short_or_long_is_refused(key, tmp_path):
    files.export(MADE[key](), tmp_path)
    for path in sorted(tmp_path.glob("*.npy")):
        whole = path.read_bytes()
        array = np.load(path)
        for axis in range(array.ndim):
            for change in CHANGES.values():
                if array.shape[axis]:
                    np.save(path, change(array, axis))
                    with pytest.raises(ModelFileError, match="is refused: "):
                        files.import_folder(tmp_path)
        path.write_bytes(whole)
    files.import_folder(tmp_path)
    for name in ("users.json", "items.json"):
        path = tmp_path / name
        whole = path.read_text()
        path.write_text(json.dumps(json.loads(whole)[:-1]))
        with pytest.raises(ModelFileError, match="is refused: "):
            files.import_folder(tmp_path)
        path.write_text(whole)
