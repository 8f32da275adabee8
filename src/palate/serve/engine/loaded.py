"""What the engine asks of a loaded model version; `palate.store.versions.Loaded` is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from palate.models import Recommender
from palate.store.versions.candidates import Candidates


class LoadedVersion(Protocol):
    """A version that answers; nothing of it ever changes."""

    @property
    def number(self) -> int:
        """The version's."""

    @property
    def model(self) -> Recommender:
        """Fitted, its arrays shared with all workers."""

    @property
    def trained(self) -> int:
        """When, in microseconds."""

    @property
    def newest_event(self) -> int | None:
        """Time of the newest event that it has learned from, where that is known."""

    @property
    def trained_to(self) -> int | None:
        """Key of the newest event of this log in it; None where it was trained elsewhere."""

    @property
    def candidates(self) -> Candidates | None:
        """Proposes items of a large catalogue; None where all are scored."""

    def users_index(self, users: Sequence[str]) -> NDArray[np.int32]:
        """Return the positions of users, -1 for those whom the model does not know, or who were forgotten."""

    def items_index(self, items: Sequence[str]) -> NDArray[np.int32]:
        """Return the positions of items, -1 for those that the model does not know."""
