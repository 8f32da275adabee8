"""A file of somebody's ratings: what would be taken of it, shown before it is, and the events that it becomes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from palate.data.reading.untyped import Untyped, read_untyped
from palate.errors import Code, DataError, RequestError, shown
from palate.serve.engine.titles import TitleIndex
from palate.serve.web.entries import FileLines, entries_of
from palate.serve.web.guessing import ROLES, ColumnRole, Guess, ValueRange, guess
from palate.serve.web.matching import Matches, match
from palate.store.records import Event, Namespace

UNPACKED: Final = 64 << 20  # bytes that a packed file may unpack to
MOST: Final = 50_000  # rows: more than anybody has seen
SHOWN, TOLD = 10, 50  # rows of a preview; lines with errors, and unknown films
MOST_PEOPLE = 50  # of a file, to choose from
UNUSED = "none"  # the role of a column that is not used
LETTERS = ("utf-8", "cp1252", "latin-1")
DEFAULT: Final[ValueRange] = (1.0, 5.0)  # where no model says how far ratings go
SOURCE = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the reader says about a file, in the place of guesses.

    Attributes:
        roles: of all columns; empty: they are guessed.
        top: how far its ratings go up.
        whose: whose rows, of a file of several people.
    """

    roles: Sequence[str] = ()
    top: float | None = None
    whose: str | None = None


@dataclass(slots=True)
class Upload:
    """A file, as far as it is understood.

    Attributes:
        file: as it is written.
        letters: its encoding.
        guessed: what its columns hold, with the reader's choices.
        entries: what its lines say.
        matches: which films these are.
        ours: lowest and highest rating of the service.
        had: of the films found, those that the person rated so already.
    """

    file: Untyped
    letters: str
    guessed: Guess
    ours: ValueRange = DEFAULT
    entries: FileLines = field(default_factory=FileLines)
    matches: Matches = field(default_factory=Matches)
    had: set[str] = field(default_factory=set)

    @property
    def lacks_films(self) -> bool:
        """Whether no column says which films these are."""
        return not {"title", "item", "imdb"} & set(self.guessed.roles)


def understood(
    data: bytes,
    name: str,
    choices: Choices,
    titles: TitleIndex,
    ours: ValueRange | None,
    mine: Mapping[str, float | None],
    now: int,
) -> Upload:
    """Return a file of ratings, as far as it is understood.

    Args:
        data: its bytes.
        name: of the file; its ending says how it is packed.
        choices: of the reader.
        titles: of the service's films.
        ours: lowest and highest rating of the service.
        mine: what the person rated already; None: seen.
        now: microseconds.

    Raises:
        DataError: it is no such file; the sentence says what it is.
        RequestError: the choices do not fit it.
    """
    file, letters = read_letters(data, name)
    if len(file.rows) > MOST:
        words = f"has {len(file.rows):,} rows; at most {MOST:,} are taken at once: cut it into several files"
        raise DataError.of(name, words, code="too_large")
    upload = Upload(file, letters, chosen(file, guess(file.names, file.rows), choices.roles), ours or DEFAULT)
    if upload.lacks_films:
        return upload
    roles, scale = upload.guessed.roles, upload.guessed.scale
    upload.entries = entries_of(file, roles, scale, now=now, top=choices.top, whose=choices.whose)
    upload.matches = match(upload.entries.rows, titles, upload.entries.scale, upload.ours)
    upload.had = {
        one.film.item
        for one in upload.matches.found
        if one.film.item in mine and (one.value is None or one.value == mine[one.film.item])
    }
    return upload


def read_letters(data: bytes, name: str) -> tuple[Untyped, str]:
    """Return a file as it is written, and its encoding: UTF-8, or what Windows wrote before.

    Raises:
        DataError: it is no text of columns.
    """
    if not data.strip():
        raise DataError.of(name, "is empty: there is no rating in it", code="empty")
    for letters in LETTERS:
        source = io.BytesIO(data)
        source.name = name
        try:
            return read_untyped(source, encoding=letters, max_bytes=UNPACKED), letters
        except DataError as error:
            code: Code = error.code
            if code == "columns":
                words = "has one column only: a line holds a film and a rating, with a comma, semicolon or tab between"
                raise DataError.of(name, words, code="columns") from None
            if letters == LETTERS[-1] or not (code == "format" and f"is not {_said(letters)} in" in str(error)):
                raise
    raise DataError.of(name, "cannot be read", code="format")


def _said(letters: str) -> str:
    return "UTF-8" if letters == "utf-8" else letters


def chosen(file: Untyped, guessed: Guess, roles: Sequence[str]) -> Guess:
    """Return a guess with the reader's roles in its place, where there are any.

    Raises:
        RequestError: they are not as many as the columns, none of ours, or one stands twice.
    """
    if not roles:
        return guessed
    if len(roles) != len(file.names):
        words = f"are {len(roles)}, and the file has {len(file.names)} columns"
        raise RequestError.of("role", words, code="upload")
    own: list[ColumnRole | None] = []
    for said in roles:
        role = None if said == UNUSED else next((one for one in ROLES if one == said), None)
        if role is None and said != UNUSED:
            words = f"{shown(said)} is none that a column has: there are {', '.join(ROLES)}, and {UNUSED}"
            raise RequestError.of("role", words, code="upload")
        if role is not None and role in own:
            raise RequestError.of("role", f"'{role}' stands twice: one column alone has it", code="upload")
        own.append(role)
    why = [
        old if role == by_guess else "as you say"
        for role, by_guess, old in zip(own, guessed.roles, guessed.why, strict=True)
    ]
    scale = guessed.scale if "rating" in own and own.index("rating") == _place(guessed.roles, "rating") else None
    return Guess(guessed.source, tuple(own), tuple(why), scale)


def _place(roles: Sequence[ColumnRole | None], role: ColumnRole) -> int:
    return roles.index(role) if role in roles else -1


def said(upload: Upload) -> dict[str, Any]:
    """Return what the reader is shown of a file before it is taken."""
    guessed, entries, matches = upload.guessed, upload.entries, upload.matches
    columns = zip(upload.file.names, guessed.roles, guessed.why, strict=True)
    return {
        "source": guessed.source,
        "letters": upload.letters,
        "columns": [{"name": name, "role": role, "why": why} for name, role, why in columns],
        "rows": [list(row) for row in upload.file.rows[:SHOWN]],
        "n_rows": len(upload.file.rows) + len(upload.file.long),
        "people": [{"name": name, "rows": n} for name, n in list(entries.people.items())[:MOST_PEOPLE]],
        "whose": entries.whose,
        "scale": entries.scale,
        "to_scale": upload.ours,
        "lacks_films": upload.lacks_films,
        "matched": [_matched(one) for one in matches.found[:SHOWN]],
        "n_rated": sum(one.value is not None for one in matches.found),
        "n_seen": sum(one.value is None for one in matches.found),
        "n_had": len(upload.had),
        "n_again": matches.again,
        "unknown": [
            {"line": entry.line, "title": entry.called, "year": entry.year, "why": why}
            for entry, why in matches.unknown[:TOLD]
        ],
        "n_unknown": len(matches.unknown),
        "errors": [{"line": line, "what": what} for line, what in entries.errors[:TOLD]],
        "n_errors": len(entries.errors),
    }


def _matched(one: Any) -> dict[str, Any]:
    return {
        "line": one.entry.line,
        "written": one.entry.called,
        "item": one.film.item,
        "title": one.film.title,
        "rating": one.entry.rating,
        "value": one.value,
    }


def events_of(upload: Upload, ns: Namespace, person: str, once: str, kinds: tuple[str, str]) -> list[Event]:
    """Return the events that a file becomes; what the person said already is in none.

    Args:
        upload: the file.
        ns, person: whose they are.
        once: the browser's word for this upload: sent again with it, nothing counts twice.
        kinds: names of the kinds of a rating, and of what was seen.
    """
    rating, seen = kinds
    return [
        Event(
            user=person,
            item=one.film.item,
            kind=seen if one.value is None else rating,
            value=0.0 if one.value is None else one.value,
            time=one.entry.time,
            event_id=f"{prefix(ns, person, once)}{one.entry.line}",
            source=SOURCE,
        )
        for one in upload.matches.found
        if one.film.item not in upload.had
    ]


def prefix(ns: Namespace, person: str, once: str) -> str:
    """Return how the ids of an upload's events begin: they are the person's own, whatever word a browser chose."""
    return f"upload-{blake2b(f'{ns.key}/{person}/{once}'.encode(), digest_size=12).hexdigest()}-"
