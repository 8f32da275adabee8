"""A chain that was cut off goes on to the model that an uninterrupted fit gives; what is not its own is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from synthetic import interactions, low_rank

from palate import files
from palate.data.features import Features
from palate.errors import ModelFileError, ParameterError
from palate.files import Checkpoint, strict_json
from palate.files.checkpoint import ENTRY
from palate.files.container import Container, pieces
from palate.models import BayesianMF

SETTINGS = {"n_factors": 2, "n_sweeps": 24, "n_burn_in": 6, "n_components": 2, "random_state": 3, "n_threads": 1}
DATA = low_rank(20, 15, 150)


class CutOffError(Exception):
    """What a killed process leaves is what stands in the file."""


def cut_after(sweep):
    def progress(event):
        if event.step == sweep:
            raise CutOffError

    return progress


def begin(path, data=DATA, at=11, **options):
    """Return the model of a fit that was cut off, its state of the sweep before in the file."""
    model = BayesianMF(**{**SETTINGS, **options})
    model.checkpoint = Checkpoint(path, seconds=0)
    with pytest.raises(CutOffError):
        model.fit(data, progress=cut_after(at))
    return model


def same(one, other):
    assert one.seed_ == other.seed_
    for name in one.learned_.ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for a, b in zip(one.history_, other.history_, strict=True):
        assert a | {"seconds": 0} == b | {"seconds": 0}


def stars(data):
    return interactions(data.user_index, data.item_index, np.round(data.values).tolist())


@pytest.mark.parametrize("at", [3, 11])
@pytest.mark.parametrize(
    ("data", "options"),
    [
        (DATA, {}),
        (DATA, {"time_effects": "day,page", "scale_df": None}),
        (stars(DATA), {"likelihood": "ordinal", "incidence": False}),
        (DATA, {"incidence": False, "n_components": 0, "counts": False}),
    ],
)
def test_a_chain_goes_on_bit_for_bit(tmp_path, data, options, at):
    path = tmp_path / "chain.ckpt"
    model = begin(path, data, at, **options)
    assert path.exists()
    steps = []
    model.fit(data, progress=lambda event: steps.append(event.step))
    assert steps == list(range(at, 25))
    same(model, BayesianMF(**{**SETTINGS, **options}).fit(data))
    assert not path.exists()


def test_a_chain_with_features_and_a_validation_part_goes_on(tmp_path):
    rows = np.arange(len(DATA))
    part, held = DATA.take(rows[:-30]), DATA.take(rows[-30:])
    table = pl.DataFrame({"user_id": DATA.users.values, "age": np.arange(20)})
    known = {"validation": held, "user_features": Features.from_table(table, "user", columns=["age"])}
    model = BayesianMF(**SETTINGS)
    model.checkpoint = Checkpoint(tmp_path / "chain.ckpt", seconds=0)
    with pytest.raises(CutOffError):
        model.fit(part, progress=cut_after(9), **known)
    with pytest.raises(ParameterError, match=r"of another fit \(the user features was [0-9a-f]{64}, and is None\)"):
        model.fit(part, validation=held)
    same(model.fit(part, **known), BayesianMF(**SETTINGS).fit(part, **known))


def test_the_seed_that_was_drawn_is_gone_on_with(tmp_path):
    model = begin(tmp_path / "chain.ckpt", random_state=None)
    model.fit(DATA)
    same(model, BayesianMF(**{**SETTINGS, "random_state": model.seed_}).fit(DATA))


def test_ctrl_c_leaves_a_model_and_the_checkpoint(tmp_path):
    def interrupt(event):
        if event.step == 15:
            raise KeyboardInterrupt

    model = BayesianMF(**SETTINGS)
    model.checkpoint = Checkpoint(tmp_path / "chain.ckpt", seconds=0)
    model.fit(DATA, progress=interrupt)
    assert model.interrupted_
    assert (tmp_path / "chain.ckpt").exists()
    same(model.fit(DATA), BayesianMF(**SETTINGS).fit(DATA))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_sweeps": 30}, r"of another fit \(n_sweeps was 24, and is 30\): go on with that fit, or remove the check"),
        ({"random_state": 4}, r"\(seed was 3, and is 4\)"),
        ({"n_factors": 3}, r"\(n_factors was 2, and is 3\)"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused_and_stays(tmp_path, change, message):
    path = tmp_path / "chain.ckpt"
    model = begin(path)
    before = path.read_bytes()
    with pytest.raises(ParameterError, match=message):
        model.set_params(**change).fit(DATA)
    with pytest.raises(ParameterError, match=r"of another fit \(the data was"):
        model.set_params(**SETTINGS).fit(low_rank(20, 15, 149))
    assert path.read_bytes() == before


def rewritten(path, change):
    """Write the checkpoint anew with its arrays and words changed."""
    container = Container.open(path)
    arrays = {name: array.copy() for name, array in container.arrays().items()}
    said = strict_json.loads(container.metadata[ENTRY].encode(), "the checkpoint")
    change(arrays, said)
    words = {ENTRY: strict_json.dumps(said, "the checkpoint").decode()}
    path.write_bytes(b"".join(bytes(piece) for piece in pieces(arrays, words)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda arrays, said: arrays.pop("run.lines.0.chain.users.X"),
            r"damaged: run\.lines\.0\.chain\.users\.X is no such array",
        ),
        (
            lambda arrays, said: arrays.update({"run.lines.1.chain.errors": np.zeros(3)}),
            r"run\.lines\.1\.chain\.errors is float64 \(3,\)",
        ),
        (lambda arrays, said: said.pop("run.lines.0.chain.mu"), r"damaged: it has no run\.lines\.0\.chain\.mu"),
        (lambda arrays, said: said.update({"format_version": 9}), "its format is another than 1"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, change, message):
    path = tmp_path / "chain.ckpt"
    model = begin(path)
    rewritten(path, change)
    with pytest.raises(ModelFileError, match=message):
        model.fit(DATA)
    assert not hasattr(model, "users_")


def test_files_that_are_no_checkpoint_are_refused(tmp_path):
    path = tmp_path / "chain.ckpt"
    whole = begin(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelFileError, match=r"cannot go on from .*chain\.ckpt: truncated"):
        whole.fit(DATA)
    files.save(BayesianMF(**SETTINGS).fit(DATA), path)
    with pytest.raises(ModelFileError, match=r"cannot go on from .*chain\.ckpt: it is no checkpoint"):
        whole.fit(DATA)


def test_a_checkpoint_waits_for_its_time(tmp_path):
    model = BayesianMF(**SETTINGS)
    model.checkpoint = Checkpoint(tmp_path / "chain.ckpt", seconds=3600)
    with pytest.raises(CutOffError):
        model.fit(DATA, progress=cut_after(20))
    assert not (tmp_path / "chain.ckpt").exists()
