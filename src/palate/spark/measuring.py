"""Figures of the users of a block: what runs in a task, and the records that it gives.

Each chunk of users is measured by the metrics of one machine (`palate.metrics`), with the items of the whole catalogue
beside it. A metric that is a mean over users, or a function of sums over ratings, gives each user's share; one of the
catalogue as a whole gives sums over the lists, which add up. A record is (metric, users, num, den), the last three the
bytes of arrays of one length, or of one over the items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.evaluation.metric_inputs import MetricInputs, Relevance
from palate.evaluation.ranked_lists import RankedLists
from palate.metrics import At, Metric, at
from palate.metrics.catalogue import exposure, popularity_of_users, shares_of_lists
from palate.models.contract.base import Recommender
from palate.models.contract.lists import ItemOrder, Lists
from palate.models.contract.ranker import Ranker
from palate.models.contract.scoring import FactorScorer
from palate.models.contract.state import Rated
from palate.spark.user_blocks import Batches, ItemPart, UserPart, WireTypes, bits_at, chunks_of
from palate.topk import ItemSide

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS = "metric string, users binary, num binary, den binary"
RANKED, TESTED, FLOOR = "ranked", "tested", "floor "  # records beside those of metrics
EXPOSURES = ("coverage", "gini", "entropy")
OVERLAPS = ("list_overlap", "personalisation")
LIFT = "popularity_lift"
MetricRecord = tuple[str, NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Measuring:
    """What is measured, and how.

    Attributes:
        metrics: names.
        types: of what travels.
        mean: of all scores.
        score_kind: "rating" where scores are predicted ratings.
        rating_range: what predictions are clipped to.
        positive: which test rows are relevant.
        n_users: of the whole data.
        weighted: whether popularity is by sample weights.
        allowed: bits of the items that may be listed (`packed_bits`), or None for all.
        genres: the genres of each item, as an Arrow stream, or None.
        centre: about which squares of the test values are summed.
        n_threads: of a task.
    """

    metrics: tuple[str, ...]
    types: WireTypes
    mean: float
    score_kind: str
    rating_range: tuple[float, float]
    positive: Relevance
    n_users: int
    weighted: bool
    allowed: bytes | None = None
    genres: bytes | None = None
    centre: float = 0.0
    n_threads: int = 1


@dataclass(frozen=True, eq=False)
class BlockModel:
    """A model of some users, as `MetricInputs` asks it."""

    ranker: Ranker
    score_kind: str
    rating_range_: tuple[float, float]
    item_factors_: NDArray[Any]
    n_threads: int
    supports: frozenset[str] = frozenset()

    @property
    def item_order(self) -> ItemOrder:
        """The items in the order of popularity."""
        return self.ranker.popular

    def lists_index(self, users: NDArray[np.int32], n: int, **filters: Any) -> Lists:
        """Return the best n items of each user."""
        return self.ranker.lists(users, n, **filters, n_threads=self.n_threads)

    def ranking_keys(self, users: NDArray[np.int32], **filters: Any) -> NDArray[np.float64]:
        """Return what all items are ranked by."""
        return self.ranker.keys(users, **filters)

    def predict_rows(self, rows: Interactions) -> NDArray[np.float64]:
        """Return the raw prediction of each row."""
        return self.ranker.scorer.pairs(rows.user_index, rows.item_index)


@dataclass(frozen=True, eq=False)
class MeasuredItems:
    """The items of a task, and what all chunks of users need of them."""

    items: ItemPart
    asked: Measuring
    side: ItemSide
    popular: ItemOrder
    counted: ItemSide
    table: pl.DataFrame
    allowed: NDArray[np.bool_] | None

    @classmethod
    def of(cls, items: ItemPart, asked: Measuring) -> MeasuredItems:
        """Return what measuring needs of these items."""
        n = len(items.positions)
        rated = Rated(items.counts, items.means)
        counts = items.weights if asked.weighted else items.counts.astype(np.float64)
        return cls(
            items,
            asked,
            ItemSide(items.Q, items.c, asked.mean),
            ItemOrder(rated, Ids(items.id_ranks(), "item")),
            ItemSide(np.zeros((n, 0)), counts, 0.0),
            pl.DataFrame({}) if asked.genres is None else pl.read_ipc_stream(asked.genres),
            None if asked.allowed is None else bits_at(asked.allowed, np.arange(n)),
        )

    def model(self, users: UserPart) -> BlockModel:
        """Return the model of some users."""
        scorer, on = FactorScorer(users.P, users.b, self.side), self.asked
        ranker = Ranker(lambda: scorer, self.popular, None)
        return BlockModel(ranker, on.score_kind, on.rating_range, self.items.Q, on.n_threads)

    def popularity(self, m: int) -> BlockModel:
        """Return the model that gives everybody the most popular items."""
        scorer, on = FactorScorer(np.zeros((m, 0)), np.zeros(m), self.counted), self.asked
        ranker = Ranker(lambda: scorer, self.popular, None)
        return BlockModel(ranker, "order", on.rating_range, self.items.Q, on.n_threads)


class BlockInputs(MetricInputs):
    """What metrics of a chunk of users take; counts are those of all users."""

    def __init__(self, catalogue: MeasuredItems, users: UserPart, width: int | None) -> None:
        n = len(catalogue.items.positions)
        ids = Ids(np.arange(len(users.positions)), "user"), Ids(np.arange(n), "item")
        train, test = (_interactions(pairs, *ids) for pairs in (users.seen, users.test))
        model = cast("Recommender", catalogue.model(users))
        super().__init__(model, train, test, catalogue.table, catalogue.asked.positive, width, catalogue.allowed)
        self.catalogue = catalogue

    def given(self, metric: Metric) -> dict[str, Any]:
        """Return what a metric takes; one of the catalogue is told of all users, one of ratings of those here."""
        values = super().given(metric)
        if metric.kind == "catalogue" and "n_users" in values:
            values["n_users"] = self.catalogue.asked.n_users
        return values

    @cached_property
    def _relevant_rows(self) -> NDArray[np.intp]:
        positive = self.positive
        rows = np.ones(len(self.test), bool)
        if positive is not None and not isinstance(positive, str):
            rows = self.test.values >= positive
        return np.flatnonzero(rows if self.allowed is None else rows & self.allowed[self.test.item_index])

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """Training rows of each item, of all users."""
        return self.catalogue.items.counts

    @cached_property
    def popular_lists(self) -> RankedLists:
        """The most popular items that each user did not have."""
        return self._lists_of(cast("Recommender", self.catalogue.popularity(self.test.n_users)))


def _interactions(pairs: Any, users: Ids, items: Ids) -> Interactions:
    user, item, values = pairs
    return Interactions(user, item, np.ones(len(user), np.float32) if values is None else values, None, users, items)


@dataclass(eq=False)
class ListSums:
    """What is added up over the chunks of a partition, by metric: (n_items,) and a number of lists."""

    of_items: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    n_lists: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, of_items: NDArray[Any], n_lists: int) -> None:
        """Add a chunk's."""
        before = self.of_items.get(name)
        more = of_items.astype(np.float64)
        self.of_items[name] = more if before is None else np.asarray(before + more)
        self.n_lists[name] = self.n_lists.get(name, 0) + n_lists

    def records(self) -> Iterator[MetricRecord]:
        """Yield what was added up."""
        for name, of_items in self.of_items.items():
            yield name, np.zeros(0, np.int32), of_items, np.array([self.n_lists[name]], np.float64)


def measure_users(batches: Batches, asked: Measuring) -> Iterator[pa.RecordBatch]:
    """Yield the records of a partition."""
    metrics = [at(name) for name in asked.metrics]
    catalogue: MeasuredItems | None = None
    sums = ListSums()
    for _, items, users in chunks_of(batches, asked.types):
        if items is None or not len(users.test[0]):
            continue
        if catalogue is None or catalogue.items is not items:
            catalogue = MeasuredItems.of(items, asked)
        yield _batch(_records(catalogue, users, metrics, sums))
    yield _batch(list(sums.records()))


def _records(catalogue: MeasuredItems, users: UserPart, metrics: Sequence[At], sums: ListSums) -> list[MetricRecord]:
    """Return the records of a chunk of users."""
    inputs = BlockInputs(catalogue, users, max((request.k for request in metrics if request.k), default=None))
    out: list[MetricRecord] = []
    of_lists = [request for request in metrics if request.metric.kind != "rating"]
    for request in metrics:
        if request.metric.kind == "rating":
            out.append(_of_ratings(request, inputs, users))
        elif len(inputs.ranked):
            out += _of_lists(request, inputs, users, sums)
    out.append(_tested(inputs, users))
    if of_lists and len(inputs.ranked):
        out.append(_ranked(inputs, users, of_lists))
        if catalogue.asked.score_kind == "rating":
            out += _floor(inputs, users, metrics)
    return out


def _tested(inputs: BlockInputs, users: UserPart) -> MetricRecord:
    """Return how many test rows each user has, and the sum of their values."""
    user, n = inputs.test.user_index, inputs.test.n_users
    tested = np.unique(user)
    rows, values = np.bincount(user, minlength=n), np.bincount(user, inputs.truth, n)
    return TESTED, users.positions[tested], rows[tested].astype(np.float64), values[tested].astype(np.float64)


def _of_ratings(request: At, inputs: BlockInputs, users: UserPart) -> MetricRecord:
    """Return each user's share of a metric of predicted ratings."""
    metric, given = request.metric, inputs.given(request.metric)
    if metric.per == "user":
        tested = np.unique(inputs.test.user_index)
        return request.name, users.positions[tested], request(**given)[tested], np.ones(len(tested))
    if metric.terms is None:
        raise NotImplementedError(f"{request.name} is no function of sums over ratings")
    terms: list[NDArray[Any]] = list(metric.terms(**given))
    if metric.form == "explained":  # about the mean of all values, which a task does not know: see `_about_mean`
        terms[1] = (inputs.truth.astype(np.float64) - inputs.catalogue.asked.centre) ** 2
    user = inputs.test.user_index
    tested = np.unique(user)
    shares = [np.bincount(user, term, inputs.test.n_users)[tested].astype(np.float64) for term in terms]
    return request.name, users.positions[tested], shares[0], shares[1]


def _of_lists(request: At, inputs: BlockInputs, users: UserPart, sums: ListSums) -> list[MetricRecord]:
    """Return each user's value, or the parts of one; what is of the catalogue as a whole is added to the sums."""
    metric, k = request.metric, request.k or 0
    ranked, given = users.positions[inputs.ranked], inputs.given(request.metric)
    if metric.key in EXPOSURES:
        sums.add(request.name, exposure(given["lists"], given["n_items"], k), len(ranked))
        return []
    if metric.key in OVERLAPS:
        sums.add(request.name, *shares_of_lists(given["lists"], given["n_items"], k))
        return []
    if metric.key == LIFT:
        return [(request.name, ranked, *popularity_of_users(k=k, **given))]
    return [(request.name, ranked, request(**given), np.ones(len(ranked)))]


def _ranked(inputs: BlockInputs, users: UserPart, metrics: Sequence[At]) -> MetricRecord:
    """Return of the ranked users who was given the popular list, and whose list has an item."""
    popular: NDArray[Any] = np.zeros(len(inputs.ranked))
    has_list: NDArray[Any] = np.ones(len(inputs.ranked))
    if any(set(request.metric.inputs) & {"lists", "judged", "sampled", "score_block"} for request in metrics):
        popular = np.asarray(inputs.popular, np.float64)
        has_list = np.asarray((inputs.lists >= 0).any(axis=1), np.float64)
    return RANKED, users.positions[inputs.ranked], popular, has_list


def _floor(inputs: BlockInputs, users: UserPart, metrics: Sequence[At]) -> list[MetricRecord]:
    """Return what mere popularity reaches in the metrics of judged lists."""
    asked = [request for request in metrics if request.metric.inputs == ("judged",)]
    if not asked:
        return []
    judged = inputs.popular_lists.judged(inputs.relevant, inputs.test.n_items)
    ranked = users.positions[inputs.ranked]
    return [(FLOOR + request.name, ranked, request(judged=judged), np.ones(len(ranked))) for request in asked]


def _batch(records: Sequence[MetricRecord]) -> pa.RecordBatch:
    import pyarrow as pa

    names = pa.array([record[0] for record in records], pa.string())
    kinds = (np.int32, np.float64, np.float64)
    arrays = [
        pa.array([np.ascontiguousarray(record[place], kind).tobytes() for record in records], pa.binary())
        for place, kind in enumerate(kinds, 1)
    ]
    return pa.RecordBatch.from_arrays([names, *arrays], names=["metric", "users", "num", "den"])


def joined(records: pa.Table) -> Mapping[str, MetricRecord]:
    """Return the records of all tasks by name: users rising, sums over items added in a fixed order."""
    several: dict[str, list[MetricRecord]] = {}
    read: Sequence[Callable[[bytes], NDArray[Any]]] = [
        lambda data: np.frombuffer(data, np.int32),
        *[lambda data: np.frombuffer(data, np.float64)] * 2,
    ]
    columns = [records.column(place).to_pylist() for place in range(4)]
    for name, *data in zip(*columns, strict=True):
        users, num, den = (to(part) for to, part in zip(read, data, strict=True))
        several.setdefault(name, []).append((name, users, num, den))
    return {
        name: _sum(name, parts) if not len(parts[0][1]) else _rising(name, parts) for name, parts in several.items()
    }


def _rising(name: str, parts: list[MetricRecord]) -> MetricRecord:
    users, num, den = (np.concatenate([part[place] for part in parts]) for place in (1, 2, 3))
    order = np.argsort(users, kind="stable")
    return name, users[order], num[order], den[order]


def _sum(name: str, parts: list[MetricRecord]) -> MetricRecord:
    """Add up sums over items: sorted by their bytes, so that the order of the tasks decides nothing."""
    ordered = sorted(parts, key=lambda part: (part[2].tobytes(), part[3].tobytes()))
    of_items, n_lists = (
        np.sum(np.stack(arrays), axis=0) for arrays in zip(*(part[2:] for part in ordered), strict=True)
    )
    return name, parts[0][1], of_items, n_lists
