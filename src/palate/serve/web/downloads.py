"""`/web/downloads`: one's list and all that the service knows about oneself, as files; and being forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl
from pydantic_core import to_json

from palate.data.spreadsheets import disarmed
from palate.errors import RequestError
from palate.serve.answers import Forgotten, Said
from palate.serve.engine.titles import TitleIndex, split_title
from palate.serve.operations import Exchange, Offers, Reply
from palate.serve.routes.said import in_thread, time_said
from palate.serve.routes.users import forget
from palate.serve.web.guards import is_secure
from palate.serve.web.history import history
from palate.serve.web.lists import ListAsked, list_of
from palate.serve.web.offers import OfPerson, Sure, page_offers
from palate.store import lists, users
from palate.store.records import Event, ShownList

LISTED: Final = 100  # items of a list
MARK = "\ufeff".encode()  # by which spreadsheets know UTF-8
TYPES: Final = {"csv": b"text/csv; charset=utf-8", "json": b"application/json"}
FileColumns = Mapping[str, pl.DataType]
LIST_COLUMNS: Final[FileColumns] = {
    "place": pl.Int64(),
    "item_id": pl.String(),
    "title": pl.String(),
    "year": pl.Int64(),
    "genres": pl.String(),
    "stars": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "why": pl.String(),
}
OWN_COLUMNS: Final[FileColumns] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "year": pl.Int64(),
    "rating": pl.Float64(),
    "date": pl.String(),
    "kind": pl.String(),
    "source": pl.String(),
}

offer: Offers = page_offers("downloads")


class Download(OfPerson):
    """What kind of file is wanted."""

    format: Literal["csv", "json"] = "csv"


class ForgetAsked(OfPerson, Sure):
    """That a person is to be forgotten, by themselves."""


@offer("GET", "/web/downloads/lists", Said, role="write")
async def download_lists(call: Exchange, asked: Download) -> Reply:
    """Return the person's list of 100 as a file."""
    told = await list_of(call, ListAsked(n=LISTED))
    cards: Sequence[dict[str, Any]] = told["items"]
    if asked.format == "json":
        return _file("list", "json", _json(told))
    rows = [
        {**card, "place": place, "item_id": card["item"], "genres": "|".join(card["genres"])}
        for place, card in enumerate(cards, 1)
    ]
    return _file("list", "csv", _csv(rows, LIST_COLUMNS))


@offer("GET", "/web/downloads/mine", Said, role="write")
async def download_mine(call: Exchange, asked: Download) -> Reply:
    """Return what the service knows about the person: as csv what they said of films, as JSON all of it."""
    if asked.format == "json":
        return _file("data", "json", _json(await in_thread(everything, call)))
    return _file("ratings", "csv", _csv(await in_thread(_own_rows, call), OWN_COLUMNS))


@offer("DELETE", "/web/me", Forgotten, role="write")
async def forget_me(call: Exchange, asked: ForgetAsked) -> Reply:
    """Forget the person of the cookie: when this answers, nothing of them is left, and the browser is somebody new."""
    visit, service = call.visit, call.service
    if visit.person != visit.own:
        raise RequestError("each is forgotten on their own page", code="not_yours", subject="user")
    if service.visitors is None:  # no operation of the page is offered without it
        raise RequestError("this is asked from the page", code="no_key", subject="cookie")
    await forget(call, visit.own)
    new = service.visitors.new()
    cookie = service.visitors.cookie(new, service.guard.clock(), secure=is_secure(call))
    return Reply({"forgotten": True}, headers=[cookie])


def everything(call: Exchange) -> dict[str, Any]:
    """Return all that the store holds about the person, and what a model was trained on of theirs."""
    person, titles = call.visit.person, call.service.engine.titles(call.ns)
    with call.service.store.read() as conn:
        shown = lists.of_user(conn, call.ns, person)
        known = users.get(conn, call.ns, [person]).get(person)
    return {
        "person": person,
        "attributes": {} if known is None else dict(known.attributes),
        "said": _own_rows(call),
        "lists": [_list_row(one, titles) for one in shown],
    }


def _own_rows(call: Exchange) -> list[dict[str, Any]]:
    """Return what the person said, the oldest first."""
    titles = call.service.engine.titles(call.ns)
    return [_own_row(event, titles) for event in history(call)]


def _own_row(event: Event, titles: TitleIndex) -> dict[str, Any]:
    title, year = _titled(event.item or "", titles)
    return {
        "item_id": event.item,
        "title": title,
        "year": year,
        "rating": event.value if event.kind != "seen" else None,
        "date": _date(time_said(event.time)),
        "kind": event.kind,
        "source": event.source,
        "event_id": event.event_id,
    }


def _list_row(shown: ShownList, titles: TitleIndex) -> dict[str, Any]:
    pages = [(shown.first, shown.places), *((page.first, page.places) for page in shown.pages)]
    return {
        "list_id": shown.list_id,
        "time": time_said(shown.time),
        "made_by": shown.policy,
        "version": shown.version,
        "asked": dict(shown.request),
        "items": [
            {"place": first + at, "item_id": place.item, "title": _titled(place.item, titles)[0]}
            for first, places in pages
            for at, place in enumerate(places)
        ],
    }


def _titled(item: str, titles: TitleIndex) -> tuple[str, int | None]:
    known = titles.by_id.get(item)
    return (item, None) if known is None else (split_title(known.title)[0], known.year)


def _date(time: datetime | None) -> str | None:
    return None if time is None else time.strftime("%Y-%m-%d %H:%M:%S")


def _csv(rows: Sequence[dict[str, Any]], columns: FileColumns) -> bytes:
    """Return rows as a text that spreadsheets open, and take no formula from."""
    table = pl.DataFrame([{name: row[name] for name in columns} for row in rows], schema=dict(columns))
    return MARK + disarmed(table).write_csv().encode()


def _json(content: Any) -> bytes:
    return to_json(content, indent=1, inf_nan_mode="null")


def _file(name: str, ending: Literal["csv", "json"], content: bytes) -> Reply:
    """Return a file that a browser saves."""
    disposition = f'attachment; filename="palate-{name}.{ending}"'.encode()
    return Reply(content, headers=[(b"content-disposition", disposition)], media_type=TYPES[ending])
