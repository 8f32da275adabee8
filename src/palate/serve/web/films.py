"""`/web/search` and `/web/film`: any item of the catalogue, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from palate.errors import NotFoundError, ParameterError, shown
from palate.models import Recommender
from palate.serve.answers import Said
from palate.serve.bodies import WORD, Id, Whole
from palate.serve.engine.genres import COLUMNS
from palate.serve.engine.kept import OfModels
from palate.serve.engine.likers import Likers
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread
from palate.serve.web.cards import Film, film
from palate.serve.web.lists import NO_STARS, FilmCard, stars_of
from palate.serve.web.offers import OfPerson, page_offers
from palate.serve.web.purposes import own_ratings
from palate.store import items, popular
from palate.store.attributes import TITLES, words
from palate.store.ids import canonical

offer: Offers = page_offers("films")
LOOKED_AT: Final = 200  # items of a search, which are put in order of how many know them
SIMILAR: Final = 8
SPARE: Final = 2  # asked for besides, in the place of twins
LIKERS = OfModels(Likers)


class SearchAsked(OfPerson):
    """What somebody has typed so far; nothing yet: what is popular."""

    typed: Annotated[str, Field(max_length=200, pattern=WORD)] = ""
    n: Annotated[Whole, Field(ge=1, le=50)] = 8


class Hit(Film):
    """An item that was found, and what the person gave it."""

    rated: float | None


class Hits(Said):
    """Items that were found, for what was typed."""

    typed: str
    items: list[Hit]


class FilmAsked(OfPerson):
    """An item."""

    item: Id


class Bar(Said):
    """How many people gave a value."""

    value: float
    people: int


class RatedSaid(Said):
    """How people rated an item, and which share of them likes it; bars and shares are of ratings alone."""

    count: int
    mean: float | None
    liked: float | None
    histogram: list[Bar]


class LikersSaid(Said):
    """What those like who like an item, more than others do; of five people or more each."""

    also: list[Film]
    genres: list[str]


class FilmSaid(FilmCard):
    """An item: how people rated it (None: fewer than five did), who likes it, and what is like it."""

    attributes: dict[str, Any]
    ratings: RatedSaid | None
    likers: LikersSaid
    similar: list[FilmCard]
    version: int | None


@offer("GET", "/web/search", Hits, role="write")
async def search_films(call: Exchange, asked: SearchAsked) -> dict[str, Any]:
    """Return items by what somebody has typed so far, the best known first."""
    return await in_thread(_found, call, asked)


@offer("GET", "/web/film", FilmSaid, role="write", errors=(404,))
async def get_film(call: Exchange, asked: FilmAsked) -> dict[str, Any]:
    """Return all that is known of an item."""
    return await in_thread(_film, call, canonical(call.ns, asked.item, "item"))


def _found(call: Exchange, asked: SearchAsked) -> dict[str, Any]:
    rated = own_ratings(call)
    found = _typed(call, asked) if words(asked.typed) else _popular(call, asked.n)
    hits = [{**film(item, columns), "rated": rated.get(item)} for item, columns in found]
    return {"typed": asked.typed, "items": hits[: asked.n]}


def _typed(call: Exchange, asked: SearchAsked) -> list[tuple[str, Mapping[str, Any]]]:
    """Return items by their titles: those that begin so come first, and the best known of them."""
    with call.service.store.read() as conn:
        things = items.search(conn, call.ns, asked.typed, n=LOOKED_AT)
    known, typed = _known(call, [thing.id for thing in things]), words(asked.typed)
    begins = [words(_title(thing.attributes))[: len(typed)] for thing in things]
    order = sorted(range(len(things)), key=lambda at: (not _begins(begins[at], typed), known[at], at))
    return [(things[at].id, things[at].attributes) for at in order]


def _title(columns: Mapping[str, Any]) -> str:
    return next((str(columns[name]) for name in TITLES if isinstance(columns.get(name), str)), "")


def _begins(title: Sequence[str], typed: Sequence[str]) -> bool:
    """Return whether the words of a title are those that were typed, the last one perhaps unfinished."""
    whole = list(title[: len(typed) - 1]) == list(typed[:-1])
    return whole and len(title) == len(typed) and title[-1].startswith(typed[-1])


def _known(call: Exchange, ids: list[str]) -> list[int]:
    """Return where items stand in the order of popularity; those that no model knows, behind all others."""
    version = call.service.engine.version(call.ns)
    if version is None:
        return [0] * len(ids)
    places, n_items = version.model.item_order.places, len(version.model.items_)
    return [int(places[at]) if at >= 0 else n_items for at in version.items_index(ids).tolist()]


def _popular(call: Exchange, n: int) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what many know, by the model's training or, without a model, by the log."""
    engine, version = call.service.engine, call.service.engine.version(call.ns)
    if version is None:
        with call.service.store.read() as conn:
            ids = [one.id for one in popular.popular(conn, call.ns, n)]
    else:
        ids = ids_of(version.model, version.model.item_order.order[: 4 * n])
    listed = engine.listed(call.ns, ids)
    return [(item, listed[item]) for item in ids if item in listed]


def ids_of(model: Recommender, places: Any) -> list[str]:
    """Return the ids of positions as the store writes them."""
    return [str(item) for item in model.items_.at(places)]


def _film(call: Exchange, item: str) -> dict[str, Any]:
    columns = call.service.engine.listed(call.ns, [item]).get(item)
    if columns is None:
        raise NotFoundError(f"there is no item {shown(item)}", subject="item", value=item)
    similar = _similar(call, item, columns)
    stars, rated = stars_of(call, [item, *(one for one, _ in similar)]), own_ratings(call)
    cards = [
        {**film(one, of), **stars.get(one, NO_STARS), "rated": rated.get(one), "why": None, "source": "model"}
        for one, of in [(item, columns), *similar]
    ]
    plain = {name: value for name, value in columns.items() if name not in (*TITLES, "year", *COLUMNS)}
    return {**cards[0], "attributes": plain, **_of_people(call, item), "similar": cards[1:]}


def _similar(call: Exchange, item: str, columns: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return items like one, but none of its own title and year; none where no model tells what is like it."""
    try:
        answer = call.service.engine.similar(call.ns, item, n=SIMILAR + SPARE, where=(), include=None, exclude=())
    except (NotFoundError, ParameterError):
        return []
    found = zip((place.item for place in answer.places), answer.columns, strict=True)
    return [(one, of) for one, of in found if _named(one, of) != _named(item, columns)][:SIMILAR]


def _named(item: str, columns: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return title and year; some catalogues have a film twice."""
    told = film(item, columns)
    return told["title"], told["year"]


def _of_people(call: Exchange, item: str) -> dict[str, Any]:
    """Return how many people rated an item, and what those like who like it."""
    engine, version = call.service.engine, call.service.engine.version(call.ns)
    nothing: dict[str, Any] = {"version": None, "ratings": None, "likers": {"also": [], "genres": []}}
    if version is None:
        return nothing
    nothing["version"] = version.number
    (at,) = version.items_index([item]).tolist()
    if at < 0:
        return nothing
    likers = LIKERS.of(version.model)
    rated, alike = likers.rated(at), likers.alike(at)
    listed = engine.listed(call.ns, ids_of(version.model, alike.items))
    also = [film(one, of) for one, of in listed.items()]
    ratings = None
    if rated is not None:
        bars = [{"value": value, "people": people} for value, people in rated.histogram]
        ratings = {"count": rated.count, "mean": rated.mean, "liked": rated.liked, "histogram": bars}
    return {"version": version.number, "ratings": ratings, "likers": {"also": also, "genres": alike.genres}}
