"""From people and requests to orders of items: one product for all whom one ranker and one choice of items serve.

The lists are those of the model's own `Ranker`, with its rule of popularity, to a depth of `DEPTH`; boosts, items that
the model has not seen and diversity then change their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import PalateError
from palate.models.contract.abilities import LikensItems, cannot
from palate.models.contract.diversified import CANDIDATES, diversified
from palate.models.contract.lists import Lists
from palate.models.contract.ranker import Ranker
from palate.models.contract.scoring import FactorScorer, Scorer
from palate.serve.engine.asking import DEPTH, Ask, Left
from palate.serve.engine.boosts import factors_of, lifted
from palate.serve.engine.candidates import near
from palate.serve.engine.catalogue import Catalogue, Mask
from palate.serve.engine.discovering import lesser_known
from palate.serve.engine.features import new_items
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.engine.people import NOTHING, KnownPerson
from palate.serve.engine.sharing import shared, turned
from palate.sparse import Rows
from palate.topk import ItemSide

FEW = 1_000  # closed items that a list leaves out one by one; a mask leaves out more
MODEL, POPULAR, NEW, BOOSTED = range(4)
SOURCES = ("model", "popular", "new", "boosted")


@dataclass(frozen=True, eq=False, slots=True)
class Order:
    """What a list is cut from.

    Attributes:
        places: positions of items, the best first.
        scores: the model's, NaN where it has none.
        popular: the list is the popular one.
        sources: of each, an index of `SOURCES`; None where all are of one.
    """

    places: NDArray[np.int32]
    scores: NDArray[np.float64]
    popular: bool = False
    sources: NDArray[np.uint8] | None = None

    def take(self, at: NDArray[Any]) -> Order:
        """Return the order of these of its places."""
        sources = None if self.sources is None else self.sources[at]
        return Order(self.places[at], self.scores[at], self.popular, sources)

    def source_of(self) -> NDArray[np.uint8]:
        """Return the source of each place."""
        if self.sources is not None:
            return self.sources
        return np.full(len(self.places), POPULAR if self.popular else MODEL, np.uint8)


@dataclass(frozen=True, eq=False, slots=True)
class Allowed:
    """What one request may be given.

    Attributes:
        mask: to choose from, or None for all.
        closed: positions left out besides, ascending.
    """

    mask: Mask | None
    closed: NDArray[np.int32]

    def lets(self, places: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which items may be given."""
        allowed = ~np.isin(places, self.closed)
        return allowed if self.mask is None else allowed & self.mask.keep[places]


class ListRanking:
    """Ranks the items of a catalogue by a version.

    Args:
        loaded: the version; None for none.
        catalogue: its items.
        share: of places, for items that the model has not seen and cannot score.
        counted: items in the order of the store's counts, for a namespace without a model.
    """

    def __init__(
        self, loaded: LoadedVersion | None, catalogue: Catalogue, share: float, counted: NDArray[np.int32]
    ) -> None:
        self.loaded, self.catalogue, self.share, self.counted = loaded, catalogue, share, counted
        self.n_items = catalogue.n_items
        self._side: tuple[int, NDArray[np.int32], ItemSide | None, list[dict[str, Any]]] | None = None

    def orders(self, asks: Sequence[Ask], people: Sequence[KnownPerson]) -> list[Order | PalateError]:
        """Return an order for each request, or why there is none."""
        found: list[Order | PalateError | None] = [None] * len(asks)
        groups: dict[tuple[Any, ...], list[int]] = {}
        choices: list[Allowed | None] = []
        for at, (ask, person) in enumerate(zip(asks, people, strict=True)):
            try:
                self._check(ask)
                choice = self.choice(ask, person)
            except PalateError as error:
                found[at] = error
                choices.append(None)
                continue
            choices.append(choice)
            if self.loaded is None:
                found[at] = self._finished(ask, self._uncounted(choice), choice)
            elif person.scorer is None and person.place < 0:
                found[at] = self._of_nobody(ask, choice)
            elif ask.boosts:
                found[at] = self._boosted(ask, person, choice)
            else:
                key = person.scorer is None, None if choice.mask is None else id(choice.mask)
                groups.setdefault(key, []).append(at)
        for group in groups.values():
            try:
                self._rank_group(group, asks, people, choices, found)
            except PalateError as error:
                for at in group:
                    found[at] = error
        return [order for order in found if order is not None]

    def _check(self, ask: Ask) -> None:
        if ask.diversity > 0 and self.loaded is not None and not isinstance(self.loaded.model, LikensItems):
            raise cannot(self.loaded.model, "similar_items", "ask without diversity")

    def choice(self, ask: Ask, person: KnownPerson) -> Allowed:
        """Return what a request may be given.

        Raises:
            ParameterError: a condition is wrong.
        """
        catalogue, closed = self.catalogue, [person.hidden]
        if not ask.seen:
            closed.append(person.seen)
        if ask.no_twins:
            closed = [catalogue.with_twins(np.concatenate(closed))]
        if ask.exclude:
            places = catalogue.index(ask.exclude)
            closed.append(np.unique(places[places >= 0]))
        if ask.not_mine and ask.user is not None:
            closed.append(catalogue.owned(ask.user))
        mask = None
        if ask.where or len(catalogue.closed) > FEW:
            mask = catalogue.mask(ask.where)
        elif len(catalogue.closed):
            closed.append(catalogue.closed)
        if ask.include is not None:
            places = catalogue.index(ask.include)
            keep = np.zeros(catalogue.size, bool)
            keep[places[places >= 0]] = True
            mask = Mask(keep if mask is None else keep & mask.keep)
        closed = [part for part in closed if len(part)]
        if not closed:
            return Allowed(mask, NOTHING)
        return Allowed(mask, closed[0] if len(closed) == 1 else np.unique(np.concatenate(closed)))

    # -- by the model -----------------------------------------------------------------------------------------------

    def _rank_group(
        self,
        group: list[int],
        asks: Sequence[Ask],
        people: Sequence[KnownPerson],
        choices: Sequence[Allowed | None],
        found: list[Any],
    ) -> None:
        """Rank for requests that one scorer and one mask serve."""
        own = [choice for choice in (choices[at] for at in group) if choice is not None]
        scorer = self._scorer([people[at] for at in group])
        lists = self._lists(scorer, own)
        of_new = self._new_scores(scorer)
        for row, at in enumerate(group):
            order = _order(lists, row)
            if of_new is not None and not order.popular:
                order = self._with_new(order, of_new[row], own[row])
            found[at] = self._finished(asks[at], order, own[row])

    def _scorer(self, people: Sequence[KnownPerson]) -> Scorer:
        """Return what scores these people, who are all stored ones, or all folded in."""
        scorers = [person.scorer for person in people if person.scorer is not None]
        if scorers:
            return scorers[0] if len(scorers) == 1 else scorers[0].joined(scorers[1:])
        stored: Scorer = self._model.ranker.scorer
        return stored.take(np.array([person.place for person in people], np.int32))

    @property
    def _model(self) -> Any:
        if self.loaded is None:
            raise TypeError("there is no model")
        return self.loaded.model

    def _lists(self, scorer: Scorer, choices: Sequence[Allowed]) -> Lists:
        n = len(choices)
        closed = [choice.closed[: np.searchsorted(choice.closed, self.n_items)] for choice in choices]
        excluded = Rows.of_sizes([len(part) for part in closed], np.concatenate(closed))
        mask = choices[0].mask
        candidates = None if self.loaded is None else self.loaded.candidates
        ranker = Ranker(lambda: near(scorer, candidates), self._model.item_order, None)
        return ranker.lists(
            np.arange(n, dtype=np.int32),
            min(DEPTH, self.n_items),
            excluded=[excluded],
            allowed=None if mask is None else mask.keep[: self.n_items],
            n_threads=1,
        )

    def _boosted(self, ask: Ask, person: KnownPerson, choice: Allowed) -> Order | PalateError:
        """Rank items of each product of factors apart, and merge them."""
        try:
            masks = [(self.catalogue.mask((condition,)).keep, factor) for condition, factor in ask.boosts]
        except PalateError as error:
            return error
        factors = factors_of(masks, self.catalogue.size)
        scorer = self._scorer([person])
        whole = _order(self._lists(scorer, [choice]), 0)
        if whole.popular:
            return self._finished(ask, self._popular(choice, factors), choice)
        parts = []
        for factor in np.unique(factors[: self.n_items]).tolist():
            keep = factors == factor
            mask = Mask(keep if choice.mask is None else keep & choice.mask.keep)
            parts.append(_order(self._lists(scorer, [replace(choice, mask=mask)]), 0, scored=True))
        order = _merged(parts)
        of_new = self._new_scores(scorer)
        order = order if of_new is None else self._with_new(order, of_new[0], choice, DEPTH * len(parts))
        low = float(self._model.rating_range_[0]) if self._model.score_kind == "rating" else 0.0
        scores = lifted(order.scores, factors[order.places], low)
        sources = np.where(factors[order.places] == 1, order.source_of(), BOOSTED).astype(np.uint8)
        at = np.lexsort((self._popularity(order.places), -scores))[:DEPTH]
        return self._finished(ask, Order(order.places[at], scores[at], sources=sources[at]), choice)

    def _popularity(self, places: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return where items stand in the order of popularity, new ones behind."""
        known, order = places < self.n_items, places.astype(np.int64)
        order[known] = self._model.item_order.places[places[known]]
        return order

    # -- new items --------------------------------------------------------------------------------------------------

    def _new_side(self) -> tuple[NDArray[np.int32], ItemSide | None]:
        """Return the new items that may be shown, and what scores them, where the model can."""
        if self._side is None or self._side[0] != self.catalogue.counter:
            new, before = self.catalogue.newcomers, self._side
            attributes = self.catalogue.attributes(new)
            if before is None or before[3] != attributes or not np.array_equal(before[1], new):
                side = new_items(self.loaded, attributes) if len(new) else None
            else:
                side = before[2]
            self._side = self.catalogue.counter, new, side, attributes
        return self._side[1:3]

    def factors_of_new(self, place: int) -> NDArray[Any] | None:
        """Return the factors of a new item, where the model has some by its attributes."""
        new, side = self._new_side()
        at = np.flatnonzero(new == place)
        return None if side is None or not len(at) else side.Q[at[0]]

    def _new_scores(self, scorer: Scorer) -> NDArray[np.float64] | None:
        _, side = self._new_side()
        if side is None or not isinstance(scorer, FactorScorer) or scorer.P.shape[1] != side.Q.shape[1]:
            return None
        of_new = FactorScorer(scorer.P, scorer.b, side)
        return of_new.of_all(np.arange(len(scorer.P), dtype=np.int32))

    def _with_new(self, order: Order, scores: NDArray[np.float64], choice: Allowed, depth: int = DEPTH) -> Order:
        """Put new items where their scores belong."""
        new, _ = self._new_side()
        lets = choice.lets(new)
        own = Order(new[lets], scores[lets], sources=np.full(int(lets.sum()), NEW, np.uint8))
        merged = _merged([order, own])
        return merged.take(np.argsort(-merged.scores, kind="stable")[:depth])

    def _with_share(self, order: Order, ask: Ask, choice: Allowed) -> Order:
        """Give new items that the model cannot score their share of places."""
        (new, side), share = self._new_side(), self._share_of(ask)
        if not len(new) or share <= 0 or (side is not None and not order.popular):
            return order
        new = turned(new[choice.lets(new)], ask.user)[:DEPTH]
        at = shared(order.places, new, share, DEPTH)
        own = Order(new, np.full(len(new), np.nan), sources=np.full(len(new), NEW, np.uint8))
        return _merged([order, own]).take(np.where(at >= 0, at, len(order.places) - at - 1))

    def _share_of(self, ask: Ask) -> float:
        made = ask.through
        return self.share if made is None or made.new_items_share is None else made.new_items_share

    # -- without a score --------------------------------------------------------------------------------------------

    def _of_nobody(self, ask: Ask, choice: Allowed) -> Order | PalateError:
        try:
            masks = [(self.catalogue.mask((condition,)).keep, factor) for condition, factor in ask.boosts]
        except PalateError as error:
            return error
        factors = factors_of(masks, self.catalogue.size) if masks else None
        return self._finished(ask, self._popular(choice, factors), choice)

    def _popular(self, choice: Allowed, factors: NDArray[np.float64] | None = None) -> Order:
        """Return the popular list of the items left, by the model's training; boosted by counts."""
        popular = self._model.item_order
        order = popular.order
        if factors is not None:
            counts = popular.counts * factors[: self.n_items]
            order = np.lexsort((popular.places, -counts)).astype(np.int32)
        elif choice.mask is None:
            order = order[: DEPTH + len(choice.closed)]
        order = order[choice.lets(order)][:DEPTH]
        return Order(order, np.full(len(order), np.nan), popular=True)

    def _uncounted(self, choice: Allowed) -> Order:
        """Return what the store counted most, then the newest: there is no model."""
        every = np.concatenate([self.counted, self.catalogue.newcomers])
        _, first = np.unique(every, return_index=True)
        order = every[np.sort(first)].astype(np.int32)
        order = order[choice.lets(order)][:DEPTH]
        return Order(order, np.full(len(order), np.nan), popular=True)

    # -- the order at last ------------------------------------------------------------------------------------------

    def _finished(self, ask: Ask, order: Order, choice: Allowed) -> Order:
        if ask.discovery > 0 and self.loaded is not None:
            order = order.take(lesser_known(order.scores, self._counts(order.places), ask.discovery))
        if ask.diversity > 0 and self.loaded is not None:
            order = self._diverse(order, ask.diversity)
        return order if self.loaded is None else self._with_share(order, ask, choice)

    def _counts(self, places: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return how many had each item in the model's training; nobody had new ones."""
        counts, known = np.zeros(len(places), np.int64), places < self.n_items
        counts[known] = self._model.item_order.counts[places[known]]
        return counts

    def left(self, ask: Ask, person: KnownPerson) -> Left:
        """Return what a request's list is chosen from."""
        every = np.concatenate([np.arange(self.n_items, dtype=np.int32), self.catalogue.newcomers])
        every = every[~np.isin(every, self.catalogue.closed)]
        known = self.loaded is not None and (person.scorer is not None or person.place >= 0)
        varies = self.loaded is not None and isinstance(self.loaded.model, LikensItems)
        return Left(int(self.choice(ask, person).lets(every).sum()), len(every), known, varies)

    def _diverse(self, order: Order, diversity: float) -> Order:
        best = order.places[:CANDIDATES]
        if len(best) < 2:
            return order
        likeness = self._likeness(best)
        first = diversified(order.scores[:CANDIDATES], likeness, diversity)
        return order.take(np.concatenate([first, np.arange(len(best), len(order.places))]))

    def _likeness(self, places: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return how like items are, new ones by their factors."""
        scorer, (new, side) = self._model.ranker.scorer, self._new_side()
        if side is None or not isinstance(scorer, FactorScorer) or (places < self.n_items).all():
            return np.asarray(scorer.likeness(places))
        row_of_new = np.zeros(self.catalogue.size, np.int64)
        row_of_new[new] = np.arange(len(new))
        Q = np.where(
            (places < self.n_items)[:, None],
            scorer.among.Q[np.minimum(places, self.n_items - 1)],
            side.Q[row_of_new[places]],
        )
        every = ItemSide(Q, np.zeros(len(Q)), 0.0)
        return FactorScorer(Q[:0], np.zeros(0), every).likeness(np.arange(len(Q), dtype=np.int32))


def _order(lists: Lists, row: int, *, scored: bool = False) -> Order:
    """Return a row of lists; without scores where it is the popular one, unless these are asked for."""
    items, scores = lists.items[row], lists.scores[row]
    if items[-1] < 0:
        n = int((items >= 0).sum())
        items, scores = items[:n], scores[:n]
    popular = bool(lists.popular[row]) and not scored
    return Order(items, np.full(len(items), np.nan) if popular else scores, popular)


def _merged(parts: list[Order]) -> Order:
    """Return orders one behind the other."""
    sources = np.concatenate([part.source_of() for part in parts])
    places = np.concatenate([part.places for part in parts])
    return Order(places, np.concatenate([part.scores for part in parts]), parts[0].popular, sources)
