"""The rows of somebody's file as what they say: which film, which rating, when; and what is wrong with which line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from math import isfinite

from palate.data.reading.header import is_number
from palate.data.reading.untyped import Untyped
from palate.errors import shown
from palate.serve.web.guessing import FIRST_YEAR, LAST_YEAR, ColumnRole, ValueRange, scale_of, scale_up_to

ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4}|\d{2})")
SINCE_1970 = re.compile(r"(\d{9,10})(\d{3})?")  # seconds, as MovieLens writes times, or milliseconds
FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%Y/%m/%d")
MICROS = 1_000_000
AHEAD = 24 * 3600 * MICROS  # a clock may be in another zone


@dataclass(frozen=True, slots=True)
class FileLine:
    """What one line says.

    Attributes:
        line: from 1.
        titles: of the film, perhaps none.
        year, item, imdb, rating, time: what else the line has; time in microseconds.
    """

    line: int
    titles: tuple[str, ...]
    year: int | None = None
    item: str | None = None
    imdb: str | None = None
    rating: float | None = None
    time: int | None = None

    @property
    def called(self) -> str:
        """The film as the file calls it."""
        return next(iter(self.titles), None) or self.item or self.imdb or ""


@dataclass(slots=True)
class FileLines:
    """What a file says.

    Attributes:
        rows: of each line that is right.
        errors: (line, what is wrong), in the order of lines.
        scale: lowest and highest rating that the file may hold; None where it has none.
        people: how many rows each person has, where a column names them.
        whose: the person whose rows these are, None where no column names anybody.
    """

    rows: list[FileLine] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)
    scale: ValueRange | None = None
    people: dict[str, int] = field(default_factory=dict)
    whose: str | None = None


class UnfitError(ValueError):
    """A field cannot be what its column says."""


def entries_of(
    file: Untyped,
    roles: Sequence[ColumnRole | None],
    scale: ValueRange | None,
    *,
    now: int,
    top: float | None = None,
    whose: str | None = None,
) -> FileLines:
    """Return what the rows of a file say.

    Args:
        file: as it is written.
        roles: what its columns hold.
        scale: of the service that wrote it; None: its values tell.
        now: microseconds; nothing was rated after.
        top: how far its ratings go up, where the reader says so.
        whose: the person whose rows count, where a column names people; None: who has the most.
    """
    at = {role: k for k, role in enumerate(roles) if role is not None}
    out = FileLines()
    kept = _own(file, at, whose, out)
    texts = [file.rows[k][at["rating"]] for k in kept] if "rating" in at else []
    out.scale = _scale(texts, scale, top)
    read_date = _reader_of_dates([file.rows[k][at["date"]] for k in kept], now) if "date" in at else None
    read = _Reader(at, out.scale, read_date)
    out.errors = [(line, f"has {n} fields, and the file {len(file.names)} columns") for line, n in file.long]
    for k in kept:
        try:
            out.rows.append(read.entry(file.rows[k], file.lines[k]))
        except UnfitError as error:
            out.errors.append((file.lines[k], str(error)))
    out.errors.sort()
    return out


def _own(file: Untyped, at: Mapping[ColumnRole, int], whose: str | None, out: FileLines) -> list[int]:
    """Return the rows of the person in question."""
    if "person" not in at:
        return list(range(len(file.rows)))
    named = [row[at["person"]] for row in file.rows]
    out.people = dict(Counter(named).most_common())
    out.whose = whose if whose in out.people else next(iter(out.people), None)
    return [k for k, name in enumerate(named) if name == out.whose]


def _scale(texts: Sequence[str], scale: ValueRange | None, top: float | None) -> ValueRange | None:
    ratings = [number for text in map(_pointed, texts) if is_number(text) and isfinite(number := float(text))]
    if not ratings:
        return scale if texts else None
    return scale_up_to(top, ratings) if top is not None else scale or scale_of(ratings)


def _pointed(text: str) -> str:
    return text.replace(",", ".", 1)


class _Reader:
    """Reads rows whose columns have roles."""

    def __init__(
        self, at: Mapping[ColumnRole, int], scale: ValueRange | None, read_date: Callable[[str], int] | None
    ) -> None:
        self._at, self._scale, self._date = at, scale, read_date

    def entry(self, row: Sequence[str], line: int) -> FileLine:
        """Return what a row says.

        Raises:
            UnfitError: a field is not right.
        """

        def text(role: ColumnRole) -> str:
            return row[self._at[role]] if role in self._at else ""

        titles = tuple(filter(None, (text("title"), text("original"))))
        if not (titles or text("item") or text("imdb")):
            raise UnfitError("names no film")
        return FileLine(
            line,
            titles,
            _year(text("year")),
            text("item") or None,
            text("imdb") or None,
            self._rating(text("rating")),
            self._date(text("date")) if self._date is not None and text("date") else None,
        )

    def _rating(self, text: str) -> float | None:
        if not text:
            return None
        if self._scale is None:
            raise UnfitError(f"the rating {shown(text)} is no number")
        low, high = self._scale
        pointed = _pointed(text)
        if not is_number(pointed) or not low <= float(pointed) <= high:
            raise UnfitError(f"the rating {shown(text)} is no number from {low:g} to {high:g}")
        return float(pointed)


def _year(text: str) -> int | None:
    if not text:
        return None
    year = float(text) if is_number(text) else 0.0
    if not (year.is_integer() and FIRST_YEAR <= year <= LAST_YEAR):
        raise UnfitError(f"the year {shown(text)} is none")
    return int(year)


def _reader_of_dates(texts: Sequence[str], now: int) -> Callable[[str], int]:
    """Return what reads the dates of a column, which is written in one way."""
    day_first = any(int(found[1]) > 12 for text in texts if (found := SLASHED.fullmatch(text)))

    def read(text: str) -> int:
        moment = next(_moments(text, day_first), None)
        if moment is None:
            raise UnfitError(f"the date {shown(text)} cannot be read: write 2024-12-31, or leave the column out")
        micros = round(moment.timestamp() * MICROS)
        if not 0 <= micros <= now + AHEAD:
            raise UnfitError(f"the date {shown(text)} lies {'before 1970' if micros < 0 else 'ahead'}")
        return micros

    return read


def _moments(text: str, day_first: bool) -> Iterator[datetime]:
    """Yield the moments that a text may mean, the likeliest first; a date without a zone is one of UTC."""
    if found := SINCE_1970.fullmatch(text):
        yield datetime.fromtimestamp(int(found[1]), UTC)
    for moment in chain(_of_slashes(text, day_first), _iso(text), _by_forms(text)):
        yield moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _of_slashes(text: str, day_first: bool) -> Iterator[datetime]:
    found = SLASHED.fullmatch(text)
    if found is None:
        return
    one, other, year = (int(part) for part in found.groups())
    day, month = (one, other) if day_first or "." in text else (other, one)
    try:
        yield datetime(year + (2000 if year < 100 else 0), month, day)
    except ValueError:
        return


def _iso(text: str) -> Iterator[datetime]:
    if ISO.match(text):
        try:
            yield datetime.fromisoformat(text)
        except ValueError:
            return


def _by_forms(text: str) -> Iterator[datetime]:
    for form in FORMS:
        try:
            yield datetime.strptime(text, form)
        except ValueError:
            continue
