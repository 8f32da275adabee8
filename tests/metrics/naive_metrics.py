"""Slow, obvious twins of the metrics, from their definitions: plain Python, one user at a time, nothing of ours."""

from __future__ import annotations

import math
from itertools import combinations, pairwise, product

NAN = math.nan


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers) if numbers else NAN


# -- ranked lists: ``shown`` a list of items, ``gains`` {item: gain} of the relevant ones -------------------------


def precision(shown, gains, k):
    return sum(i in gains for i in shown[:k]) / k if gains else NAN


def recall(shown, gains, k):
    return sum(i in gains for i in shown[:k]) / len(gains) if gains else NAN


def recall_truncated(shown, gains, k):
    return sum(i in gains for i in shown[:k]) / min(k, len(gains)) if gains else NAN


def hit_rate(shown, gains, k):
    return float(any(i in gains for i in shown[:k])) if gains else NAN


def reciprocal_rank(shown, gains, k):
    return next((1 / place for place, i in enumerate(shown[:k], 1) if i in gains), 0.0) if gains else NAN


def average_precision(shown, gains, k):
    if not gains:
        return NAN
    return sum(precision(shown, gains, place) for place, i in enumerate(shown[:k], 1) if i in gains) / len(gains)


def dcg(gains_in_order):
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains_in_order, 1))


def ndcg_graded(shown, gains, k):
    ideal = dcg(sorted(gains.values(), reverse=True)[:k])
    return dcg([gains.get(i, 0) for i in shown[:k]]) / ideal if ideal else NAN


def ndcg(shown, gains, k):
    return ndcg_graded(shown, dict.fromkeys(gains, 1), k)


def auc(scores, relevant, excluded):
    """Every pair of a positive and a negative."""
    positives = set(relevant) - set(excluded)
    negatives = set(range(len(scores))) - positives - set(excluded)
    return mean(
        (scores[p] > scores[n]) + (scores[p] == scores[n]) / 2 for p, n in product(sorted(positives), sorted(negatives))
    )


def serendipity(shown, gains, expected, k):
    return sum(i in gains and i not in expected for i in shown[:k]) / k if gains else NAN


# -- catalogue: ``lists`` of lists of items ----------------------------------------------------------------------------


def counts(lists, n_items):
    return [sum(i in shown for shown in lists) for i in range(n_items)]


def coverage(lists, n_items):
    return len(set().union(*lists)) / n_items


def gini(lists, n_items):
    """Half the relative mean absolute difference of all pairs of items."""
    x = counts(lists, n_items)
    return sum(abs(a - b) for a, b in product(x, x)) / (2 * n_items * sum(x)) if sum(x) else NAN


def novelty(shown, have, n_users):
    return mean(math.log2(n_users / max(have[i], 1)) for i in shown)


def popularity_lift(lists, histories, have):
    pairs = [(mean(have[i] for i in s), mean(have[i] for i in h)) for s, h in zip(lists, histories, strict=True)]
    pairs = [p for p in pairs if not math.isnan(sum(p))]
    return mean(s for s, _ in pairs) / mean(h for _, h in pairs) - 1 if pairs else NAN


def cosine(a, b):
    dot, aa, bb = (sum(x * y for x, y in zip(*two, strict=True)) for two in ((a, b), (a, a), (b, b)))
    return dot / math.sqrt(aa) / math.sqrt(bb) if aa and bb else 0.0


def jaccard(a, b):
    a, b = ({g for g, x in enumerate(v) if x} for v in (a, b))
    return len(a & b) / len(a | b) if a | b else 0.0


def diversity(shown, features, similarity):
    return 1 - mean(similarity(features[i], features[j]) for i, j in combinations(shown, 2))


def list_overlap(lists):
    """All pairs of users."""
    sets = [set(shown) for shown in lists if shown]
    return mean(len(a & b) / math.sqrt(len(a) * len(b)) for a, b in combinations(sets, 2))


def genre_shares(items, genres):
    shares = [[g / sum(genres[i]) for g in genres[i]] for i in items if sum(genres[i])]
    return [mean(column) for column in zip(*shares, strict=True)]


def mixed(p, q, alpha=0.01):
    return [(1 - alpha) * b + alpha * a for a, b in zip(p, q, strict=True)]


# -- ratings ---------------------------------------------------------------------------------------------------------


def crps_draws(y, draws):
    n = len(draws)
    return mean(abs(x - y) for x in draws) - sum(abs(a - b) for a, b in product(draws, draws)) / (2 * n * n)


def crps_stars(y, probabilities, stars):
    """The integral of (F(x) - 1{x >= y})^2, step by step between all points where it jumps."""
    points = sorted({*stars, y})
    total = 0.0
    for low, high in pairwise(points):
        below = sum(p for p, s in zip(probabilities, stars, strict=True) if s <= low)
        total += (below - (low >= y)) ** 2 * (high - low)
    return total
