"""Which models are tried on which rows, why, and about how long a fit takes: the tables of docs/choosing.md as rules.

Seconds are of two cores, somewhat more than were measured there: what is not begun for lack of time costs less than
what does not end in time. `palate.tuning.budget` corrects them by the fits that it saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from palate.models import MODELS
from palate.tuning.facts import RowFacts

DENSE = 0.01  # of all pairs: from here on pairwise losses are among the best
FEW = 3  # rows a person, where taste can hardly be told from noise
WIDE = 30_000  # items: beyond it EASE learns each item from its neighbours
SHORT = {"n_sweeps": 200, "n_burn_in": 60}  # of a chain that tells whether a whole one is worth its time
BY_PERSON = 2e8  # scores that one measurement of lists may take
FEWEST = 2_000  # people that are measured, where there are as many


@dataclass(frozen=True)
class Candidate:
    """A model that may be tried.

    Attributes:
        key: of the model.
        why: it is tried, or left out.
        seconds: about how long a fit on all rows takes.
        tried: whether the tables recommend it for such rows.
        short: parameters of a cheaper fit that tells as much of it; empty where there is none.
        short_share: of the seconds of a fit that the cheaper one takes.
    """

    key: str
    why: str
    seconds: float
    tried: bool = True
    short: Mapping[str, Any] = field(default_factory=dict)
    short_share: float = 1.0


def candidates_for(facts: RowFacts) -> list[Candidate]:
    """Return the models for such rows, in the order in which they are tried: the floor, then what costs least first."""
    return _of_lists(facts) if facts.of_lists else _of_ratings(facts)


def measured_people(facts: RowFacts) -> int:
    """Return how many people's lists are measured at most."""
    return max(FEWEST, int(BY_PERSON / facts.items))


def measuring_seconds(facts: RowFacts) -> float:
    """Return about how long one measurement takes."""
    people = min(facts.users, measured_people(facts)) if facts.of_lists else 0
    return 0.1 + 4e-8 * people * facts.items + 1e-6 * facts.rows


def _of_ratings(facts: RowFacts) -> list[Candidate]:
    n, rows = facts.users + facts.items, facts.rows
    few = f"; {facts.per_user:g} ratings a person tell little of taste" if facts.per_user <= FEW else ""
    return [
        Candidate("baseline", f"the floor: biases of people and items{few}", 0.5 + 1e-6 * rows),
        Candidate("als", "a sweep costs little more than reading the rows", 1 + 1e-5 * rows + 1.5e-4 * n),
        Candidate("mf", "a sweep costs little more than reading the rows", 1 + 2.5e-5 * rows),
        Candidate(
            "bayes",
            "the lowest error on most data, with intervals",
            20 + 2e-4 * rows + 4e-3 * n,
            short=SHORT,
            short_share=SHORT["n_sweeps"] / MODELS["bayes"]().get_params()["n_sweeps"],
        ),
    ]


def _of_lists(facts: RowFacts) -> list[Candidate]:
    n, rows = facts.users + facts.items, facts.rows
    dense = facts.density >= DENSE
    return [
        Candidate("popularity", "the floor: the same list for everybody", 0.5 + 1e-6 * rows),
        Candidate("rp3beta", "costs next to nothing", 1 + 1.2e-5 * rows + 2e-8 * facts.pairs),
        Candidate("ease", "no chance, and among the best lists on all data", _seconds_of_ease(facts)),
        Candidate("graph", "strong where clicks are sparse", _seconds_of_graph(facts)),
        Candidate("ials", "factors: bounded memory on any size", 2 + 2e-5 * rows + 6e-4 * n),
        Candidate(
            "bpr",
            "a pairwise loss does well on dense clicks"
            if dense
            else f"behind ease and ials where less than {DENSE:.0%} of all pairs are clicks",
            5 + 3e-4 * rows,
            tried=dense,
        ),
        Candidate("knn", "behind ease on all data of the table", 1 + 1.2e-5 * rows + 2e-8 * facts.pairs, False),
        Candidate("warp", "slower than all others, and the best on no data of the table", 10 + 3e-4 * rows, False),
    ]


def _seconds_of_ease(facts: RowFacts) -> float:
    if 2 * facts.users <= facts.items:
        return 1 + 2.5e-11 * facts.users**3
    if facts.items > WIDE:
        return 5 + 1.2e-4 * facts.rows + 1e-3 * facts.items
    return 1 + 2.5e-11 * facts.items**3


def _seconds_of_graph(facts: RowFacts) -> float:
    components = min(3 * float(np.sqrt(min(facts.users, facts.items))), 512)
    return 1 + 1.5e-10 * facts.items**2 * components + 2e-8 * facts.items * facts.rows / 100
