"""What else is asked: items alike, questions for newcomers, what is popular, predictions and explanations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import NotFoundError, ParameterError
from palate.models.contract.abilities import Explains, LikensItems, PredictsDistribution, cannot, check_supports
from palate.models.contract.predictive import Predictive
from palate.models.contract.scoring import FactorScorer, nearest
from palate.serve.engine.asking import Answer, Ask, Predicted, Reasons
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.engine.people import NOBODY, KnownPerson
from palate.serve.engine.questions import Questions
from palate.serve.engine.ranking import Allowed
from palate.serve.engine.why import explained, said
from palate.sparse import Rows
from palate.store import popular
from palate.store.records import Place

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from palate.serve.engine.space import Tenant

KINDS: Mapping[str, Callable[..., list[popular.Counted]]] = {
    "popular": popular.popular,
    "trending": popular.trending,
    "latest": popular.latest,
}


class Others:
    """Questions beside lists, of one moment of a namespace.

    Args:
        space: the namespace.
        conn: its read transaction.
    """

    def __init__(self, space: Tenant, conn: Connection) -> None:
        self.space, self.conn, self.catalogue = space, conn, space.catalogue

    def similar(self, item: str, ask: Ask) -> Answer:
        """Return items like one; the scores are the model's likeness."""
        loaded, at = self._loaded("the likeness of items"), self._known(item)
        choice = self._choice(ask)
        wide = min(4 * ask.n + len(choice.closed), self.catalogue.n_items)
        while True:
            alike, scores = self._nearest(loaded, at, wide)
            lets = choice.lets(alike)
            if lets.sum() >= ask.n or wide >= self.catalogue.n_items:
                return self._answer(alike[lets], scores[lets], ask, "similar")
            wide = min(4 * wide, self.catalogue.n_items)

    def _nearest(self, loaded: LoadedVersion, at: int, n: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        model, itself = loaded.model, np.array([at], np.int32)
        if not isinstance(model, LikensItems):
            raise cannot(model, "similar_items")
        if at < self.catalogue.n_items:
            alike, scores = model._items_like(itself, n)
        else:
            scorer, wanted = model.ranker.scorer, self.space.ranking.factors_of_new(at)
            if wanted is None or not isinstance(scorer, FactorScorer):
                raise NotFoundError(
                    f"the model has not seen item '{self.catalogue.new[at - self.catalogue.n_items]}' yet, and cannot "
                    "tell what is like it",
                    subject="item",
                )
            nobody = np.full(1, -1, np.int32)
            alike, scores = nearest(scorer.among.Q, wanted[None], nobody, n, model.item_order.places, 1)
        found = alike[0] >= 0
        return alike[0][found], scores[0][found]

    def onboarding(self, ask: Ask, person: KnownPerson, skipped: Sequence[str]) -> Answer:
        """Return items to ask somebody about next, and how well they are known; without a model, what is popular.

        Args:
            ask: which items may be asked about.
            person: as this version knows them.
            skipped: ids of what they said they do not know.
        """
        ask.check()
        loaded = self.space.loaded
        if loaded is None:
            return replace(
                self.best("popular", self._unsaid(ask, person, skipped), None), policy="onboarding", known=0.0
            )
        questions = self.space.once("questions", lambda: Questions(loaded.model))
        row = rated_by(loaded, person)
        unknown = self.catalogue.index(skipped)
        lets = self.space.ranking.choice(ask, NOBODY).lets(np.arange(self.catalogue.n_items, dtype=np.int32))
        said = self.catalogue.with_twins(np.concatenate([person.seen, person.hidden]))
        lets[said[said < self.catalogue.n_items]] = False
        known = person.seen if row is None else np.union1d(person.seen, row.indices).astype(np.int32)
        places, values = questions.next(row, known, unknown[unknown >= 0], lets, ask.n)
        return replace(self._answer(places, values, ask, "onboarding"), known=questions.knowledge(row))

    def _unsaid(self, ask: Ask, person: KnownPerson, skipped: Sequence[str]) -> Ask:
        """Return a request without what somebody said something of."""
        places = self.catalogue.with_twins(np.concatenate([person.seen, person.hidden]))
        said = [id_ for id_, _ in self.catalogue.shown(places.tolist())]
        return replace(ask, exclude=(*ask.exclude, *said, *skipped))

    def best(self, kind: str, ask: Ask, days: int | None) -> Answer:
        """Return what is popular, trending or latest."""
        if kind not in KINDS:
            raise ParameterError.unknown("no list", kind, KINDS)
        ask.check()
        more: Any = {} if days is None else {"days": days}
        open_to_all = not ask.where and ask.include is None and not ask.exclude
        counted = KINDS[kind](self.conn, self.space.ns, ask.n if open_to_all else None, **more)
        places = self.catalogue.index([one.id for one in counted])
        lets = self._choice(ask).lets(np.maximum(places, 0)) if len(places) and self.catalogue.size else places >= 0
        kept = [(one, int(place)) for one, place, let in zip(counted, places, lets, strict=True) if place < 0 or let]
        kept = [(one, place) for one, place in kept if place >= 0 or open_to_all][: ask.n]
        shown = [self.catalogue.shown([place])[0][1] if place >= 0 else {"title": one.id} for one, place in kept]
        made = tuple(Place(one.id, one.score, 1.0, "popular") for one, _ in kept)
        return self._made(made, tuple(shown), kind)

    def predict(self, person: KnownPerson, items: Sequence[str], interval: float | None) -> Predicted:
        """Return what somebody would think of items."""
        loaded = self._loaded("predictions")
        model = loaded.model
        check_supports(model, "predict", "ask for recommendations")
        if interval is not None and not (0 < interval < 1):
            raise ParameterError.outside("interval", "a number between 0 and 1", interval)
        places = self.catalogue.index(items)
        known = (places >= 0) & (places < self.catalogue.n_items)
        told = np.full((3, len(items)), np.nan)
        if known.any():
            told[:, known] = self._told(loaded, person, places[known], interval)
        rows = zip(items, *(map(_finite, column.tolist()) for column in told), known.tolist(), strict=True)
        return Predicted(
            rows=tuple(rows),
            version=loaded.number,
            trained=loaded.trained,
            newest_feedback=person.newest or loaded.newest_event,
        )

    def _told(
        self, loaded: LoadedVersion, person: KnownPerson, places: NDArray[np.int32], interval: float | None
    ) -> NDArray[np.float64]:
        """Return values and the ends of their intervals, (3, n); NaN where there are none."""
        model, told = loaded.model, np.full((3, len(places)), np.nan)
        told[0] = self._values(loaded, person, places)
        if not isinstance(model, PredictsDistribution):
            return told
        is_nobody = person.scorer is None and person.place < 0
        of_mean = is_nobody or (person.scorer is not None and not model._predicts_scores)
        if of_mean or interval is not None:
            sure = _distribution(model, person, places)
            if of_mean:
                told[0] = np.clip(sure.mean(), *model.rating_range_)
            if interval is not None:
                told[1:] = sure.interval(interval)
        return told

    def _values(self, loaded: LoadedVersion, person: KnownPerson, places: NDArray[np.int32]) -> NDArray[np.float64]:
        model = loaded.model
        if person.scorer is not None:
            values = person.scorer.pairs(np.zeros(len(places), np.int32), places)
        elif person.place >= 0:
            return model.predict_index(np.full(len(places), person.place), places)
        else:
            values = model.mean_of(np.full(len(places), -1), places)
        return np.clip(values, *model.rating_range_) if model.score_kind == "rating" else values

    def explain(self, person: KnownPerson, item: str, n: int) -> Reasons:
        """Return of what a score is made."""
        loaded, at = self._loaded("explanations"), self._known(item)
        if not isinstance(loaded.model, Explains):
            raise cannot(loaded.model, "explain")
        if at >= self.catalogue.n_items:
            raise NotFoundError(f"the model has not seen item '{item}' yet, and has no score of it", subject="item")
        newest = person.newest or loaded.newest_event
        if person.scorer is None and person.place < 0:
            return Reasons(
                reasons=[],
                text="nothing is known of this person: the list is what is popular",
                score=None,
                version=loaded.number,
                trained=loaded.trained,
                newest_feedback=newest,
            )
        return said(loaded, explained(loaded, person, at), n, newest)

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _loaded(self, what: str) -> LoadedVersion:
        if self.space.loaded is None:
            raise NotFoundError(
                f"namespace '{self.space.ns.name}' has no model yet, and {what} need one: add and activate one",
                subject="model",
            )
        return self.space.loaded

    def _known(self, item: str) -> int:
        at = int(self.catalogue.index([item])[0])
        if at < 0:
            raise NotFoundError(f"there is no item '{item[:64]}'", subject="item", value=item)
        return at

    def _choice(self, ask: Ask) -> Allowed:
        ask.check()
        return self.space.ranking.choice(ask, NOBODY)

    def _answer(self, places: NDArray[np.int32], scores: NDArray[np.float64], ask: Ask, policy: str) -> Answer:
        items = self.catalogue.shown(places[: ask.n].tolist())
        made = tuple(
            Place(id_, score, 1.0, "model") for (id_, _), score in zip(items, scores[: ask.n].tolist(), strict=True)
        )
        return self._made(made, tuple(columns for _, columns in items), policy)

    def _made(self, places: tuple[Place, ...], columns: tuple[Any, ...], policy: str) -> Answer:
        loaded = None if policy in KINDS else self.space.loaded
        return Answer(
            list_id=None,
            places=places,
            columns=columns,
            version=None if loaded is None else loaded.number,
            trained=None if loaded is None else loaded.trained,
            newest_feedback=None if loaded is None else loaded.newest_event,
            policy=policy,
        )


def rated_by(loaded: LoadedVersion, person: KnownPerson) -> Rows | None:
    """Return the row of what a version knows of somebody, None for nothing."""
    if person.rows is not None or person.place < 0 or loaded.model.seen_ is None:
        return person.rows
    return loaded.model.seen_.take(np.array([person.place]))


def _distribution(model: PredictsDistribution, person: KnownPerson, places: NDArray[np.int32]) -> Predictive:
    """Return the distributions of the ratings of a stored user, or by what was folded in, which may be nothing."""
    if person.scorer is None and person.place >= 0:
        return model._predictive(np.full(len(places), person.place), places, None)
    rows = Rows.empty(1) if person.rows is None else person.rows
    return model._predictive_for(rows, person.features, np.zeros(len(places), np.int32), places)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
