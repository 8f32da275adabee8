"""What models have learned is typed, frozen, and known to files when the class is made."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, replace
from typing import Annotated, Any

import numpy as np
import pytest
from synthetic import low_rank

from palate.errors import ModelFileError, NotFittedError
from palate.models import MODELS, Baseline
from palate.models.contract.learned import Array, Attribute, Check, Course, Learned, OfTraining, Shape, Used
from palate.models.contract.parameters import Above, Before, Parameter
from palate.models.contract.state import brought_up


@pytest.fixture(scope="module")
def fitted():
    return Baseline().fit(low_rank(12, 9, 60))


@pytest.mark.parametrize("hint", [Any, Array, dict[str, float], Annotated[Array, "n_users"], float | None])
def test_a_field_that_files_do_not_know_is_refused_when_the_class_is_made(hint):
    with pytest.raises(TypeError, match=r"Odd\.strange: files hold no .*; annotate it with a Shape or a Check"):
        type("Odd", (Learned,), {"__annotations__": {"strange": hint}, "__module__": __name__})


def test_fields_of_parts_count_as_own():
    @dataclass(frozen=True, eq=False)
    class Whole(Learned):
        rows: Annotated[np.ndarray, Shape("n_users", "k", dtypes=("int64",))]
        name: str
        score: Annotated[float, Check(lambda value: value > 0, "above 0")]
        course: Course

    assert {name: shape.axes for name, shape in Whole.ARRAYS.items()} == {"rows_": ("n_users", "k")}
    assert list(Whole.SCALARS) == ["name_", "score_", *Course.SCALARS]
    course = Course(history=[], best_epoch=3, interrupted=False, seed=7)
    whole = Whole(np.zeros((2, 3), int), "a", 1.0, course)
    assert whole.read("seed_") == 7
    again = Whole.from_values(whole.values())
    assert again.values() == whole.values()
    with pytest.raises(ModelFileError, match=r"^score_ must be above 0$"):
        Whole.SCALARS["score_"].check("score_", -1)
    with pytest.raises(ModelFileError, match=r"^rows_ holds float64, not int64$"):
        Whole.ARRAYS["rows_"].check("rows_", np.zeros(2))


def test_files_older_than_a_setting_have_the_parameter_and_those_older_than_it_what_was_used_then(fitted):
    @dataclass(frozen=True, eq=False)
    class Settings(Learned):
        reg: Annotated[float, Used()]
        power: Annotated[float, Used()]
        spread: Annotated[float, Used(1.0)]

    state = replace(fitted.state(), parameters={"reg": 2.5, "spread": None}, learned={"power_": 0.25})
    power = Parameter.of("power", None, Annotated[float | None, Above(0), Before(1.0), "of counts."])
    old = brought_up(state, {"power": power}, Settings)
    assert old.parameters == {"reg": 2.5, "spread": None, "power": 1.0}
    assert old.learned == {"reg_": 2.5, "power_": 0.25, "spread_": 1.0}
    assert list(Settings.SCALARS) == ["reg_", "power_", "spread_"]
    unknown = brought_up(replace(state, parameters={"reg": None, "spread": 2.0}, learned={}), {}, Settings)
    assert unknown.learned == {"spread_": 2.0}  # a lacking reg_ is refused where the model is made


@pytest.mark.parametrize("key", MODELS)
def test_every_learned_value_is_a_typed_attribute_and_every_attribute_is_learned(key):
    cls = MODELS[key]
    kind = cls.learned_.kind
    attributes = {name for name in dir(cls) if isinstance(getattr(cls, name), Attribute)}
    kept = {name for name in attributes if isinstance(getattr(cls, name), OfTraining)}
    assert {*kind.ARRAYS, *kind.SCALARS} == attributes - kept - {
        name for name in attributes if getattr(cls, name).otherwise is not None and name not in kind.SCALARS
    }
    assert kept == {"users_", "items_", "seen_", "rated_", "item_table_", "rating_range_", "log_"}


@pytest.mark.parametrize("name", ["users_", "history_", "best_epoch_", "item_biases_", "mean_", "learned_"])
def test_nothing_is_there_before_fit(name):
    with pytest.raises(NotFittedError, match=r"^this Baseline is not fitted yet: call fit\(interactions\) first$"):
        getattr(Baseline(), name)
    assert not hasattr(Baseline(), name)


def test_what_was_learned_cannot_be_set(fitted):
    for name in ("item_biases_", "mean_", "users_"):
        with pytest.raises(AttributeError, match=f"{name} is what Baseline has learned, and cannot be set"):
            setattr(fitted, name, None)
    with pytest.raises(FrozenInstanceError):
        fitted.learned_.mean = 1.0
    assert replace(fitted.learned_, mean=1.0).mean == 1.0 != fitted.mean_


def test_a_model_computed_in_one_go_has_an_empty_course(fitted):
    assert (fitted.history_, fitted.best_epoch_, fitted.epoch_chosen_on_, fitted.interrupted_) == ([], 0, "none", False)
    with pytest.raises(AttributeError):
        fitted.seed_  # noqa: B018


def test_copies_keep_what_was_learned(fitted):
    for other in (copy.copy(fitted), copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(other.item_biases_, fitted.item_biases_)
        assert other.users_ == fitted.users_
