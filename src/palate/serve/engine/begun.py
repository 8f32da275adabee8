"""A batch that is answered, while its lists are being written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from palate.errors import PalateError
from palate.serve import measures
from palate.serve.engine.asking import Answer


@dataclass(eq=False)
class Begun:
    """Answers of a batch whose lists are being written.

    Attributes:
        answers: of each request, or why there is none.
        writes: the lists of each namespace: which answers they are of, and when they are committed.
    """

    answers: list[Answer | PalateError]
    writes: list[tuple[list[int], Future[None]]] = field(default_factory=list)
    started: float = 0.0

    def when_written(self, call: Callable[[Begun], None]) -> None:
        """Call a function when all lists are committed, or cannot be."""
        left = len(self.writes)
        if not left:
            call(self)
            return
        lock = threading.Lock()

        def one(_: Future[None]) -> None:
            nonlocal left
            with lock:
                left -= 1
                last = left == 0
            if last:
                call(self)

        for _, future in self.writes:
            future.add_done_callback(one)

    def results(self) -> list[Answer | PalateError]:
        """Return the answers, marked where their list could not be written; all writes have ended."""
        for of, future in self.writes:
            error = future.exception()
            if isinstance(error, PalateError):
                self._unlogged(of)
            elif error is not None:
                raise error
        return self.answers

    def _unlogged(self, of: list[int]) -> None:
        for at in of:
            answer = self.answers[at]
            if isinstance(answer, Answer):
                self.answers[at] = replace(answer, logged=False)
                measures.UNLOGGED.inc()
