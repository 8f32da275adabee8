"""How every model is made, learns, and becomes plain data: parameters, ``fit``, state."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar, Literal, NoReturn, Protocol, Self, dataclass_transform

import numpy as np
import polars as pl

from palate.data.dataset import Dataset, LearnedLog, interactions_of, items_of
from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.data.items import item_table
from palate.errors import ParameterError, UnknownParameterError
from palate.models.contract.abilities import WarmStarts, abilities_of, check_supports
from palate.models.contract.attributes import features_for
from palate.models.contract.forgetting import USER_AXES
from palate.models.contract.learned import Array, Attribute, Learned, Learns, OfTraining
from palate.models.contract.memory import check_memory
from palate.models.contract.parameters import Parameter, declared_by, plain_value, search_space_of, with_arguments
from palate.models.contract.state import Known, ModelState, Rated, brought_up, check_names, known_of, learned_of
from palate.models.contract.training_part import check_features, check_learnable, rating_limits, with_known
from palate.models.search import SearchSpace
from palate.notebook import card, watched
from palate.parallel import single_blas_thread
from palate.progress import ProgressCallback, automatic
from palate.sparse import Rows

ScoreKind = Literal["rating", "probability", "order"]


@dataclass(frozen=True, eq=False)
class WarmStart:
    """What a fitted model gives another of its class to begin with.

    Attributes:
        users, items: whose rows these are.
        P, Q: (n_users, n_factors), (n_items, n_factors).
        b, c: (n_users,), (n_items,) biases.
        mean: of the ratings.
        noise_precision: of a sampler's last draw, or None.
    """

    users: Ids
    items: Ids
    P: Array
    Q: Array
    b: Array
    c: Array
    mean: float
    noise_precision: float | None = None


@dataclass(frozen=True)
class Training:
    """What a model learns from, checked.

    Attributes:
        data, validation: the training part, and one of the same ids to tell of, or none.
        user_features, item_features: of every user and item of the training part, or none.
        start: what a fitted model of the same class gives to go on from, or none.
        progress: called after every step.
    """

    data: Interactions
    validation: Interactions | None
    user_features: Features | None
    item_features: Features | None
    start: WarmStart | None
    progress: ProgressCallback


class SourceFile(Protocol):
    """A file that a model's arrays are read from."""

    def check(self) -> None:
        """Raise ModelFileError where the file is no longer what it was."""


@dataclass_transform(eq_default=False, field_specifiers=(field,))
class Learner(ABC):
    """Base of all models; holds no state of its own beyond what ``fit`` stores.

    Each model class is a dataclass of its parameters: what it annotates, other than as ClassVar, is one, and declared
    as `palate.models.contract.parameters` says.

    Attributes of a fitted model, besides the class's own: ``learned_`` (all that was learned, in one typed object),
    ``users_``, ``items_`` (ids), ``seen_`` (training rows, or None), ``rated_`` (popularity, where they were not kept),
    ``item_table_`` (columns to show), ``rating_range_``, ``log_`` (of a store, or None), ``history_`` (one record an
    epoch), ``best_epoch_``,
    ``epoch_chosen_on_`` ("validation" or "none"), ``interrupted_``; and ``seed_`` where chance plays a part. A model
    computed in one go has an empty history and best epoch 0.
    """

    key: ClassVar[str]
    score_kind: ClassVar[ScoreKind]  # what a score is: a predicted rating, a probability, or good for an order alone
    declarations: ClassVar[Mapping[str, Parameter]] = {}  # parameters by name, made of the annotations
    search_space: ClassVar[SearchSpace] = {}  # what a search may try for which parameter, made of the annotations
    presets: ClassVar[tuple[str, ...]] = ()  # class methods that give a ready-made parameter set
    supports: ClassVar[frozenset[str]] = frozenset()  # of `abilities.ABILITIES`, computed of what the class implements
    takes_weights: ClassVar[bool] = False  # whether sample weights count in what it learns
    uses_attributes: ClassVar[bool] = False  # whether commands and comparisons give it all that is known of both sides
    tells_validation: ClassVar[bool] = False  # whether each epoch's record has figures of a validation part
    own_blas_threads: ClassVar[bool] = False  # lets BLAS use threads while it learns, and is equal to rounding
    made_of_parts: ClassVar[bool] = False  # whether it is made of other models
    explains: ClassVar[str] = "the model"  # whose score an explanation adds up to; see `Explanation`

    learned_ = Learns(Learned)  # of each final class its own type
    known_: Known

    users_ = OfTraining[Ids]()
    items_ = OfTraining[Ids]()
    seen_ = OfTraining[Rows | None]()
    rated_ = OfTraining[Rated | None]()
    item_table_ = OfTraining[pl.DataFrame]()
    rating_range_ = OfTraining[tuple[float, float]]()
    log_ = OfTraining[LearnedLog | None]()
    history_ = Attribute[list[dict[str, float]]](list)
    best_epoch_ = Attribute[int](int)
    epoch_chosen_on_ = Attribute[str](lambda: "none")
    interrupted_ = Attribute[bool](bool)

    store_history: bool
    n_threads: int | None
    file_: SourceFile | None = None  # what the arrays are read from, where that is no memory of our own

    def __init_subclass__(cls, **options: Any) -> None:
        """Make a dataclass of the class, whose constructor names the nearest parameter where a keyword is none.

        Raises:
            ParameterError: a parameter is declared without meaning or limits, or one that all models have is lacking.
        """
        super().__init_subclass__(**options)
        cls.supports = abilities_of(cls)
        doc = vars(cls).get("__doc__")
        dataclass(init=bool(inspect.get_annotations(cls)), eq=False, repr=False, match_args=False)(cls)
        cls.declarations = declared_by(cls)
        if "key" in vars(cls) and (lacking := {"store_history", "n_threads"} - cls.declarations.keys()):
            raise ParameterError.of(
                cls.__name__,
                f"must declare {' and '.join(sorted(lacking))}, as all models do: see `palate.models.contract.shared`",
            )
        cls.__doc__ = doc and with_arguments(doc, cls.declarations.values())
        if "search_space" not in vars(cls):
            cls.search_space = search_space_of(cls.declarations)
        if "__init__" in vars(cls):
            cls.__init__ = _checking_names(cls, cls.__init__)  # type: ignore[method-assign]

    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range; ``fit`` calls it first.

        Raises:
            ParameterError: names the parameter, the value and the range.
        """
        for name, parameter in self.declarations.items():
            parameter.check(getattr(self, name))

    @abstractmethod
    def _learn(self, training: Training) -> Learned:
        """Return what was learned; nothing of the model may change before."""

    @abstractmethod
    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        """Return the bytes that training holds at once, at its peak, beyond the interactions themselves."""

    def check_learned(self) -> None:
        """Refuse learned arrays of a file that do not fit each other, in what their shapes do not tell.

        Raises:
            ModelFileError: says what is wrong.
        """
        self._check_fitted()  # most models' shapes tell all

    # -- learning ---------------------------------------------------------------------------------------------------

    def fit(
        self,
        interactions: Dataset | Interactions,
        *,
        validation: Dataset | Interactions | None = None,
        items: Any = None,
        user_features: Features | None = None,
        item_features: Features | None = None,
        attributes: bool | None = None,
        start: Self | None = None,
        progress: ProgressCallback | None = automatic,
    ) -> Self:
        """Learn from interactions; what was learned before is forgotten once all has gone well.

        Args:
            interactions: the training part; of a data set come the item table and the attributes, too.
            validation: rows of the same ids to tell of after each epoch; `MatrixFactorization` chooses its epoch by
                them, other models choose nothing.
            items: a table with item_id, title and further columns, to show and to filter by; None takes the data set's.
            user_features, item_features: attributes that enter the model; see ``supports``. Users and items that stand
                there alone are known to the model, too, as people and items without a row.
            attributes: whether those of the data set's users and items enter, where no features are given; None lets
                them enter a model that ``uses_attributes``.
            start: a fitted model of this class to go on from, its users and items found by their ids; new ones start
                afresh, and those that the rows and features given now lack are forgotten. See ``supports``.
            progress: called after every epoch; None shows nothing. Without it a notebook shows a bar.

        Raises:
            ParameterError: a parameter has a wrong type or range, the model does not support what is given, the start
                does not fit, training would need more memory than there is, or there are no attributes where they shall
                enter.
            DataError: there is no row, a value is beyond 1e15, validation has other ids than the training part, one of
                them is no `Interactions`, an id has no features, or the item table is faulty.
            DivergenceError: training left the finite numbers; names the epoch, and what to try.
        """
        self.check_parameters()
        items, lists = items_of(interactions, items)
        log = interactions.log if isinstance(interactions, Dataset) else None
        known = features_for(self, interactions, user_features, item_features, attributes=attributes)
        interactions = interactions_of(interactions, "interactions")
        validation = None if validation is None else interactions_of(validation, "validation")
        check_learnable(interactions, validation)
        if interactions.weights is not None:
            check_supports(self, "weights")
        for name, features in known.items():
            if features is not None:
                check_supports(self, "features")
                check_features(name, features)
        user_features, item_features = known["user_features"], known["item_features"]
        interactions, validation = with_known(interactions, validation, user_features, item_features)
        begin = self._begin_with(start)
        what = f"{type(self).__name__} with {len(interactions):,} rows of {interactions.n_users:,} users and "
        check_memory(f"{what}{interactions.n_items:,} items", self.memory_estimate(interactions), self._memory_advice)
        table = item_table(interactions.items, items, lists=lists)
        blas = nullcontext() if self.own_blas_threads else single_blas_thread()  # sums in one order on any machine
        with watched(progress) as callback, blas:
            learned = self._learn(Training(interactions, validation, user_features, item_features, begin, callback))
        rows = interactions.by_user()
        rated = None if self.store_history else Rated.of(rows.indices, rows.values, interactions.n_items)
        kept = (rows if self.store_history else None), rated, table, rating_limits(interactions), log
        self.learned_, self.known_ = learned, Known(interactions.users, interactions.items, *kept)
        for part in self.fitted_parts:
            part.known_ = self.known_  # one copy of the rows
        self.file_ = None
        return self

    @property
    def fitted_parts(self) -> tuple[Any, ...]:
        """The fitted models that this one is made of; most are made of none.

        Raises:
            NotFittedError: before ``fit``.
        """
        return ()

    @property
    def _memory_advice(self) -> str:
        names = self.parameter_names()
        return "choose a smaller n_factors" if "n_factors" in names else "learn from fewer users, items or rows"

    def memory_estimate(self, interactions: Dataset | Interactions) -> int:
        """Return about how many bytes ``fit`` will hold at its peak, the compressed training rows included.

        Raises:
            DataError: interactions is none.
        """
        data = interactions_of(interactions, "interactions")
        n_users, n_items, n_rows = data.n_users, data.n_items, len(data)
        return 16 * n_rows + self._bytes_needed(n_users, n_items, n_rows)

    def _begin_with(self, start: Self | None) -> WarmStart | None:
        if start is None:
            return None
        check_supports(self, "warm_start")
        if type(start) is not type(self) or not hasattr(start, "users_") or not isinstance(start, WarmStarts):
            raise ParameterError.outside("start", f"a fitted {type(self).__name__}", start)
        begin, ours = start._warm_start(), self.get_params()["n_factors"]
        theirs = begin.P.shape[1]
        if ours not in (None, theirs):
            raise ParameterError.of("start", f"has {theirs} factors, this model {ours}")
        return begin

    # -- parameters -------------------------------------------------------------------------------------------------

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return the constructor's parameters, in order."""
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters with their values, as scikit-learn's ``clone`` asks for them."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Set constructor parameters by name.

        Raises:
            UnknownParameterError: a name is not a parameter of this model; then none is set.
        """
        check_parameter_names(type(self), parameters, self.parameter_names())
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def settable(self) -> dict[str, Parameter]:
        """Return what `set_params` takes, by name: the parameters and, as PART__NAME, those of its parts."""
        return dict(self.declarations)

    def settings(self) -> dict[str, Any]:
        """Return the value of all that `set_params` takes, by name."""
        return self.get_params()

    def searched(self) -> SearchSpace:
        """Return what a search may try, by the names of `settable`."""
        return self.search_space

    def used(self, name: str) -> Any:
        """Return a setting as this fit used it, where it was left to the model; by the names of `settable`."""
        return getattr(self, f"{name}_")

    def remark(self) -> str:
        """Return in a sentence what a reader is to know of this fit beyond its epochs; most have nothing to say."""
        return ""

    def score(self, *_: Any) -> NoReturn:
        """Tell scikit-learn's searches, which look for this, where their way in is; `measure` gives figures.

        Raises:
            ParameterError: always.
        """
        raise self._no_estimator()

    def __sklearn_tags__(self) -> NoReturn:
        """Tell scikit-learn's searches and pipelines, which ask for this, where their way in is.

        Raises:
            ParameterError: always.
        """
        raise self._no_estimator()

    def _no_estimator(self) -> ParameterError:
        name = type(self).__name__
        ways = "palate.tune searches without scikit-learn, and palate.measure gives figures"
        if self.score_kind == "rating":
            wrapped = f"palate.integrations.sklearn.RatingRegressor({name}())"
            ways = f"for GridSearchCV and the like take {wrapped}, with parameters named model__…; {ways}"
        return ParameterError.of(name, f"learns from interactions, not from X and y: {ways}", code="not_offered")

    def __repr__(self) -> str:
        defaults = {n: p.default for n, p in inspect.signature(type(self)).parameters.items()}
        changed = [f"{n}={v!r}" for n, v in self.get_params().items() if v != defaults[n]]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _repr_html_(self) -> str:
        facts = [(name, repr(value)) for name, value in self.get_params().items()]
        if not hasattr(self, "users_"):
            return card(f"{type(self).__name__}, not fitted", facts)
        counts = {"users": len(self.users_), "items": len(self.items_), "epochs": len(self.history_)}
        learned = [(name, f"{n:,}") for name, n in counts.items() if n]
        if self.best_epoch_:
            learned.append(("best epoch", f"{self.best_epoch_:,}, chosen on {self.epoch_chosen_on_}"))
        return card(f"{type(self).__name__}, fitted", learned + facts)

    # -- state ------------------------------------------------------------------------------------------------------

    def state(self) -> ModelState:
        """Return all that the fitted model is, as plain data.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        parameters = {name: plain_value(value) for name, value in self.get_params().items()}
        if isinstance(parameters.get("random_state"), np.random.Generator):
            parameters["random_state"] = self.learned_.read("seed_")  # a Generator cannot be written; its seed can
        learned = self.learned_
        return ModelState(
            key=self.key,
            parameters=parameters,
            learned={"rating_range_": self.rating_range_, **{name: learned.read(name) for name in learned.SCALARS}},
            arrays={name: learned.read(name) for name in learned.ARRAYS},
            users=self.users_,
            items=self.items_,
            seen=self.seen_,
            item_table=self.item_table_,
            rated=self.rated_,
            log=self.log_,
            parts=tuple(part.state() for part in self.fitted_parts),
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Return the fitted model that a state describes.

        Raises:
            ModelFileError: parameters, learned values, arrays or their shapes are not those of this class.
        """
        kind = cls.learned_.kind
        state = brought_up(state, cls.declarations, kind)
        check_names(cls.__name__, cls.parameter_names(), kind, state)
        model = cls(**state.parameters)
        model.learned_, model.known_ = learned_of(kind, state), known_of(state)
        return model

    def _arrays_of_users(self, left: Array) -> dict[str, Array]:
        """Return the learned arrays with an axis of users, of the users at these positions alone."""
        arrays = {}
        for name, shape in type(self).learned_.kind.ARRAYS.items():
            array = self.learned_.read(name)
            for axis, word in enumerate(shape.axes):
                if word in USER_AXES and array.shape[axis]:
                    array = np.take(array, left, axis)
            arrays[name] = array
        return arrays

    def _check_fitted(self) -> None:
        _ = self.learned_  # refuses before ``fit``
        if self.file_ is not None:
            self.file_.check()


def check_parameter_names(cls: type[Learner], names: Iterable[str], known: Sequence[str]) -> None:
    """Refuse names that are no parameters of a model.

    Raises:
        UnknownParameterError: names the model, the name, the nearest one and all that there are.
    """
    for name in names:
        if name not in known:
            raise UnknownParameterError.unknown(f"{cls.__name__} has no parameter", name, known, having="it has")


def _checking_names(cls: type[Learner], init: Callable[..., None]) -> Callable[..., None]:
    """Return the constructor of a class that checks the names of its keywords first; its signature stays."""
    _, *parameters = inspect.signature(init).parameters.values()  # without self
    known = [p.name for p in parameters]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return init  # it takes any name

    @wraps(init)
    def checked(self: Learner, *values: Any, **named: Any) -> None:
        check_parameter_names(cls, named, known)
        init(self, *values, **named)

    return checked
