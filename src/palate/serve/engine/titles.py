"""Which items somebody means by a title and a year, or by an id of elsewhere.

Titles are compared without case, accents, signs and articles, wherever those stand: "The Matrix", "Matrix, The (1999)"
and "matrix" are one. What stands in brackets is a title of its own ("Seven (a.k.a. Se7en)"). A year may be off by one,
for a film has another one in another country; the very year comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from palate.store.attributes import TITLES, words

YEAR = re.compile(r"\s*[(\[](\d{4})(?:\s*[-\u2013]\s*(?:\d{4})?)?[)\]]\s*$")
BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")
ALSO = re.compile(r"^\s*(?:a\.?k\.?a\.?|also known as)\b[.\s]*", re.IGNORECASE)
ELIDED = re.compile(r"^\s*l['\u2019]", re.IGNORECASE)
ARTICLES = frozenset(
    (
        *("the", "a", "an", "le", "la", "les", "l", "un", "une", "der", "die", "das", "ein", "eine"),
        *("el", "los", "las", "lo", "il", "gli"),
    )
)
IMDB = re.compile(r"tt(\d{5,})")
MatchOutcome = Literal["found", "unknown", "several"]


@dataclass(frozen=True, slots=True)
class Titled:
    """An item, as titles find it."""

    item: str
    title: str
    year: int | None


@dataclass(slots=True)
class TitleIndex:
    """All items by their titles and by their numbers at IMDb.

    Attributes:
        by_id: by the namespace's own ids.
        by_key: by `keys_of` their titles.
        by_imdb: by number.
    """

    by_id: dict[str, Titled] = field(default_factory=dict)
    by_key: dict[str, list[Titled]] = field(default_factory=dict)
    by_imdb: dict[int, Titled] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Iterable[tuple[str, Mapping[str, Any]]]) -> TitleIndex:
        """Return the titles of items: ids and attributes."""
        out = cls()
        for item, attributes in items:
            out._add(item, attributes)
        return out

    def _add(self, item: str, attributes: Mapping[str, Any]) -> None:
        title = next((attributes[name] for name in TITLES if isinstance(attributes.get(name), str)), item)
        bare, year = split_title(title)
        titled = self.by_id[item] = Titled(item, title, year or _year_of(attributes))
        for key in keys_of(bare):
            self.by_key.setdefault(key, []).append(titled)
        number = _imdb_of(attributes)
        if number is not None:
            self.by_imdb[number] = titled

    def find(self, titles: Iterable[str], year: int | None) -> tuple[Titled | None, MatchOutcome]:
        """Return the item of a title, or of another title of the same film, and whether it was found.

        Args:
            titles: as somebody wrote them; a year may stand behind.
            year: None where it is not known. Then a title that several items have says nothing.
        """
        several = False
        for text in titles:
            bare, behind = split_title(text)
            found = self._all(bare)
            near = _near(found, year or behind)
            if len({(keys_of(split_title(one.title)[0])[0], one.year) for one in near}) == 1:
                return near[0], "found"  # some catalogues have a film twice
            several |= len(near) > 1
        return None, "several" if several else "unknown"

    def _all(self, bare: str) -> list[Titled]:
        keys = keys_of(bare)
        found = {one.item: one for key in keys[:1] for one in self.by_key.get(key, ())}
        return list((found or {one.item: one for key in keys for one in self.by_key.get(key, ())}).values())

    def imdb(self, text: str) -> Titled | None:
        """Return the item of an id or an address of IMDb."""
        number = imdb_number(text)
        return None if number is None else self.by_imdb.get(number)

    def is_called(self, item: str, titles: Iterable[str]) -> bool:
        """Return whether one of these titles is an item's."""
        known = self.by_id.get(item)
        own = set() if known is None else set(keys_of(split_title(known.title)[0]))
        return any(own & set(keys_of(split_title(text)[0])) for text in titles)


def split_title(text: str) -> tuple[str, int | None]:
    """Return a title and the year that stands behind it in brackets."""
    at = YEAR.search(text)
    return (text, None) if at is None or not text[: at.start()].strip() else (text[: at.start()], int(at[1]))


def keys_of(title: str) -> list[str]:
    """Return by what a title is found: all of it without what stands in brackets, each of the brackets, all of it."""
    outside = BRACKETS.sub(" ", title)
    parts = [outside, *(ALSO.sub("", part) for part in BRACKETS.findall(title)), title]
    return list(dict.fromkeys(key for part in parts if (key := _key(part))))


def _key(text: str) -> str:
    """Return a title without case, accents, signs and the article before it or behind a comma."""
    before, comma, behind = text.rpartition(",")
    if comma and (last := words(behind)) and len(last) == 1 and last[0] in ARTICLES:
        text = before
    found = words(ELIDED.sub("", text).replace("&", " and ").replace("'", "").replace("\u2019", ""))
    if len(found) > 1 and found[0] in ARTICLES:
        found = found[1:]
    return " ".join(found) or text.strip().casefold()


def imdb_number(text: object) -> int | None:
    """Return the number of an id or an address of IMDb, such as tt0114709, "0114709" or 114709."""
    at = IMDB.search(str(text))
    if at is not None:
        return int(at[1])
    return int(str(text)) if str(text).isdecimal() and len(str(text)) <= 12 else None


def _imdb_of(attributes: Mapping[str, Any]) -> int | None:
    for name in ("imdb_id", "imdbId", "imdb", "imdb_url"):
        if attributes.get(name) is not None:
            return imdb_number(attributes[name])
    return None


def _year_of(attributes: Mapping[str, Any]) -> int | None:
    year, released = attributes.get("year"), attributes.get("release_date")
    if isinstance(year, int | float) and not isinstance(year, bool) and year == year:
        return int(year)
    at = re.match(r"\d{4}", str(released or year or ""))
    return None if at is None else int(at[0])


def _near(found: list[Titled], year: int | None) -> list[Titled]:
    """Return those of a year; else of the year before or after; those without a year fit every one."""
    if year is None:
        return found
    for far in (0, 1):
        near = [one for one in found if one.year is not None and abs(one.year - year) <= far]
        if near:
            return near
    return [one for one in found if one.year is None]
