"""`GraphFilter`: item-to-item weights of a filter on the normalised graph of items; strong where clicks are sparse.

    score(u, i) = sum_j x_uj W_ji        over the user's own items j                                                 (1)

with W of `palate.models.items.graph_filters`, eq. 2: a polynomial of the graph, and the space of its largest singular
vectors. ``filter`` chooses between three published settings: "linear" is GF-CF (Shen et al. 2021), "sharpening" BSPM
(Choi et al. 2023), "chebyshev" ChebyCF (Kim et al. 2025). Nothing is iterated to a minimum, so there are no epochs and
no penalties. Of each row of W the ``n_neighbors`` largest weights are kept.

Time: one product with the clicks and one with their transpose for each degree of the polynomial and each item, and a
product with the singular vectors; memory: n_neighbors weights an item, n_items numbers a singular vector, and some
columns of n_items numbers a thread. The singular vectors come of BLAS on threads, so W is equal to rounding, not to the
bit, for other numbers of threads and other machines.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Annotated, ClassVar, Literal

import numpy as np

from palate.models.contract.learned import Attribute, Learns, NotNegative, Used
from palate.models.contract.learner import Training
from palate.models.contract.numbering import popular_first
from palate.models.contract.parameters import AtLeast
from palate.models.contract.shared import HistoryToScore, NThreads
from palate.models.items.clicks import Positive, training_clicks
from palate.models.items.graph_filters import SPARE, Graph, Response
from palate.models.items.item_weights import ItemWeights, LearnedWeights
from palate.models.search import Choice, Range
from palate.parallel import GRAIN, Workers, blas_threads, check_threads, chunks
from palate.sparse import Array, Rows

RESPONSES = {"linear": Response.linear, "sharpening": Response.sharpening, "chebyshev": Response.chebyshev}
POWERS = {"linear": 0.5, "sharpening": 0.5, "chebyshev": 0.4}
PER_ROOT, MOST = 3.0, 512  # singular vectors, where n_components is None


@dataclass(frozen=True, eq=False)
class LearnedFilter(LearnedWeights):
    """The largest weights of each item, and the number of singular vectors and the power of popularity used."""

    n_components: Annotated[int, Used()]
    degree_power: Annotated[NotNegative, Used(POWERS["sharpening"])]


class GraphFilter(ItemWeights):
    """A polynomial of the normalised item graph and its largest singular vectors: closed-form lists of sparse clicks.

    Attributes:
        weights_indptr_, weights_indices_, weights_values_: compressed rows of W, from the item had to the item scored.
        n_components_: how many singular vectors took part.
        degree_power_: power of the items' popularity, as used.
    """

    key: ClassVar[str] = "graph"
    own_blas_threads: ClassVar[bool] = True
    learned_ = Learns(LearnedFilter)
    n_components_ = Attribute[int]()
    degree_power_ = Attribute[float]()

    n_components: Annotated[
        int | None,
        AtLeast(0),
        Range(0.5, 2.0, log=True, relative=True),
        "singular vectors whose space counts on its own; 0 leaves it out; None takes three times the root of the users "
        f"or items with clicks, whichever are fewer, {MOST} at most.",
    ] = None
    _: KW_ONLY
    filter: Annotated[
        Literal["linear", "sharpening", "chebyshev"],
        Choice(("linear", "sharpening", "chebyshev")),
        'the polynomial: "linear" (GF-CF), "sharpening" (BSPM) or "chebyshev" (ChebyCF).',
    ] = "sharpening"
    ideal_weight: Annotated[
        float, AtLeast(0), Range(0.05, 1.0, log=True), "how much the space of the singular vectors counts."
    ] = 0.25
    degree_power: Annotated[
        float | None,
        AtLeast(0, at_most=1),
        Range(0.3, 0.7),
        'power of the items\' popularity in eq. 2: b, and of the filter "chebyshev" a, too. None is 0.4 with '
        '"chebyshev", else 0.5.',
    ] = None
    n_neighbors: Annotated[
        int | None, AtLeast(1), "weights kept of each item, the largest in size; None keeps all."
    ] = 1000
    positive: Positive = None
    store_history: HistoryToScore = True
    n_threads: NThreads = None

    def _learn(self, training: Training) -> LearnedFilter:
        n_items = training.data.n_items
        clicks, order = popular_first(training_clicks(training.data, self.positive), training.data)
        with Workers(self.n_threads) as workers:
            graph = Graph.of(clicks, n_items, self._components(clicks), workers.n_threads)
            tasks = [partial(self._largest, graph, part) for part in chunks(n_items, GRAIN.lanes)]
            with blas_threads(1):  # a thread has items of its own
                parts = workers.run(tasks)
        rows = Rows.of_sizes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        used = {"n_components": graph.V.shape[1], "degree_power": self._power}
        return LearnedFilter.sparse(rows.permute(order.order), **used)

    def _components(self, clicks: Rows) -> int:
        if self.n_components is not None:
            return self.n_components
        fewer = min(int(np.count_nonzero(clicks.sizes)), len(np.unique(clicks.indices)))
        return min(round(PER_ROOT * float(np.sqrt(fewer))), MOST)

    @property
    def _power(self) -> float:
        return POWERS[self.filter] if self.degree_power is None else float(self.degree_power)

    def _response(self) -> Response:
        return RESPONSES[self.filter](self._power)

    def _largest(self, graph: Graph, items: slice) -> tuple[Array, Array, Array]:
        """Return sizes, columns and values of the weights that are kept of these rows."""
        W = graph.weights(items.start, items.stop, self._response(), float(self.ideal_weight))
        n_items = W.shape[1]
        kept = W != 0  # no path of the graph leads to the others
        if self.n_neighbors is not None and self.n_neighbors < n_items:
            kept &= largest_of_rows(np.abs(W), self.n_neighbors)
        return kept.sum(axis=1), np.nonzero(kept)[1].astype(np.int32), W[kept]

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        components = MOST if self.n_components is None else self.n_components
        width = min(int((1 + SPARE) * components) + 8, n_users, n_items)
        kept = n_items * min(n_items, self.n_neighbors or n_items)
        working = 24 * GRAIN.lanes * (n_items + n_users) * check_threads(self.n_threads)
        return 24 * kept + 4 * width * (3 * n_items + n_users) + working + 64 * n_rows

    @property
    def _memory_advice(self) -> str:
        return "choose a smaller n_neighbors"


def largest_of_rows(sizes: Array, n: int) -> Array:
    """Return which n numbers of each row are the largest, a mask; of equal ones the first are taken."""
    least = np.partition(sizes, -n, axis=1)[:, [-n]]
    largest = sizes > least
    lacking = n - largest.sum(axis=1)
    for row in np.flatnonzero(lacking):
        largest[row, np.flatnonzero(sizes[row] == least[row])[: lacking[row]]] = True
    return largest
