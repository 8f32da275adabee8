"""`Blend`: a weighted sum of two or three models' scores, standardised per person (`palate.kernels.blend`, eq. 1, 2).

Models of different kinds err on different people and items, and their scores are on different scales: each person's
row is brought to mean 0 and standard deviation 1 over all items, so that a score does not depend on what a list leaves
out. The weights are chosen by clicks held out (`palate.models.blend.weighing`); then the parts are fitted on all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from palate.data.dataset import Dataset, interactions_of
from palate.data.interactions import Interactions
from palate.errors import ModelFileError, ParameterError
from palate.models.blend.checks import check_alike, check_rules, check_weights, part_cannot, read_weights, rules_of
from palate.models.blend.parts import models_of, text_of, with_settings
from palate.models.blend.scorer import BlendScorer
from palate.models.blend.weighing import JUDGED, PLACES, figures, grid, parted, records
from palate.models.contract.abilities import Explains, LikensItems, ScoresPeople, TakesFeatures
from palate.models.contract.base import Recommender
from palate.models.contract.explanation import Part
from palate.models.contract.learned import FITTED, Array, Attribute, History, Learned, Learns, Shape, StoredEncoding
from palate.models.contract.learner import ScoreKind, Training
from palate.models.contract.lists import ItemOrder
from palate.models.contract.parameters import AtLeast, Checked, Parameter, draw_seed
from palate.models.contract.shared import HistoryToScore, NThreads, RandomState
from palate.models.contract.state import Rated
from palate.models.contract.training_part import check_learnable
from palate.models.items.clicks import Positive
from palate.models.items.watched import Watched
from palate.models.search import SearchSpace
from palate.parallel import Workers
from palate.sparse import Rows


@dataclass(frozen=True, eq=False)
class LearnedBlend(Learned):
    """The weights, and the fitted parts.

    Attributes:
        weights: (n_parts,) float64, of at least 0; they add up to 1.
        weights_tried: what held-out clicks said of each weights of the grid; empty where the weights were given, or
            clicks were too few.
        seed: the seed used.
        parts: the fitted models, in the order of ``parts``.
    """

    weights: Annotated[Array, Shape("n_parts", dtypes=("float64",))]
    weights_tried: History
    seed: int
    parts: Annotated[tuple[Any, ...], FITTED]


class Blend(Recommender):
    """A weighted sum of two or three models' scores, standardised per person: on most data better than each of them.

    Attributes:
        weights_: (n_parts,) float64, one a part; they add up to 1.
        weights_tried_: one record for each weights of the grid: the weights by part, and "ndcg@20" of held-out clicks.
        seed_: the seed used.
        fitted_parts: the fitted models.
    """

    key: ClassVar[str] = "blend"
    score_kind: ClassVar[ScoreKind] = "order"
    made_of_parts: ClassVar[bool] = True
    own_blas_threads: ClassVar[bool] = True  # as some parts do; each says so for itself
    learned_ = Learns(LearnedBlend)
    weights_ = Attribute[Array]()
    weights_tried_ = Attribute[list[dict[str, float]]]()
    seed_ = Attribute[int]()

    parts: Annotated[
        str,
        Checked(models_of),
        "two or three different models by their keys, with parameters where wanted: ease, ials or ease(reg=500), ials; "
        "in Python also a list of models. PART__NAME sets a parameter of a part (ease__reg; ease.reg in commands).",
    ] = "ease, ials"
    _: KW_ONLY
    weights: Annotated[
        str | Sequence[float] | None,
        Checked(check_weights),
        "one number of at least 0 a part, such as 0.7, 0.3; None chooses them by clicks held out.",
    ] = None
    validation_fraction: Annotated[
        float, AtLeast(0, at_most=0.5), "part of the clicks that is held out to choose the weights; 0 weighs all alike."
    ] = 0.2
    positive: Annotated[Positive, "how values become clicks, the same for all parts; as the parts take it."] = None
    store_history: HistoryToScore = True
    random_state: RandomState = None
    n_threads: NThreads = None

    def __post_init__(self) -> None:
        """Keep models as text, which files and commands can hold."""
        self.parts = text_of(self.parts)

    @classmethod
    def of(
        cls,
        models: Sequence[Recommender],
        weights: Sequence[float] | str | None = None,
        *,
        validation: Dataset | Interactions | None = None,
    ) -> Self:
        """Return the fitted blend of fitted models.

        Args:
            models: two or three of different kinds, fitted on the same rows.
            weights: one a model; None chooses them by ``validation`` or, without, takes them equal.
            validation: rows of the same ids that no model has learned from.

        Raises:
            NotFittedError: a model is not fitted.
            ParameterError: they are not two or three different models, learned from other people, items or rows, or
                read clicks by other rules; or weights are no weights.
        """
        check_alike(models)
        first, n = models[0], len(models)
        rule = next(iter(rules_of(models).values()), None)
        found = np.full(n, 1 / n) if weights is None else read_weights(weights, n)
        tried: list[dict[str, float]] = []
        made = cls(
            text_of(models),
            weights=found.tolist() if validation is None else weights,
            positive=rule,
            store_history=first.seen_ is not None,
            n_threads=first.n_threads,
        )
        made.check_parameters()
        if weights is None and validation is not None:
            rows = interactions_of(validation, "validation")
            check_learnable(rows, None)
            found, tried = made._best(models, rows, first.ranker.had, rule, 0)
        made.learned_, made.known_ = LearnedBlend(found, tried, 0, tuple(models)), first.known_
        return made

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name, those of parts as PART__NAME.

        Raises:
            UnknownParameterError: a name is no parameter of this model, or of the part; then none is set.
        """
        own = {name: value for name, value in parameters.items() if "__" not in name}
        of_parts = {name: value for name, value in parameters.items() if "__" in name}
        if "parts" in own or of_parts:
            own["parts"] = text_of(own.get("parts", self.parts))
        if of_parts:
            own["parts"] = with_settings(own["parts"], of_parts)
        super().set_params(**own)
        if "n_threads" in own and "learned_" in vars(self):
            for part in self.fitted_parts:
                part.set_params(n_threads=self.n_threads)
        return self

    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range, and parts that read clicks by other rules.

        Raises:
            ParameterError: names the parameter, the value and the range.
        """
        super().check_parameters()
        parts = self._unfitted(0)
        if self.weights is not None:
            read_weights(self.weights, len(parts))
        check_rules(parts)

    @property
    def fitted_parts(self) -> tuple[Recommender, ...]:
        """The fitted models.

        Raises:
            NotFittedError: before ``fit``.
        """
        return self.learned_.parts

    # -- parameters of the parts ------------------------------------------------------------------------------------

    def settable(self) -> dict[str, Parameter]:
        """Return what `set_params` takes, by name."""
        found = dict(self.declarations)
        for key, part in models_of(self.parts).items():
            found |= {f"{key}__{name}": declared for name, declared in part.declarations.items() if name not in found}
        return found

    def settings(self) -> dict[str, Any]:
        """Return the value of all that `set_params` takes, by name."""
        values = self.get_params()
        for key, part in models_of(self.parts).items():
            values |= {f"{key}__{name}": value for name, value in part.get_params().items() if name not in values}
        return values

    def searched(self) -> SearchSpace:
        """Return what a search may try: what it may of each part."""
        parts = models_of(self.parts).items()
        return {f"{key}__{name}": space for key, part in parts for name, space in part.search_space.items()}

    def used(self, name: str) -> Any:
        """Return a setting of a part as this fit used it."""
        key, _, own = name.partition("__")
        if not own:
            return super().used(name)
        return next(part for part in self.fitted_parts if part.key == key).used(own)

    def remark(self) -> str:
        """Return the weights in words, and how they were found."""
        keys, weights = [part.key for part in self.fitted_parts], self.weights_.tolist()
        said = ", ".join(f"{key} {w:g}" for key, w in zip(keys, weights, strict=True))
        tried = self.weights_tried_
        if not tried:
            return f"weights: {said}"
        figure = f"ndcg@{PLACES}"
        alone = [f"{key} alone {r[figure]:.4f}" for key in keys for r in tried if r[key] == 1]
        best = max(record[figure] for record in tried)
        return f"weights: {said}, of {figure} {best:.4f} on clicks held out, where {', '.join(alone)}"

    # -- learning ---------------------------------------------------------------------------------------------------

    def _learn(self, training: Training) -> LearnedBlend:
        seed = draw_seed(self.random_state)
        self._check_features(training)
        n = len(models_of(self.parts))
        tried: list[dict[str, float]] = []
        weights = np.full(n, 1 / n) if self.weights is None else read_weights(self.weights, n)
        halves = None if self.weights is not None else parted(training.data, self.validation_fraction, self._rule, seed)
        if halves is not None:
            rest, held = halves
            weights, tried = self._best(self._fitted(training, rest, seed), held, rest.by_user(), self._rule, seed)
        fitted = self._fitted(training, training.data, seed, store_history=self.store_history)
        return LearnedBlend(weights, tried, seed, tuple(fitted))

    def _fitted(
        self, training: Training, data: Interactions, seed: int, *, store_history: bool = True
    ) -> list[Recommender]:
        fitted = []
        for part in self._unfitted(seed, store_history=store_history):
            features: Mapping[str, Any] = {}
            if isinstance(part, TakesFeatures):
                features = {"user_features": training.user_features, "item_features": training.item_features}
            part.fit(data, **features, progress=training.progress)
            if part.interrupted_:
                raise KeyboardInterrupt
            fitted.append(part)
        return fitted

    def _unfitted(self, seed: int, *, store_history: bool = True) -> list[Recommender]:
        """Return the parts with what the blend gives all of them."""
        given = {"store_history": store_history, "n_threads": self.n_threads}
        parts = list(models_of(self.parts).values())
        for part in parts:
            own = part.get_params()
            if "random_state" in own and own["random_state"] is None:
                part.set_params(random_state=seed)
            if "positive" in own and own["positive"] is None:
                part.set_params(positive=self.positive)
            part.set_params(**given)
        return parts

    @property
    def _rule(self) -> Positive:
        """The rule of clicks that the parts share."""
        return next(iter(rules_of(self._unfitted(0)).values()), self.positive)

    def _best(
        self, fitted: Sequence[Recommender], held: Interactions, seen: Rows, rule: Positive, seed: int
    ) -> tuple[Array, list[dict[str, float]]]:
        """Return the weights that find most of the clicks held out, and what was tried."""
        watched = Watched.of(seen, held, rule, seed, JUDGED)
        weights = grid(len(fitted))
        if not len(watched.users):
            return weights[0], []
        order = ItemOrder(Rated.of(seen.indices, seen.values, held.n_items), held.items)
        scorer = BlendScorer.of([part.ranker.scorer for part in fitted], [1.0] * len(fitted), order.order)
        with Workers(self.n_threads) as workers:
            values = figures(scorer, weights, watched, order.places, workers)
        tried = records([part.key for part in fitted], weights, values)
        return weights[int(values.argmax())], tried

    def _check_features(self, training: Training) -> None:
        given = training.user_features is not None or training.item_features is not None
        if given and not any(isinstance(part, TakesFeatures) for part in models_of(self.parts).values()):
            keys = " and ".join(models_of(self.parts))
            raise ParameterError.of("Blend", f"takes no features where its parts, {keys}, take none")

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        parts = self._unfitted(0)
        return sum(part._bytes_needed(n_users, n_items, n_rows) for part in parts) + 16 * n_rows * (len(parts) + 1)

    def check_learned(self) -> None:
        """Refuse weights and parts of a file that do not fit the parameters, or each other.

        Raises:
            ModelFileError: says what is wrong.
        """
        self._check_fitted()
        keys, weights = [part.key for part in self.fitted_parts], self.weights_
        try:
            named = list(models_of(self.parts))
        except ParameterError as error:
            raise error.within("a parameter is refused: ", kind=ModelFileError) from None
        if keys != named:
            raise ModelFileError.of("the parts", f"are {', '.join(keys) or 'none'}, and must be {', '.join(named)}")
        if len(weights) != len(keys) or (weights < 0).any() or not weights.sum() > 0:
            raise ModelFileError.of("weights_", f"must be {len(keys)} numbers of at least 0, not all of them 0")
        for part in self.fitted_parts:
            part.check_learned()

    # -- answers ----------------------------------------------------------------------------------------------------

    def _scorer(self) -> BlendScorer:
        return self._blended([part.ranker.scorer for part in self._weighing])

    def _scorer_for(self, rows: Rows, features: Array | None) -> BlendScorer:
        scorers = []
        for part in self._weighing:
            if not isinstance(part, ScoresPeople):
                raise part_cannot(part, "recommend_for")
            scorers.append(part._scorer_for(rows, _own_features(part, features)))
        return self._blended(scorers)

    def _blended(self, scorers: Sequence[Any]) -> BlendScorer:
        return BlendScorer.of(scorers, [w for w in self.weights_ if w > 0], self.item_order.order)

    @property
    def _weighing(self) -> list[Recommender]:
        """The parts whose weight is not 0."""
        return [part for part, w in zip(self.fitted_parts, self.weights_, strict=True) if w > 0]

    @property
    def explains(self) -> str:  # type: ignore[override]
        """Whose score an explanation adds up to: the fold-in, where it is that of a part."""
        if "learned_" not in vars(self):
            return "the model"
        return next((part.explains for part in self._weighing if part.explains != "the model"), "the model")

    def _items_like(self, index: Array, n: int) -> tuple[Array, Array]:
        for part in self._weighing:
            if not isinstance(part, LikensItems):
                raise part_cannot(part, "similar_items")
        return self.ranker.scorer.nearest(index, n, self.item_order.places, self.n_threads)

    def _parts(self, row: Rows, features: Array | None, item: int) -> tuple[list[Part], tuple[Array, Array, Array]]:
        scorer, nobody = self._scorer_for(row, features), np.zeros(1, np.int32)
        told: list[Part] = []
        values, contributions = np.zeros((2, len(self.items_)))
        own = np.zeros(len(self.items_), bool)
        parts = zip(self._weighing, scorer.parts, scorer.weights, strict=True)
        found = [(part, w, scorer.moments(of_part, nobody)) for part, of_part, w in parts]
        whole = sum(w for _, w, (_, _, deviation) in found if deviation[0] > 0)
        for part, w, (_, mean, deviation) in found:
            if not isinstance(part, Explains):
                raise part_cannot(part, "explain")
            if not deviation[0] > 0:
                continue
            scale = w / whole / deviation[0]
            of_none, (index, given, of_items) = part._parts(row, _own_features(part, features), item)
            told += [Part(p.kind, f"{p.name} ({part.key})", scale * p.contribution) for p in of_none]
            told.append(Part("mean", f"less the mean of all items ({part.key})", -scale * mean[0]))
            values[index], own[index] = given, True
            contributions[index] += scale * of_items
        items = np.flatnonzero(own).astype(np.int32)
        return told, (items, values[items], contributions[items])

    # -- attributes -------------------------------------------------------------------------------------------------

    def _encoding(self, side: str) -> StoredEncoding:
        return next((p._encoding(side) for p in self.fitted_parts if _has_features(p, side)), [])  # type: ignore[attr-defined]

    @property
    def user_encoding_(self) -> StoredEncoding:
        """How the features of users were made; for `Features.from_table`."""
        return self._encoding("user")

    @property
    def item_encoding_(self) -> StoredEncoding:
        """How the features of items were made."""
        return self._encoding("item")

    def _stored_features(self, user: int) -> Array | None:
        return next((p._stored_features(user) for p in self.fitted_parts if _has_features(p, "user")), None)  # type: ignore[attr-defined]


def _own_features(part: Recommender, features: Array | None) -> Array | None:
    return features if _has_features(part, "user") else None


def _has_features(part: Recommender, side: str) -> bool:
    return isinstance(part, TakesFeatures) and bool(part._encoding(side))
