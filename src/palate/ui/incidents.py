"""What the log says of requests that were refused or went wrong: a line each, no text of the client, and not too many.

The lines name a kind and a route, both ours. A flood of bad requests writes ``MOST_LINES`` lines a minute and a count.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

MOST_LINES = 10
SECONDS = 60.0
UNANSWERED = "This could not be answered; load the page again."

log = logging.getLogger(__name__)


class Sparing(logging.Filter):
    """Lets a few records pass in each minute and counts the rest; tracebacks become the name of the error."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._since, self._shown, self._hidden = clock(), 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write a record, and cut it to one line."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        line = " ".join(record.getMessage().split()) + (f" ({kind})" if kind else "")
        record.exc_info = record.exc_text = record.stack_info = None
        now = self._clock()
        if now - self._since >= SECONDS:
            line += f" ({self._hidden} more before it were not shown)" if self._hidden else ""
            self._since, self._shown, self._hidden = now, 0, 0
        self._shown += 1
        self._hidden += self._shown > MOST_LINES
        line += "; more of this minute are counted alone" if self._shown == MOST_LINES else ""
        record.msg, record.args = line, ()
        return self._shown <= MOST_LINES


log.setLevel(logging.WARNING)
log.addFilter(Sparing())


class Answering:
    """A ``with`` block around the answer to an event: an error ends in a line of the log and a sentence for the client.

    Gradio would print the traceback, and with it what the client sent.
    """

    def __init__(self, sorry: type[Exception]) -> None:
        self._sorry = sorry

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, Exception):
            log.warning("an event of the page was not answered (%s)", kind.__name__)
            settings: dict[str, Any] = {"print_exception": False}
            raise self._sorry(UNANSWERED, **settings) from None
