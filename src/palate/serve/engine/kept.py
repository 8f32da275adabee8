"""What is made of a model at the first question, outside the engine's lock, and kept as long as the model is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from palate.models import Recommender

T = TypeVar("T")


class OfModels(Generic[T]):
    """One value a model. Safe for several threads: the first one makes it, others wait for it.

    Args:
        make: makes the value of a model.
    """

    def __init__(self, make: Callable[[Recommender], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._kept: WeakKeyDictionary[Recommender, T] = WeakKeyDictionary()

    def of(self, model: Recommender) -> T:
        """Return the value of a model."""
        with self._lock:
            if model not in self._kept:
                self._kept[model] = self._make(model)
            return self._kept[model]
