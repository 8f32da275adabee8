"""How chance takes part in a list: the record that presets keep, lists name, and the drawing reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from palate.errors import ParameterError, shown

ExplorePolicy = Literal["none", "softmax", "thompson"]
POLICIES: tuple[ExplorePolicy, ...] = ("none", "softmax", "thompson")
DEEPEST = 500  # places that a list is ranked to
COLDEST, HOTTEST = 0.01, 1000  # standard deviations of the candidates' scores
UNIFORM = 0.05  # of Thompson sampling, where nothing else is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Explore:
    """How chance takes part in a list.

    Attributes:
        policy: "none": the best stays first; "softmax": by scores and a temperature; "thompson": by one of the draws
            that a Bayesian model keeps.
        temperature: of softmax, in standard deviations of the candidates' scores; smaller is nearer to none.
        share: of lists that chance takes part in; the others are the order itself.
        depth: how many places of the order are candidates.
        uniform: the share of the uniform distribution that is mixed in, so that no candidate has probability 0; None:
            0.05 for "thompson", which needs one, else 0.
    """

    policy: ExplorePolicy = "none"
    temperature: float = 0.1
    share: float = 1.0
    depth: int = 100
    uniform: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn by.

        Raises:
            ParameterError: names the field, and what it may be.
        """
        if self.policy not in POLICIES:
            raise ParameterError.outside("explore.policy", "'none', 'softmax' or 'thompson'", self.policy)
        if type(self.depth) is not int or not 2 <= self.depth <= DEEPEST:
            raise ParameterError.outside("explore.depth", f"a whole number from 2 to {DEEPEST}", self.depth)
        if not _is_between(self.temperature, COLDEST, HOTTEST):
            allowed = f"a number from {COLDEST} to {HOTTEST}"
            raise ParameterError.outside("explore.temperature", allowed, self.temperature)
        if not _is_between(self.share, 0, 1) or self.share == 0:
            raise ParameterError.outside("explore.share", "a number above 0, to 1", self.share)
        self._check_uniform()

    def _check_uniform(self) -> None:
        if self.uniform is None:
            object.__setattr__(self, "uniform", UNIFORM if self.policy == "thompson" else 0.0)
        elif not _is_between(self.uniform, 0, 1) or self.uniform == 1:
            raise ParameterError.outside("explore.uniform", "a number from 0 to below 1", self.uniform)
        elif self.policy == "thompson" and self.uniform == 0:
            raise ParameterError.outside("explore.uniform", "above 0 for 'thompson': an item must not have 0", 0)

    @classmethod
    def of(cls, record: object) -> Explore:
        """Return what a JSON object says.

        Raises:
            ParameterError: it is no object, or has an unknown field.
        """
        if not isinstance(record, Mapping):
            raise ParameterError(
                f'explore is an object such as {{"policy": "softmax"}}, got {shown(record)}', subject="explore"
            )
        known = [field.name for field in fields(cls)]
        for name in record:
            if name not in known:
                raise ParameterError.unknown("explore has no field", name, known, having="there are")
        return cls(**record)

    def as_dict(self) -> dict[str, Any]:
        """Return all fields as JSON holds them."""
        return asdict(self)


def _is_between(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
