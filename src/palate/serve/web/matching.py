"""Which films of the service the lines of a file mean, and what their ratings are on its scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from palate.serve.engine.titles import Titled, TitleIndex
from palate.serve.web.entries import FileLine
from palate.serve.web.guessing import ValueRange

MOSTLY = 0.5  # of the lines with an id and a title


@dataclass(frozen=True, slots=True)
class Match:
    """A line, and the film that it means.

    Attributes:
        entry: the line.
        film: which it is.
        value: the rating on the service's scale; None: seen, and not rated.
    """

    entry: FileLine
    film: Titled
    value: float | None


@dataclass(slots=True)
class Matches:
    """The lines of a file.

    Attributes:
        found: one a film, the newest of its lines.
        unknown: lines whose film is not here, and why.
        again: how many lines are about a film that a newer line is about.
    """

    found: list[Match] = field(default_factory=list)
    unknown: list[tuple[FileLine, str]] = field(default_factory=list)
    again: int = 0


def match(entries: Sequence[FileLine], titles: TitleIndex, scale: ValueRange | None, ours: ValueRange) -> Matches:
    """Return which films lines mean.

    An id counts unless the titles beside the ids say that they are those of another catalogue: then, and without an id,
    it is the title and the year.

    Args:
        entries: the lines.
        titles: of the service.
        scale: of the file.
        ours: of the service.
    """
    out, by_item = Matches(), dict[str, Match]()
    ids_count = _ids_are_ours(entries, titles)
    for entry in entries:
        film, why = _film(entry, titles, ids_count=ids_count)
        if film is None:
            out.unknown.append((entry, why))
            continue
        value = None if entry.rating is None or scale is None else converted(entry.rating, scale, ours)
        before = by_item.get(film.item)
        out.again += before is not None
        if before is None or (before.entry.time or 0) <= (entry.time or 0):
            by_item[film.item] = Match(entry, film, value)
    out.found = sorted(by_item.values(), key=lambda one: one.entry.line)
    return out


def converted(rating: float, scale: ValueRange, ours: ValueRange) -> float:
    """Return a rating on our scale: its share of the best one, for "4 of 5" is "8 of 10"; at least our lowest."""
    return round(max(ours[0], rating * ours[1] / scale[1]), 3)


def _ids_are_ours(entries: Sequence[FileLine], titles: TitleIndex) -> bool:
    """Return whether the ids of a file are those of this service, as far as the titles beside them tell."""
    both = [entry for entry in entries if entry.item in titles.by_id and entry.titles]
    agreeing = sum(titles.is_called(entry.item or "", entry.titles) for entry in both)
    return agreeing >= MOSTLY * len(both)


def _film(entry: FileLine, titles: TitleIndex, *, ids_count: bool) -> tuple[Titled | None, str]:
    if ids_count and entry.item in titles.by_id:
        return titles.by_id[entry.item or ""], ""
    if entry.imdb and (film := titles.imdb(entry.imdb)) is not None:
        return film, ""
    if not entry.titles:
        return None, "no film here has this id"
    film, how = titles.find(entry.titles, entry.year)
    return film, "" if film else WHY_NOT[how]


WHY_NOT: Mapping[str, str] = {
    "unknown": "no film here has this title and year",
    "several": "several films here have this title: a year would tell",
}
