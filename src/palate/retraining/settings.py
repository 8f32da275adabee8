"""What a retraining is told; what it is not told is as usual, and the model is the running one's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from palate.errors import ParameterError
from palate.models import MODELS, Recommender
from palate.models.contract.parameters import check_choice, check_whole, plain_value
from palate.retraining.rule import GateRule, record_of
from palate.store.versions.keeping import KEPT

KIND = "retrain"  # of its jobs and schedules
FIRST = "ials"  # the model where none runs yet, and none is named
SETTLING = ("als", "ials", "bayes")  # come to the same place from any beginning: others would go on beyond it


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """What a retraining is told.

    Attributes:
        model: key of the model to train, such as "ials"; None: as the running one, with its parameters.
        parameters: of the model, by name; those left out are as the running model has them, or as usual.
        warm: whether it goes on from the running model: None, where that makes it quicker and no worse (als, ials,
            bayes); True, also other models that can; False, never.
        activate: whether a version that passes answers at once.
        keep: versions whose files are kept.
        rule: of the gate.
    """

    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    warm: bool | None = None
    activate: bool = True
    keep: int = KEPT
    rule: GateRule = field(default_factory=GateRule)

    def __post_init__(self) -> None:
        """Refuse what no retraining can do.

        Raises:
            ParameterError: names the field, and what it may be.
        """
        if self.model is not None and (not isinstance(self.model, str) or self.model not in MODELS):
            raise ParameterError.unknown("no model", self.model, MODELS)
        if not isinstance(self.parameters, Mapping):
            raise ParameterError.outside("parameters", "an object of the model's parameters by name", self.parameters)
        check_choice("warm", self.warm, (None, False, True))
        check_choice("activate", self.activate, (False, True))
        check_whole("keep", self.keep, low=2)
        if self.model is not None:
            self.candidate(None)

    def candidate(self, running: Recommender | None) -> Recommender:
        """Return the unfitted model that is to be trained.

        Args:
            running: the model that answers now, or None.

        Raises:
            UnknownParameterError: it has no such parameter.
            ParameterError: a value is wrong.
        """
        key = self.model or (FIRST if running is None else running.key)
        same = running is not None and running.key == key
        before = settings_of(running) if running is not None and same else {}
        made = MODELS[key](**{**before, **self.parameters})
        made.check_parameters()
        return made

    def goes_on(self, model: Recommender) -> bool:
        """Return whether a model of this kind goes on from a fitted one."""
        if self.warm is False or "warm_start" not in model.supports:
            return False
        return self.warm is True or model.key in SETTLING

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, as JSON holds them."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**plain, "parameters": dict(self.parameters), "rule": self.rule.as_dict()}

    @classmethod
    def of(cls, said: object) -> Retraining:
        """Return the settings of some fields, the others as usual.

        Raises:
            ParameterError: it is no object, a field is unknown, or a value wrong.
        """
        record = record_of(said, "retraining", [field.name for field in fields(cls)])
        if "rule" in record:
            record["rule"] = GateRule.of(record["rule"])
        return cls(**record)


def checked(details: object) -> dict[str, Any]:
    """Return what a job or a schedule says, every field of it, or refuse it.

    Args:
        details: any of the fields of `Retraining`, the rule as an object of those of `GateRule`.

    Raises:
        ParameterError: names the field, and what it may be.
    """
    return Retraining.of(details).as_dict()


def settings_of(model: Recommender) -> dict[str, Any]:
    """Return the parameters that train a model like this one on a store's log.

    A number as the rule of clicks (``positive``), of a model trained elsewhere, is left out: event kinds say what is
    positive.
    """
    parameters = {name: plain_value(value) for name, value in model.get_params().items() if name != "n_threads"}
    if isinstance(parameters.get("positive"), int | float):
        del parameters["positive"]
    return parameters
