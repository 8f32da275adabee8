"""What Gorse's clients send: names in PascalCase or any other case, unknown ones left out, as Gorse reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, WithJsonSchema, model_validator

from palate.serve.bodies import EMPTY, MANY, WORD, Id, Number, Short, Whole
from palate.serve.gorse import times

MOST_AHEAD = timedelta(days=1)


def _moment(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("a time is text, such as 2026-11-27T16:30:00Z")
    return times.moment(value)


def _delay(value: Any) -> Any:
    """Return a span from its text."""
    if not isinstance(value, str):
        return value
    found = times.span(value) if value else timedelta(0)
    if found > MOST_AHEAD:
        raise ValueError("a write-back lies at most 24h ahead")
    return found


GorseTime = Annotated[
    int | None,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "description": "Without a zone, UTC.",
            "examples": ["2026-11-27T16:30:00Z"],
        }
    ),
]
Delay = Annotated[
    timedelta, BeforeValidator(_delay), WithJsonSchema({"type": "string", "description": "Such as 10m; up to 24h."})
]
GorseWords = Annotated[list[Annotated[str, Field(max_length=1000, pattern=WORD)]] | None, Field(max_length=1000)]
Text = Annotated[str | None, Field(max_length=10_000, pattern=WORD)]
LabelsGiven = Annotated[Any, Field(description="An object, or a list of texts.")]
TypeOfFeedback = Annotated[str, Field(min_length=1, max_length=100, pattern=WORD, examples=["star"])]


class FromGorse(BaseModel):
    """A part of a request."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _in_any_case(cls, given: Any) -> Any:
        """Return fields under their own names, as Go reads JSON."""
        if not isinstance(given, dict) or cls.model_fields.keys() >= given.keys():
            return given
        names = {name.lower(): name for name in cls.model_fields}
        return {names.get(str(name).lower(), name): value for name, value in given.items()}


class GorseUser(FromGorse):
    """A user."""

    UserId: Id
    Labels: LabelsGiven = None
    Subscribe: GorseWords = None
    Comment: Text = None


class GorseUsers(RootModel[Annotated[list[GorseUser], Field(max_length=MANY)]]):
    """Users."""


class GorseUserPatch(FromGorse):
    """What changes of a user; null stays as it is."""

    Labels: LabelsGiven = None
    Subscribe: GorseWords = None
    Comment: Text = None


class GorseItem(FromGorse):
    """An item."""

    ItemId: Id
    IsHidden: bool | None = None
    Categories: GorseWords = None
    Timestamp: GorseTime = None
    Labels: LabelsGiven = None
    Comment: Text = None


class GorseItems(RootModel[Annotated[list[GorseItem], Field(max_length=MANY)]]):
    """Items."""


class GorseItemPatch(FromGorse):
    """What changes of an item; null stays as it is."""

    IsHidden: bool | None = None
    Categories: GorseWords = None
    Timestamp: GorseTime = None
    Labels: LabelsGiven = None
    Comment: Text = None


class GorseFeedback(FromGorse):
    """What a user did with an item."""

    FeedbackType: TypeOfFeedback
    UserId: Id
    ItemId: Id
    Value: Number | None = None
    Timestamp: GorseTime = None
    Comment: Text = None


class GorseFeedbacks(RootModel[Annotated[list[GorseFeedback], Field(max_length=MANY)]]):
    """What users did with items."""


class GorseSessionItem(FromGorse):
    """What somebody without an id did with an item."""

    FeedbackType: TypeOfFeedback
    ItemId: Id
    Value: Number | None = None
    Timestamp: GorseTime = None


class GorseSession(RootModel[Annotated[list[GorseSessionItem], Field(max_length=1000)]]):
    """What somebody without an id did."""


# -- parts of paths and queries ----------------------------------------------------------------------------------------


class OfUser(BaseModel):
    """A user."""

    user_id: Id


class OfItem(BaseModel):
    """An item."""

    item_id: Id


class OfItemAndCategory(OfItem):
    """An item and a category."""

    category: Annotated[str, Field(min_length=1, max_length=1000, pattern=WORD)]


class OfKind(BaseModel):
    """A type of feedback."""

    feedback_type: TypeOfFeedback


class OfUserAndItem(OfUser):
    """A user and an item."""

    item_id: Id


class OfAll(OfUserAndItem):
    """A type of feedback, a user and an item."""

    feedback_type: TypeOfFeedback


class OfUserAndKind(OfUser):
    """A user and a type of feedback."""

    feedback_type: TypeOfFeedback


class OfItemAndKind(OfItem):
    """An item and a type of feedback."""

    feedback_type: TypeOfFeedback


class OfCategory(BaseModel):
    """A category."""

    category: Annotated[str, Field(min_length=1, max_length=900, pattern=WORD)]


class OfUserAndCategory(OfUser):
    """A user and a category."""

    category: Annotated[str, Field(min_length=1, max_length=900, pattern=WORD)]


class OfName(BaseModel):
    """One of Gorse's recommenders."""

    name: Short


class OfNameAndItem(OfItem):
    """One of Gorse's recommenders, and an item."""

    name: Short


Limit = Annotated[Whole, Field(ge=0, le=2**31 - 1, description="How many.")]
Offset = Annotated[Whole, Field(ge=0, le=2**31 - 1, description="How many to leave out first.")]
Categories = Annotated[list[Annotated[str, Field(max_length=900, pattern=WORD)]], Field(max_length=8)]


class GorseQuery(BaseModel):
    """A query; what is not described here is left out, as Gorse does."""

    model_config = ConfigDict(hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Any) -> Any:
        """Return what is said: an empty text is none."""
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given


class PageQuery(GorseQuery):
    """A page of many."""

    n: Limit = 10
    cursor: Annotated[str, Field(max_length=1000, description="`Cursor` of the page before.")] = ""


class ItemsQuery(PageQuery):
    """A page of all items, or those whose titles have words that begin so."""

    q: Annotated[str, Field(max_length=200, pattern=WORD)] = ""


class Cut(GorseQuery):
    """A part of a list."""

    n: Limit = 10
    offset: Offset = 0


class BestQuery(Cut):
    """A part of a list for everybody, without what a user had."""

    category: Categories = EMPTY
    user_id: Annotated[Id | None, Field(alias="user-id", description="Leave out what this user had.")] = None


class RecommendQuery(Cut):
    """A part of a user's list."""

    category: Categories = EMPTY
    write_back_type: Annotated[
        str, Field(alias="write-back-type", max_length=100, pattern=WORD, description="Also tell that they were seen.")
    ] = ""
    write_back_delay: Annotated[Delay, Field(alias="write-back-delay")] = timedelta(0)
