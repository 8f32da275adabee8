"""`Shelf`: the models of one page; some may arrive while it is open. `Arrivals` looks for their files."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from palate import files
from palate.errors import PalateError, ParameterError
from palate.models.contract.base import Recommender
from palate.ui import cards
from palate.ui.report import report
from palate.ui.source import Source

log = logging.getLogger(__name__)

SECONDS = 1.0  # between two looks for files
Mark = tuple[int, int]


class Shelf:
    """What the page shows of each model, by name.

    Attributes:
        sources: the models; `add` puts one in while the page reads.
        heads, reports: the page's head and the tab "Data" for each.
        coming: names of the models that are still to come.

    Raises:
        NotFittedError: a model was not fitted.
        ParameterError: there is no model, or two of them know other users or items.
    """

    def __init__(
        self,
        model: Recommender | Mapping[str, Recommender],
        coming: Iterable[str] = (),
        *,
        name: str | None = None,
        data_card: Mapping[str, object] | None = None,
    ) -> None:
        models = dict(model) if isinstance(model, Mapping) else {"": model}
        if not models:
            raise ParameterError("the page needs a model, and there is none", subject="models")
        self.name, self._data_card, self.coming = name, data_card, list(coming)
        self.sources: dict[str, Source] = {}
        self.heads: dict[str, str] = {}
        self.reports: dict[str, str] = {}
        for fitted in models.values():
            fitted._check_fitted()
        for called, fitted in models.items():
            self.add(called, fitted)

    @property
    def first(self) -> Source:
        """The model that the page opens with."""
        return next(iter(self.sources.values()))

    def add(self, name: str, model: Recommender) -> None:
        """Put a model on the page.

        Raises:
            ParameterError: it knows other users or items than the first.
        """
        if self.sources and (model.users_ != self.first.users or model.items_ != self.first.items):
            raise ParameterError(
                f"the models of one page must know the same users and items, and '{name}' knows others; train them on "
                "the same data",
                code="other_data",
                subject=name,
            )
        source = Source(model)
        name = name or cards.model_words(source)
        self.heads[name], self.reports[name] = cards.header(source, self.name), report(source, self._data_card)
        self.sources[name] = source  # last: from now on it can be chosen
        self.coming = [waiting for waiting in self.coming if waiting != name]


class Arrivals(threading.Thread):
    """Puts models on the shelf as soon as their files are there and can be read.

    Args:
        shelf: where they go.
        paths: their files, by name.
        prepare: called with each before it is shown.
        closing: ends the looking.
    """

    def __init__(
        self,
        shelf: Shelf,
        paths: Mapping[str, Path],
        prepare: Callable[[Mapping[str, Recommender]], None],
        closing: threading.Event,
    ) -> None:
        super().__init__(daemon=True, name="palate-arrivals")
        self._shelf, self._paths, self._prepare, self._closing = shelf, dict(paths), prepare, closing
        self._refused: dict[str, Mark] = {}

    def run(self) -> None:
        """Look until all are there."""
        while self._paths and not self._closing.wait(SECONDS):
            self.look()

    def look(self) -> None:
        """Put those on the shelf whose files are there; one that cannot be read is told, and tried once it changes."""
        for name, path in list(self._paths.items()):
            mark = _mark(path)
            if mark is None or mark == self._refused.get(name):
                continue
            try:
                self._take(name, path)
            except PalateError as error:
                self._refused[name] = mark
                log.warning("%s is not shown: %s", path, error)

    def _take(self, name: str, path: Path) -> None:
        model = files.load(path)
        self._prepare({name: model})
        self._shelf.add(name, model)
        del self._paths[name]


def _mark(path: Path) -> Mark | None:
    """Return what tells one state of a file from the next, or None where there is no file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size
