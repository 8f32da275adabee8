"""Parameters that several models share: declared here once, and given a default by each class that has them."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from palate.models.contract.parameters import Above, AtLeast, Checked, check_random_state
from palate.parallel import check_threads

NFactors = Annotated[int, AtLeast(1), "length of each user's and item's vector."]
Sweeps = Annotated[int, AtLeast(1), "sweeps over items and users."]
RegFeatures = Annotated[float, Above(0), "L2 penalty of the weights of features, in rows."]
InitScale = Annotated[float, Above(0), "standard deviation of the initial factors."]
OwnFactors = Annotated[
    bool,
    "with features, whether rows have factors of their own beside those of their features; a side without features "
    "always has.",
]
Schedule = Annotated[
    Literal["constant", "linear"],
    'learning rate by epoch, "constant" or "linear" (falling to zero after n_epochs).',
]
NBlocks = Annotated[
    int | None,
    AtLeast(1),
    "blocks of users and of items that may be trained side by side; None follows from the data.",
]
Dtype = Annotated[Literal["float32", "float64"], "precision of what is learned."]
StoreHistory = Annotated[bool, "keep the training interactions, to leave out what a user has seen."]
HistoryToScore = Annotated[
    bool, "keep the training interactions: known users are scored by them; False leaves `recommend_for`."
]
RandomState = Annotated[
    int | np.random.Generator | None,
    Checked(check_random_state),
    "seed, Generator, or None to draw a seed; the seed used is ``seed_``.",
]
NThreads = Annotated[
    int | None, Checked(check_threads), "threads, None for all cores; the answer is the same for any number."
]
ThreadsToRecommend = Annotated[
    NThreads, "threads when recommending, None for all cores; the answer is the same for any number."
]
