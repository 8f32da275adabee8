"""What a model may be able to do: each ability is a protocol, and a class that implements it has the ability."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.models.contract.registry import MODELS
from palate.sparse import Array, Rows

if TYPE_CHECKING:
    from palate.models.bayes.checkpoints import CheckpointStore
    from palate.models.contract.explanation import Part
    from palate.models.contract.learned import StoredEncoding
    from palate.models.contract.learner import Learner, WarmStart
    from palate.models.contract.person import Group
    from palate.models.contract.predictive import Predictive
    from palate.models.contract.scoring import Scorer


@runtime_checkable
class PredictsDistribution(Protocol):
    """Tells how sure it is of a rating."""

    def _predictive(self, u: Array, i: Array, times: Array | None) -> Predictive:
        """Return the distributions of ratings of pairs of positions, at these times."""

    def _predictive_for(self, rows: Rows, features: Array | None, u: Array, i: Array) -> Predictive:
        """Return those of people by these rows and their features: pairs of one of these rows and an item."""


@runtime_checkable
class FoldsIn(Protocol):
    """Folds users in."""

    def _fold(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        """Return factors and biases of users by these rows and their features."""


@runtime_checkable
class FoldsItemsIn(Protocol):
    """Folds items in."""

    def _fold_items(self, rows: Rows, features: Array | None) -> tuple[Array, Array]:
        """Return factors and biases of items by these rows, one an item, and their features."""


@runtime_checkable
class ScoresPeople(Protocol):
    """Scores users whom it has not seen by their rows."""

    def _scorer_for(self, rows: Rows, features: Array | None) -> Scorer:
        """Return what scores users by these rows and their features."""


@runtime_checkable
class LikensItems(Protocol):
    """Tells which items are like others."""

    def _items_like(self, index: NDArray[np.int32], n: int) -> tuple[Array, Array]:
        """Return the n items most like each item, itself left out, and how like they are, (m, n) each."""


@runtime_checkable
class LikensUsers(Protocol):
    """Tells which users are like others."""

    def _users_like(self, group: Group, n: int) -> tuple[Array, Array]:
        """Return the n users of training most like each user of a group, and how like they are, (m, n) each."""


@runtime_checkable
class Explains(Protocol):
    """Says of what a score is made."""

    def _parts(self, row: Rows, features: Array | None, item: int) -> tuple[list[Part], tuple[Array, Array, Array]]:
        """Return the parts of a score of a user with this one row: of no item; and items, values, contributions."""


@runtime_checkable
class TakesFeatures(Protocol):
    """Learns from attributes of users and items."""

    def _encoding(self, side: str) -> StoredEncoding:
        """Return how the features of a side were made; nothing where there were none."""

    def _stored_features(self, user: int) -> Array | None:
        """Return the features of a user of training, (1, n_features), where there are some."""


@runtime_checkable
class WarmStarts(Protocol):
    """Goes on from a fitted model of its class."""

    def _warm_start(self) -> WarmStart:
        """Return what another fit can begin with."""


class ScoresInDraws(Protocol):
    """Scores of some items in the draws that a model keeps."""

    @property
    def n_draws(self) -> int:
        """How many draws there are."""

    def of(self, draw: int) -> NDArray[np.float64]:
        """Return the scores in one draw, (m,)."""

    def every(self) -> NDArray[np.float64]:
        """Return the scores in all draws, (n_draws, m), in the bits of ``of``."""


@runtime_checkable
class KeepsDraws(Protocol):
    """Keeps draws of what it has learned."""

    def _scores_in_draws(self, user: int | Rows, features: Array | None, items: Array, seed: int) -> ScoresInDraws:
        """Return the scores of items for a user of training, or for somebody by one row and features.

        Args:
            user: a position, or one row of cells.
            features: (1, n_features) of somebody by a row, or None.
            items: (m,) positions.
            seed: of the draws of somebody by a row.
        """


@runtime_checkable
class AsksQuestions(Protocol):
    """Chooses what to ask a newcomer about."""

    def questions(self, n: int = 10) -> pl.DataFrame:
        """Return the items to ask about: rank, item_id, title, and what each teaches."""


@runtime_checkable
class Checkpoints(Protocol):
    """Keeps the state of a long fit, and goes on from it."""

    checkpoint: CheckpointStore | None


PROTOCOLS: dict[str, type] = {
    "predict_distribution": PredictsDistribution,
    "fold_in": FoldsIn,
    "fold_in_items": FoldsItemsIn,
    "recommend_for": ScoresPeople,
    "similar_items": LikensItems,
    "similar_users": LikensUsers,
    "explain": Explains,
    "features": TakesFeatures,
    "warm_start": WarmStarts,
}
ABILITIES = {
    "predict": "predicts no ratings, it orders items",
    "predict_distribution": "has no predictive distribution",
    "fold_in": "cannot fold users in",
    "fold_in_items": "cannot fold items in",
    "recommend_for": "knows nothing of users by their rows alone",
    "similar_items": "has no likeness of items",
    "similar_users": "has no likeness of users",
    "explain": "cannot explain its scores",
    "weights": "takes no sample weights",
    "features": "takes no features",
    "warm_start": "starts from no fitted model",
}  # and what is said of a model without it


def abilities_of(cls: type[Learner]) -> frozenset[str]:
    """Return the abilities of a class: the protocols that it implements, and what it says of scores and weights."""
    names = {name for name, protocol in PROTOCOLS.items() if issubclass(cls, protocol)}
    names |= {"predict"} if getattr(cls, "score_kind", "order") != "order" else set()
    return frozenset(names | ({"weights"} if cls.takes_weights else set()))


def models_that(have: Callable[[type[Learner]], bool]) -> list[type[Learner]]:
    """Return the classes of Palate's models that have something."""
    return [cls for cls in MODELS.values() if have(cls)]


def cannot(model: Learner, ability: str, remedy: str = "") -> ParameterError:
    """Return the error of a model without an ability: which models have it; with ``remedy``, what to do with this."""
    able = ", ".join(cls.key for cls in models_that(lambda cls: ability in cls.supports))
    other = f"; {remedy}" if remedy else ""
    return ParameterError.of(type(model).__name__, f"{ABILITIES[ability]}{other}; {able} can", code="not_offered")


def check_supports(model: Learner, ability: str, remedy: str = "") -> None:
    """Refuse what a model is not able to do.

    Raises:
        ParameterError: as `cannot`.
    """
    if ability not in model.supports:
        raise cannot(model, ability, remedy)
