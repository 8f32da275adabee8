"""What the columns of somebody's file hold: by the names that well-known services give them, else by names and values.

Every guess is shown with its reason, and the reader may say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from palate.data.columns import OF_ALL, TITLES, USUAL, VALUE_ENDINGS, plain_name
from palate.data.reading.header import is_number

ColumnRole = Literal["title", "original", "year", "rating", "item", "imdb", "date", "person"]
ROLES: Final = get_args(ColumnRole)
ValueRange = tuple[float, float]
Fits = Callable[[str], object]
LOOKED_AT = 200  # rows
MOSTLY, NEARLY = 0.8, 0.95  # of the values that are there
IMDB = re.compile(r"tt\d{5,}")
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}.*|\d{1,2}[/.]\d{1,2}[/.](\d{2}|\d{4})")
FIRST_YEAR, LAST_YEAR = 1870, 2100
TOPS = (5.0, 10.0, 100.0)  # how far ratings go up


@dataclass(frozen=True, slots=True)
class FileSource:
    """A service that people take their ratings from.

    Attributes:
        name: its own.
        tell: names of columns that all its files of this kind have, as `plain_name` writes them.
        roles: what its columns hold.
        scale: its lowest and highest rating; None where it has none.
        whole: its files have no other columns.
    """

    name: str
    tell: tuple[str, ...]
    roles: Mapping[str, ColumnRole]
    scale: ValueRange | None
    whole: bool = False

    def wrote(self, names: Collection[str]) -> bool:
        """Return whether a file with columns of these names is one of its files."""
        return set(self.tell) == set(names) if self.whole else set(self.tell) <= set(names)


_LETTERBOXD: Final[Mapping[str, ColumnRole]] = {"name": "title", "year": "year", "rating": "rating"}
SOURCES: Final = (
    FileSource("Letterboxd", ("letterboxduri", "watcheddate"), {**_LETTERBOXD, "watcheddate": "date"}, (0.5, 5)),
    FileSource("Letterboxd", ("letterboxduri",), {**_LETTERBOXD, "date": "date"}, (0.5, 5)),
    FileSource(
        "IMDb",
        ("const", "yourrating"),
        {
            "const": "imdb",
            "yourrating": "rating",
            "daterated": "date",
            "title": "title",
            "originaltitle": "original",
            "year": "year",
        },
        (1, 10),
    ),
    FileSource(
        "MovieLens",
        ("movieid", "imdbid", "tmdbid", "rating"),  # what movielens.org lets its users download
        {"movieid": "item", "imdbid": "imdb", "rating": "rating", "title": "title"},
        (0.5, 5),
    ),
    FileSource(
        "MovieLens",
        ("userid", "movieid", "rating", "timestamp"),
        {"userid": "person", "movieid": "item", "rating": "rating", "timestamp": "date"},
        (0.5, 5),
    ),
    FileSource(
        "Netflix",
        ("profilename", "titlename", "starvalue"),
        {"profilename": "person", "titlename": "title", "starvalue": "rating", "eventutcts": "date"},
        (1, 5),
    ),
    FileSource("Netflix", ("title", "date"), {"title": "title", "date": "date"}, None, whole=True),  # what was watched
)
NAMES: Final[Mapping[ColumnRole, Collection[str]]] = {  # of files that are nobody's we know, the better role first
    "imdb": ("imdb", "imdbid", "const", "tconst", "imdburl"),
    "title": (*TITLES, "film", "movie", "filmname"),
    "original": ("originaltitle",),
    "year": ("year", "releaseyear", "yearofrelease", "filmyear", "movieyear"),
    "rating": (*USUAL["value"], "myrating", "yourrating", "userrating", "starvalue", "vote"),
    "item": USUAL["item"],
    "date": (*USUAL["time"], "watched", "watchedat", "watcheddate", "datewatched", "daterated", "watchdate"),
    "person": (*USUAL["user"], "profile", "profilename"),
}


@dataclass(frozen=True, slots=True)
class Guess:
    """What a file is taken for.

    Attributes:
        source: whose file it is, "" where that is not known.
        roles: of each column, None for those that are not used.
        why: of each column.
        scale: of the ratings, None where their values must tell.
    """

    source: str
    roles: tuple[ColumnRole | None, ...]
    why: tuple[str, ...]
    scale: ValueRange | None


def guess(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Guess:
    """Return what the columns of a file hold.

    Args:
        names: of the columns.
        rows: the fields of its rows; the first ones are looked at.
    """
    plain = [plain_name(name) for name in names]
    source = next((one for one in SOURCES if one.wrote(plain)), None)
    if source is not None:
        roles = _once([source.roles.get(name) for name in plain])
        words = f"as {source.name} names it"
        return Guess(source.name, roles, tuple(words if role else "" for role in roles), source.scale)
    columns = [[row[k] for row in rows[:LOOKED_AT] if row[k]] for k in range(len(names))]
    named = _by_names(plain, columns)
    roles = _by_values(named, columns)
    why = [_why(role, by_name) for role, by_name in zip(roles, named, strict=True)]
    return Guess("", roles, tuple(why), None)


def _why(role: ColumnRole | None, by_name: ColumnRole | None) -> str:
    if role is None:
        return ""
    return "by its name" if role == by_name else "by its values"


def _once(roles: Sequence[ColumnRole | None]) -> tuple[ColumnRole | None, ...]:
    """Return roles with the second column of a role left out."""
    return tuple(role if role not in roles[:k] else None for k, role in enumerate(roles))


def _by_names(plain: Sequence[str], columns: Sequence[Sequence[str]]) -> tuple[ColumnRole | None, ...]:
    return _once([_named(name, values) for name, values in zip(plain, columns, strict=True)])


def _named(name: str, values: Sequence[str]) -> ColumnRole | None:
    """Return the role of a column by its name, where its values do not speak against it."""
    ending = name.endswith(VALUE_ENDINGS) and not name.startswith((*OF_ALL, "imdb", "num"))
    fits: list[ColumnRole] = [role for role, usual in NAMES.items() if name in usual or (ending and role == "rating")]
    return next((role for role in fits if _may_be(role, values)), None)


def _may_be(role: ColumnRole, values: Sequence[str]) -> bool:
    """Return whether values may be of a role: a column called movie may hold titles, or ids."""
    if role == "title":
        return not _mostly(values, is_number)
    if role in ("year", "rating"):
        return not values or _mostly(values, lambda text: is_number(text.replace(",", ".", 1)))
    return True


def _by_values(named: Sequence[ColumnRole | None], columns: Sequence[Sequence[str]]) -> tuple[ColumnRole | None, ...]:
    """Return roles by names, and by values where a role that helps has no column yet."""
    roles = list(named)
    for role, fits in _FITS.items():
        if role not in roles:
            _give(roles, columns, role, fits)
    if not {"title", "item", "imdb"} & set(roles):
        _give(roles, columns, "title", lambda text: not is_number(text))
    return tuple(roles)


def _give(roles: list[ColumnRole | None], columns: Sequence[Sequence[str]], role: ColumnRole, fits: Fits) -> None:
    """Give a role to the first column without one whose values fit."""
    free = (k for k, values in enumerate(columns) if roles[k] is None and _mostly(values, fits))
    at = next(free, None)
    if at is not None:
        roles[at] = role


def _mostly(values: Sequence[str], fits: Fits) -> bool:
    return bool(values) and sum(bool(fits(value)) for value in values) >= MOSTLY * len(values)


def _is_year(text: str) -> bool:
    return text.isdecimal() and FIRST_YEAR <= int(text) <= LAST_YEAR


def _is_rating(text: str) -> bool:
    text = text.replace(",", ".", 1)
    return is_number(text) and 0 < float(text) <= TOPS[1]


_FITS: Final[Mapping[ColumnRole, Fits]] = {
    "imdb": IMDB.fullmatch,
    "year": _is_year,
    "date": DATE.fullmatch,
    "rating": _is_rating,
}


def scale_of(ratings: Sequence[float]) -> ValueRange:
    """Return the scale that ratings of an unknown source are taken for: up to 5, 10 or 100, as nearly all are."""
    top = next((one for one in TOPS if sum(rating <= one for rating in ratings) >= NEARLY * len(ratings)), TOPS[-1])
    return scale_up_to(top, ratings)


def scale_up_to(top: float, ratings: Sequence[float]) -> ValueRange:
    """Return the scale that goes up so far: of 5 from a half where a half or less is among them, of 100 from 0."""
    if top > TOPS[1]:
        return 0.0, top
    return (0.5 if any(0 < rating < 1 or rating % 1 == 0.5 for rating in ratings) else 1.0), top
