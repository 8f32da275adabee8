"""Metrics of what lists do to a catalogue and to people: how much of it is shown, how new, how varied, how alike.

Lists are (m, width) item positions, -1 where there is none, cut at k; places without an item are passed over. Each
function says what empty lists do: unlike the metrics of `ranking`, most have nothing to say about a user without a list
and give NaN there, which `summarise` counts as left out.
"""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.metrics.arrays import CELLS, Array, ItemLists, Values, check_lists, check_rows, cut, ratio, row_of_cells
from palate.metrics.metric import Metric
from palate.metrics.ranking import Judged
from palate.parallel import chunks
from palate.sparse import Rows

log = logging.getLogger(__name__)

TOO_ALIKE = 0.8


def coverage(lists: ItemLists, n_items: int, k: int) -> float:
    """Return the share of the catalogue that stands in at least one list; 0 where all lists are empty."""
    return coverage_of(exposure(lists, n_items, k))


def coverage_of(counts: Array) -> float:
    """Return `coverage` of how often each item is shown, (n_items,)."""
    return float(np.count_nonzero(counts) / len(counts))


def gini(lists: ItemLists, n_items: int, k: int) -> float:
    """Return the Gini index of how often each item is shown, items never shown included.

    sum_i (2 i - N - 1) x_(i) / (N sum_i x_i) over sorted counts x_(1) <= … <= x_(N): 0 where all are shown equally,
    1 - 1/N where one is shown alone. NaN where all lists are empty.
    """
    return gini_of(exposure(lists, n_items, k))


def gini_of(counts: Array) -> float:
    """Return `gini` of how often each item is shown, (n_items,)."""
    n_items, counts = len(counts), np.sort(counts).astype(np.float64)
    weights = 2.0 * np.arange(1, n_items + 1) - n_items - 1
    return float((weights * counts).sum() / (n_items * counts.sum())) if counts.any() else float("nan")


def entropy(lists: ItemLists, n_items: int, k: int) -> float:
    """Return Shannon's entropy of what is shown, -sum_i s_i log2 s_i in bits, s_i the item's share of all places.

    At most log2 n_items, where all are shown equally. NaN where all lists are empty.
    """
    return entropy_of(exposure(lists, n_items, k))


def entropy_of(counts: Array) -> float:
    """Return `entropy` of how often each item is shown, (n_items,)."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum()) if len(shares) else float("nan")


def novelty(lists: ItemLists, counts: Array, n_users: int, k: int) -> Values:
    """Return the mean self-information of a list's items, -log2 (c_i / n_users), in bits, (m,); NaN for an empty list.

    Zhou, Kuscsik, Liu, Medo, Wakeling & Zhang 2010. An item that nobody has in training counts as one that a single
    user has.

    Args:
        lists: (m, width).
        counts: (n_items,) training users who have each item.
        n_users: users in training.
        k: how many places.

    Raises:
        ParameterError: a count is negative or above n_users, or the lists do not fit.
    """
    if (counts < 0).any() or (counts > n_users).any():
        raise ParameterError.of("counts", f"must lie from 0 to {n_users}, the number of users in training")
    return _list_mean(lists, -np.log2(np.maximum(counts, 1) / n_users), k)


def popularity_lift(lists: ItemLists, history: Rows, counts: Array, k: int) -> float:
    """Return by what share the lists are more popular than what their users had: GAP(lists) / GAP(history) - 1.

    GAP is the mean over users of the mean popularity of their items (Abdollahpouri, Mansoury, Burke & Mobasher 2020).
    0 is faithful, 1 twice as popular, below 0 less popular. Users without a list or without history are in neither
    mean; NaN where none is left. For a group, give its rows.

    Args:
        lists: (m, width).
        history: m rows, what the user of each list had in training.
        counts: (n_items,) training users who have each item.
        k: how many places.

    Raises:
        ParameterError: rows and lists do not fit, or counts are not those of the history.
    """
    return lift_of(*popularity_of_users(lists, history, counts, k))


def popularity_of_users(lists: ItemLists, history: Rows, counts: Array, k: int) -> tuple[Values, Values]:
    """Return the mean popularity of what each user is shown, and had, (m,) each; NaN where there is nothing."""
    check_rows(history, len(lists), len(counts), "history")
    shown = _list_mean(lists, np.asarray(counts, np.float64), k)
    size = history.sizes
    return shown, ratio(np.bincount(row_of_cells(history), counts[history.indices], len(size)), size)


def lift_of(shown: Values, had: Values) -> float:
    """Return `popularity_lift` of the mean popularity of what each user is shown, and had.

    Raises:
        ParameterError: nobody had anything that counts.
    """
    both = ~np.isnan(had) & ~np.isnan(shown)
    if not both.any():
        return float("nan")
    if not had[both].any():
        raise ParameterError.of(
            "counts", "are 0 for all that users had: they must be of the training part, as history is"
        )
    return float(shown[both].mean() / had[both].mean() - 1)


def intra_list_diversity(lists: ItemLists, features: Array, k: int) -> Values:
    """Return one less the mean cosine of all pairs in a list, (m,); from 0 (all alike) to 1 (at right angles), or 2.

    Ziegler, McNee, Konstan & Lausen 2005, as a mean. By (|sum_i v_i|^2 - sum_i |v_i|^2) over unit vectors v_i, without
    looking at pairs. An item whose features are all 0 resembles nothing (cosine 0). NaN for a list of fewer than 2.

    Args:
        lists: (m, width).
        features: (n_items, d) factors, or any numbers.
        k: how many places.

    Raises:
        ParameterError: a feature is not finite, or the lists do not fit.
    """
    if not np.isfinite(features).all():
        raise ParameterError.of("features", "must be finite numbers; fill in or leave out what is missing")
    check_lists(lists, len(features))
    lists = cut(lists, k)
    length = np.sqrt(np.square(features, dtype=np.float64).sum(axis=1, keepdims=True))
    units = ratio(features, length, otherwise=0.0)
    alike = np.empty(len(lists))
    for block in chunks(len(lists), max(1, CELLS // (k * max(1, units.shape[1])))):
        listed = units[lists[block]] * (lists[block] >= 0)[:, :, None]  # (b, k, d)
        alike[block] = np.square(listed.sum(axis=1)).sum(axis=1) - np.square(listed).sum(axis=(1, 2))
    return _one_less_mean_of_pairs(alike / 2, lists)


def intra_list_diversity_genres(lists: ItemLists, genres: Array, k: int) -> Values:
    """Return one less the mean Jaccard index of the genres of all pairs in a list, (m,); from 0 (all alike) to 1.

    Jaccard: genres in common over genres of either; 0 for two items without any. NaN for a list of fewer than 2.

    Args:
        lists: (m, width).
        genres: (n_items, n_genres) 1 where the item has the genre, else 0.
        k: how many places.

    Raises:
        ParameterError: genres are not 0 and 1, or the lists do not fit.
    """
    check_lists(lists, len(genres))
    _check_genres(genres)
    lists = cut(lists, k)
    genres, alike = genres.astype(np.float64), np.empty(len(lists))
    for block in chunks(len(lists), max(1, CELLS // (k * max(k, genres.shape[1])))):
        listed = genres[lists[block]] * (lists[block] >= 0)[:, :, None]  # (b, k, n_genres)
        common = listed @ listed.transpose(0, 2, 1)  # (b, k, k)
        size = listed.sum(axis=2)
        either = size[:, :, None] + size[:, None, :] - common
        index = ratio(common, either, otherwise=0.0)
        alike[block] = index.sum(axis=(1, 2)) - np.trace(index, axis1=1, axis2=2)
    return _one_less_mean_of_pairs(alike / 2, lists)


def list_overlap(lists: ItemLists, n_items: int, k: int) -> float:
    """Return the mean overlap of two users' lists, |A and B| / sqrt(|A| |B|); logs a warning above 0.8.

    With lists of one length this is the share of items in common. Over all m (m - 1) pairs, without looking at one:
    (sum_i s_i^2 - m) / (m (m - 1)), s_i the sum of 1 / sqrt(|A|) over the lists A that hold item i (the sum of squares
    holds each list with itself once, which is 1). Empty lists are left out; NaN with fewer than 2 others.
    """
    return told_overlap(_mean_overlap(lists, n_items, k))


def told_overlap(overlap: float) -> float:
    """Return an overlap, with a warning where it is above 0.8."""
    if overlap > TOO_ALIKE:
        log.warning(
            "the lists of two users share %.0f %% of their items on average: nearly everybody is recommended the same",
            100 * overlap,
        )
    return overlap


def personalisation(lists: ItemLists, n_items: int, k: int) -> float:
    """Return 1 - `list_overlap`: 0 where everybody gets the same, 1 where no two lists share an item. No warning."""
    return 1 - _mean_overlap(lists, n_items, k)


def serendipity(judged: Judged, expected: ItemLists, k: int) -> Values:
    """Return the share of k places that hit and that a plain list would not have shown, (m,).

    |(list - expected) and relevant| / k (Ge, Delgado-Battenfeld & Jannach 2010). NaN for a user without relevant items,
    0 for one without a list, as in `ranking`.

    Args:
        judged: the lists and what is relevant.
        expected: (m, any) each user's list from a plain model, such as popularity; -1 where there is none.
        k: how many places of the judged lists; the expected ones are used whole.

    Raises:
        ParameterError: expected has another number of users, or k is longer than the lists.
    """
    shown = cut(judged.lists, k)
    if len(expected) != len(shown):
        raise ParameterError.of("expected", f"must have a list for each of {len(shown)} users, got {len(expected)}")
    shares = np.empty(len(shown))
    for block in chunks(len(shown), max(1, CELLS // (k * max(1, expected.shape[1])))):
        plain = (shown[block][:, :, None] == expected[block][:, None, :]).any(axis=2)
        shares[block] = (judged.hits[block, :k] & ~plain).sum(axis=1) / k
    shares[judged.n_relevant == 0] = np.nan
    return shares


def genre_calibration(lists: ItemLists, history: Rows, genres: Array, k: int, alpha: float = 0.01) -> Values:
    """Return how far a list's genres are from those of its user's history, in nats, (m,); 0 is faithful.

    KL(p || q~) = sum_g p_g log(p_g / q~_g), q~ = (1 - alpha) q + alpha p (Steck 2018, sec. 3). p and q are the mean
    genres of history and list, every item weighing 1 whatever its rating or place, spread evenly over its genres; items
    without a genre are passed over. NaN where history or list has no genre.

    Args:
        lists: (m, width).
        history: m rows, what the user of each list had in training.
        genres: (n_items, n_genres) 1 where the item has the genre, else 0.
        k: how many places.
        alpha: keeps the divergence finite, above 0 and below 1.

    Raises:
        ParameterError: alpha is out of range, genres are not 0 and 1, or rows and lists do not fit.
    """
    if not 0 < alpha < 1:
        raise ParameterError.outside("alpha", "above 0 and below 1", alpha)
    _check_genres(genres)
    check_rows(history, len(lists), len(genres), "history")
    check_lists(lists, len(genres))
    shown = cut(lists, k)
    size = genres.sum(axis=1, keepdims=True)
    spread = ratio(genres, size, otherwise=0.0)
    p = _genre_shares(row_of_cells(history), history.indices, spread, len(shown))
    q = _genre_shares(np.nonzero(shown >= 0)[0], shown[shown >= 0], spread, len(shown))
    mixed = (1 - alpha) * q + alpha * p
    odds = ratio(p, mixed, otherwise=1.0)
    divergence = (p * np.log(np.where(p > 0, odds, 1.0))).sum(axis=1)
    return np.asarray(np.where(p.any(axis=1) & q.any(axis=1), divergence, np.nan))


def exposure(lists: ItemLists, n_items: int, k: int) -> NDArray[np.int64]:
    """Return in how many lists each item stands, (n_items,)."""
    check_lists(lists, n_items)
    shown = cut(lists, k)
    return np.bincount(shown[shown >= 0], minlength=n_items).astype(np.int64)


def _list_mean(lists: ItemLists, of_items: Values, k: int) -> Values:
    """Return the mean of a number over the items of each list, (m,); NaN for an empty list."""
    check_lists(lists, len(of_items))
    shown = cut(lists, k)
    there = shown >= 0
    size = there.sum(axis=1)
    total = np.where(there, of_items[shown], 0.0).sum(axis=1)
    return ratio(total, size)


def _mean_overlap(lists: ItemLists, n_items: int, k: int) -> float:
    return overlap_of(*shares_of_lists(lists, n_items, k))


def shares_of_lists(lists: ItemLists, n_items: int, k: int) -> tuple[Values, int]:
    """Return the sum of 1 / sqrt(|A|) over the lists A that hold each item, (n_items,), and how many are not empty."""
    check_lists(lists, n_items)
    shown = cut(lists, k)
    size = (shown >= 0).sum(axis=1)
    weight = np.repeat(1 / np.sqrt(size[size > 0]), size[size > 0])
    return np.bincount(shown[shown >= 0], weight, n_items).astype(np.float64), int((size > 0).sum())


def overlap_of(weights: Values, m: int) -> float:
    """Return the mean overlap of m lists by `shares_of_lists`, as `list_overlap` tells it; NaN of fewer than 2."""
    if m < 2:
        return float("nan")
    overlap = (np.square(weights).sum() - m) / (m * (m - 1))
    return float(np.clip(overlap, 0, 1))  # the roots round


def _one_less_mean_of_pairs(sums: Values, lists: ItemLists) -> Values:
    size = (lists >= 0).sum(axis=1)
    pairs = size * (size - 1) / 2
    return 1 - ratio(sums, pairs)


def _genre_shares(row: Array, items: Array, spread: Values, m: int) -> Values:
    """Return the share of each genre among the items of each row, (m, n_genres); zeros where there is none."""
    total = np.column_stack([np.bincount(row, of_genre[items], m) for of_genre in spread.T])
    size = total.sum(axis=1, keepdims=True)
    return ratio(total, size, otherwise=0.0)


def _check_genres(genres: Array) -> None:
    if genres.ndim != 2 or not genres.shape[1] or not np.isin(genres, (0, 1)).all():
        raise ParameterError.of("genres", "must be a table of 0 and 1, (n_items, n_genres)")


_of_all = partial(Metric, kind="catalogue", per="all")
_of_users = partial(Metric, kind="catalogue", per="user", higher_is_better=True)

METRICS = (
    _of_all("coverage", "coverage", coverage, higher_is_better=True, unit="share", beside=True,
            meaning="the share of the catalogue that is recommended to anybody"),
    _of_all("gini", "Gini", gini, higher_is_better=False,
            meaning="how unequally items are shown: 0 is all alike, 1 is one item only"),
    _of_all("entropy", "entropy", entropy, higher_is_better=True, unit="bits",
            meaning="how evenly items are shown: one more bit is as if twice as many were shown alike"),
    _of_users("novelty", "novelty", novelty, unit="bits", beside=True,
              meaning="how rare the recommended items are among users, in bits: one more bit is half as many users"),
    _of_all("list_overlap", "list overlap", list_overlap, higher_is_better=False, unit="share", beside=True,
            meaning="how alike two people's lists are: 1 means that everybody gets the same"),
    _of_all("personalisation", "personalisation", personalisation, higher_is_better=True, unit="share",
            meaning="how different two people's lists are: 0 means that everybody gets the same"),
    _of_all("popularity_lift", "popularity lift", popularity_lift, higher_is_better=None, unit="share", beside=True,
            meaning="by what share the lists are more popular than what their users chose before; 0 is faithful"),
    _of_users("diversity", "diversity", intra_list_diversity,
              meaning="how different the items of a list are from each other"),
    _of_users("diversity_genres", "diversity genres", intra_list_diversity_genres,
              meaning="how different the genres of a list's items are from each other"),
    _of_users("serendipity", "serendipity", serendipity, unit="share",
              meaning="the share of a list that people went on to choose, and that no list of the most popular has"),
    Metric("calibration", "calibration", genre_calibration, kind="catalogue", per="user", higher_is_better=False,
           unit="nats", meaning="how far the genres of a list are from those its user chose before; 0 is faithful"),
)  # fmt: skip
