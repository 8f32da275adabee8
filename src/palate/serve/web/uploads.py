"""`/web/uploads`: a file of one's own ratings, first shown as it would be taken, then taken, and taken back.

The browser sends the file's bytes each time; nothing of them is kept but the events that they become.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final

from pydantic import Field

from palate.errors import NotFoundError, RequestError
from palate.serve import limits
from palate.serve.answers import Said
from palate.serve.asgi import Receive
from palate.serve.bodies import WORD, Short
from palate.serve.operations import Exchange, Offers, of_query
from palate.serve.routes.feedback import written
from palate.serve.routes.said import in_thread
from palate.serve.web.guessing import ValueRange
from palate.serve.web.history import history
from palate.serve.web.offers import OfPerson, PageOperation, page_offers
from palate.serve.web.purposes import rating_scale
from palate.serve.web.uploading import Choices, Upload, events_of, prefix, said, understood
from palate.store import feedback
from palate.store.kinds import kinds_of
from palate.store.records import UNDO, Event, Receipt
from palate.store.times import now

BINARY: Final = b"application/octet-stream"
TOGETHER = 2_000  # events that are written at once
SEEN = "seen"
Word = Annotated[str, Field(pattern="^[0-9a-zA-Z-]{16,64}$")]  # a browser's own, such as a UUID
FieldText = Annotated[str, Field(max_length=1000, pattern=WORD)]


class FileOperation(PageOperation):
    """An operation whose body is a file as it is, and whose query says the rest."""

    async def _asked(self, call: Exchange, receive: Receive) -> Any:
        asked = of_query(self.offer.asked or FileAsked, call.scope["query_string"])
        sent = call.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if sent != BINARY:
            raise RequestError(
                f"a file is sent as it is, with the header 'Content-Type: {BINARY.decode()}'",
                code="media_type",
                subject="content-type",
            )
        declared = call.headers.get(b"content-length", b"")
        size = int(declared) if declared.isdigit() else None
        settings = call.service.settings
        data = await limits.read_body(receive, size, settings.upload_bytes, settings.body_seconds)
        return asked.model_copy(update={"data": data})


offer: Offers = page_offers("uploads")
files = Offers("page: files", FileOperation, documented=False)


class FileAsked(OfPerson):
    """A file, and what the reader says about it in the place of guesses."""

    name: Short = "file.csv"
    role: Annotated[list[FieldText], Field(max_length=10_000)] = Field(default_factory=list)
    top: Annotated[float | None, Field(ge=1, le=1000)] = None
    whose: FieldText | None = None
    data: Annotated[bytes, Field(exclude=True)] = b""


class CommitAsked(FileAsked):
    """A file that is to be taken."""

    once: Word


class UndoUpload(OfPerson):
    """An upload that is to be taken back."""

    once: Word


class UploadColumn(Said):
    """A column of a file."""

    name: str
    role: str | None
    why: str


class LineSaid(Said):
    """What is wrong with a line."""

    line: int
    what: str


class UnknownLine(Said):
    """A line whose film is not here."""

    line: int
    title: str
    year: int | None
    why: str


class MatchedLine(Said):
    """A line, and the film that it is taken for."""

    line: int
    written: str
    item: str
    title: str
    rating: float | None
    value: float | None


class PersonRows(Said):
    """Somebody whose rows a file has."""

    name: str
    rows: int


class Preview(Said):
    """A file as it would be taken."""

    source: str
    letters: str
    columns: list[UploadColumn]
    rows: list[list[str]]
    n_rows: int
    people: list[PersonRows]
    whose: str | None
    scale: tuple[float, float] | None
    to_scale: tuple[float, float]
    lacks_films: bool
    matched: list[MatchedLine]
    n_rated: int
    n_seen: int
    n_had: int
    n_again: int
    unknown: list[UnknownLine]
    n_unknown: int
    errors: list[LineSaid]
    n_errors: int


class Taken(Said):
    """What became of an upload: events that are new, that were there, that the store refused; lines left out."""

    once: str
    new: int
    known: int
    refused: int
    n_had: int
    n_unknown: int
    n_errors: int


class TakenBack(Said):
    """How many events of an upload were taken back."""

    undone: int


@files("POST", "/web/uploads", Preview, role="write")
async def preview_upload(call: Exchange, asked: FileAsked) -> dict[str, Any]:
    """Show a file as it would be taken, with guesses of its columns and what is wrong with which line."""
    return said(await in_thread(_understood, call, asked))


@files("POST", "/web/uploads/commit", Taken, role="write")
async def take_upload(call: Exchange, asked: CommitAsked) -> dict[str, Any]:
    """Take a file's ratings as events of the person; sent again with the same word, nothing counts twice."""
    upload = await in_thread(_understood, call, asked)
    if upload.lacks_films:
        words = "say which films they are: give a column the role title, item or imdb"
        raise RequestError.of("the columns", words, code="upload")
    kinds = await in_thread(_kinds, call)
    events = events_of(upload, call.ns, call.visit.person, asked.once, kinds)
    receipts: list[Receipt] = []
    for first in range(0, len(events), TOGETHER):
        receipts += await written(call, events[first : first + TOGETHER])
    counts = Counter(receipt.status for receipt in receipts)
    return {
        "once": asked.once,
        **{status: counts[status] for status in ("new", "known", "refused")},
        "n_had": len(upload.had),
        "n_unknown": len(upload.matches.unknown),
        "n_errors": len(upload.entries.errors),
    }


@offer("POST", "/web/uploads/undo", TakenBack, role="write", errors=(404,))
async def undo_upload(call: Exchange, asked: UndoUpload) -> dict[str, Any]:
    """Take back all that an upload brought."""
    begins = prefix(call.ns, call.visit.person, asked.once)
    own = await in_thread(_events, call)
    brought = [event.event_id for event in own if event.event_id and event.event_id.startswith(begins)]
    if not brought:
        raise NotFoundError("there is nothing of this upload", subject="once")
    undos = [
        Event(call.visit.person, None, UNDO, withdraws=event_id, event_id=f"{event_id}-undone") for event_id in brought
    ]
    for first in range(0, len(undos), TOGETHER):
        await written(call, undos[first : first + TOGETHER])
    return {"undone": len(undos)}


def _understood(call: Exchange, asked: FileAsked) -> Upload:
    choices = Choices(roles=asked.role, top=asked.top, whose=asked.whose)
    titles = call.service.engine.titles(call.ns)
    return understood(asked.data, asked.name, choices, titles, _scale(call), _mine(call), now())


def _scale(call: Exchange) -> ValueRange | None:
    """Return the lowest and the highest rating of the service, as far as a model says it."""
    scale = rating_scale(call)
    return None if scale is None else (scale.low, scale.high)


def _kinds(call: Exchange) -> tuple[str, str]:
    """Return the names of the kinds of a rating, and of what was seen.

    Raises:
        RequestError: the namespace has none.
    """
    with call.service.store.read() as conn:
        kinds = kinds_of(conn, call.ns)
    rating = next((kind.name for kind in kinds.values() if kind.rating == "value"), None)
    if rating is None or SEEN not in kinds:
        words = "takes no ratings: its event kinds have none whose rating is its value, or none called seen"
        raise RequestError.of("this service", words, code="upload")
    return rating, SEEN


def _mine(call: Exchange) -> dict[str, float | None]:
    """Return what the person said of films: the newest rating, None where they have seen it alone."""
    mine: dict[str, float | None] = {}
    rating, seen = _kinds(call)
    for event in history(call):
        if event.item is not None and event.kind == rating:
            mine[event.item] = event.value
        elif event.item is not None and event.kind == seen:
            mine.setdefault(event.item, None)
    return mine


def _events(call: Exchange) -> list[Event]:
    with call.service.store.read() as conn:
        return feedback.of_user(conn, call.ns, call.visit.person)
