"""What requests hold. Whatever is not described here is refused, and told by its place."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

BYTES = 512  # of an id
MOST = 500  # items of a list: the depth that a list is ranked to
MANY = 10_000  # rows of one request
EXACT = 2**53 - 1  # the largest whole number that every reader of JSON takes as it is
LARGEST = 2**63 - 1024  # the largest float below 2^63
EMPTY: Any = Field(default_factory=list)  # a plain [] is copied deeply for each request
WORD = "^[^\\x00]*$"


def _whole(value: Any) -> Any:
    """Return 10.0 as 10: JSON has one kind of numbers."""
    return int(value) if type(value) is float and value.is_integer() else value


def _id(value: Any) -> str:
    """Return an id as text, of 1 to 512 bytes of UTF-8."""
    value = _whole(value)
    if type(value) is int and -EXACT <= value <= EXACT:
        return str(value)
    if type(value) is not str:
        raise ValueError("an id is text, or a whole number up to 2^53 (larger ones as text)")
    if not 0 < len(value) <= BYTES or "\0" in value or not (value.isascii() or _fits(value)):
        raise ValueError("an id is 1 to 512 bytes of UTF-8 without NUL")
    return value


def _fits(text: str) -> bool:
    try:
        return len(text.encode()) <= BYTES
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _attribute(value: Any) -> Any:
    """Return a value of an attribute: a number, a text, true or false, a list of texts, or none."""
    if value is None or type(value) is bool:
        return value
    if type(value) in (int, float) and -LARGEST <= value <= LARGEST:
        return value
    if type(value) is str and _is_text(value, 10_000):
        return value
    if type(value) is list and len(value) <= 1000 and all(type(one) is str and _is_text(one, 1000) for one in value):
        return value
    raise ValueError("an attribute is a number below 2^63, a text without NUL, true, false, null, or a list of texts")


def _is_text(value: str, longest: int) -> bool:
    return len(value) <= longest and "\0" not in value


_TEXT_SCHEMA = {"type": "string", "pattern": "^[^\\u0000]*$"}
_ATTRIBUTE_SCHEMA = {
    "anyOf": [
        {**_TEXT_SCHEMA, "maxLength": 10_000},
        {"type": "number", "minimum": -LARGEST, "maximum": LARGEST},
        {"type": "boolean"},
        {"type": "null"},
        {"type": "array", "items": {**_TEXT_SCHEMA, "maxLength": 1000}, "maxItems": 1000},
    ]
}
_ID_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": BYTES, "pattern": "^[^\\u0000]+$"},
        {"type": "integer", "minimum": -EXACT, "maximum": EXACT},
    ],
    "description": "The caller's id: 1 to 512 bytes of UTF-8, compared byte by byte, or a whole number.",
    "examples": ["196", "red shoes/42"],
}
Id = Annotated[str, BeforeValidator(_id), WithJsonSchema(_ID_SCHEMA)]
_CONDITION_SCHEMA = {  # what `palate.data.items` reads; its own words are better than a pattern's
    "type": "string",
    "minLength": 1,
    "maxLength": 1000,
    "pattern": r"^[^=<>!\u0000]*[^=<>!\s\u0000](!=|<=|>=|=|<|>)[^=<>\s\u0000][^\r\n\u0000]*$",
    "description": "On a column of the items: year>=1990, genre=Drama.",
    "examples": ["year>=1990", "genre=Drama"],
}
Condition = Annotated[str, Field(min_length=1, max_length=1000, pattern=WORD), WithJsonSchema(_CONDITION_SCHEMA)]
Whole = Annotated[int, BeforeValidator(_whole)]
N = Annotated[Whole, Field(ge=1, le=MOST, description="How many.")]
Short = Annotated[str, Field(min_length=1, max_length=200, pattern=WORD)]
Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_.-]{0,63}$")]
Scenario = Annotated[
    Name | None, Field(description="The preset that says what the request leaves open; without it, default.")
]
ByScenario = Annotated[
    Name | None, Field(description="The preset whose model answers; without it, the active version does.")
]
ListId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="The list_id of an answer.")]


def _number_or_key(model: Any) -> str:
    return "#key" if isinstance(model, str) else "#number"


ModelAsked = Annotated[
    Annotated[Whole, Field(ge=1, le=2**31 - 1), Tag("#number")] | Annotated[Short, Tag("#key")],
    Discriminator(_number_or_key),
]
Number = Annotated[float, Field(allow_inf_nan=False)]
Attribute = Annotated[Any, BeforeValidator(_attribute), WithJsonSchema(_ATTRIBUTE_SCHEMA)]
Attributes = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=100, pattern=WORD)], Attribute], Field(max_length=200)
]


class Asked(BaseModel):
    """A request: of exact types, with no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Choice(Asked):
    """Which items a list may hold."""

    n: N = 10
    where: Annotated[list[Condition], Field(max_length=32, description="All of them hold.")] = EMPTY
    include: Annotated[list[Id] | None, Field(max_length=MANY, description="These items alone.")] = None
    exclude: Annotated[list[Id], Field(max_length=MANY, description="None of these items.")] = EMPTY


class Boost(Asked):
    """Items of a condition count more, or less."""

    where: Condition
    factor: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


Boosts = Annotated[list[Boost], Field(max_length=8)]
NotMine = Annotated[bool, Field(description="No item whose attribute owner is this user, or names this user.")]


Seen = Annotated[bool, Field(description="Also what the person has seen.")]
Diversity = Annotated[float, Field(ge=0, le=1, description="0: by score alone; 1: as unlike as can be.")]
Discovery = Annotated[float, Field(ge=0, le=1, description="0: by score alone; 1: being little known counts as much.")]
Why = Annotated[bool, Field(description="Say of each item which of the person's led to it.")]


class Ranking(Choice):
    """How a list is made."""

    seen: Seen = False
    diversity: Diversity = 0.0
    discovery: Discovery = 0.0
    why: Why = False
    scenario: Scenario = None


Few = Annotated[list[Id], Field(max_length=100)]
AskedWho = Annotated[Id | None, Field(description="Who is asked, by their feedback; without it, nobody is known.")]


class SimilarQuery(Asked):
    """Items like one, as parameters of an address."""

    item: Id
    n: N = 10
    where: Annotated[list[Condition], Field(max_length=8)] = EMPTY
    exclude: Few = EMPTY


class OnboardingQuery(Asked):
    """What to ask somebody new, as parameters of an address."""

    n: N = 10
    where: Annotated[list[Condition], Field(max_length=8)] = EMPTY
    exclude: Few = EMPTY
    user: AskedWho = None
    skipped: Few = EMPTY


class RecommendationQuery(Asked):
    """Recommendations for a user, as parameters of an address; what it cannot hold, a body can."""

    user: Id
    n: N = 10
    where: Annotated[list[Condition], Field(max_length=8)] = EMPTY
    exclude: Few = EMPTY
    not_mine: NotMine = False
    seen: Seen = False
    diversity: Diversity = 0.0
    discovery: Discovery = 0.0
    why: Why = False
    scenario: Scenario = None


class RecommendationRequest(Ranking):
    """Recommendations for a user."""

    user: Id
    not_mine: NotMine = False
    boosts: Boosts = EMPTY


class SessionItem(Asked):
    """An item that somebody looked at, and what they thought of it."""

    item: Id
    value: Number | None = None


class SessionRequest(Ranking):
    """Recommendations for somebody without an id, of whom some items are known."""

    session: Annotated[list[SessionItem], Field(min_length=1, max_length=1000)]
    boosts: Boosts = EMPTY


def _of_whom(request: Any) -> str:
    return "#session" if isinstance(request, dict) and "session" in request else "#user"


OneOfMany = Annotated[
    Annotated[RecommendationRequest, Tag("#user")] | Annotated[SessionRequest, Tag("#session")],
    Discriminator(_of_whom),
]


class BatchRequest(Asked):
    """Many lists at once."""

    requests: Annotated[list[OneOfMany], Field(min_length=1, max_length=MANY)]


class NextRequest(Asked):
    """The following page of a list."""

    cursor: Annotated[str, Field(min_length=1, max_length=200, description="`next` of an answer.")]
    user: Annotated[Id | None, Field(description="Whom the list is for; none for a session.")] = None
    n: Annotated[N | None, Field(description="How many; as many as before.")] = None


class SimilarRequest(Choice):
    """Items like one."""

    item: Id


class PredictionRequest(Asked):
    """What a user, or somebody with a session, would think of items."""

    user: Id
    items: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    interval: Annotated[
        float | None, Field(gt=0, lt=1, description="The probability that the true value lies within.")
    ] = None
    scenario: ByScenario = None


class ExplanationRequest(Asked):
    """Why an item is recommended to a user."""

    user: Id
    item: Id
    n: Annotated[Whole, Field(ge=1, le=100, description="How many reasons.")] = 5
    scenario: ByScenario = None


class OnboardingRequest(Choice):
    """What to ask somebody next."""

    user: AskedWho = None
    session: Annotated[list[SessionItem] | None, Field(min_length=1, max_length=1000)] = None
    skipped: Annotated[list[Id], Field(max_length=MANY, description="Asked about before, and not known.")] = EMPTY


class Feedback(Asked):
    """One thing that a user did."""

    user: Id
    item: Annotated[Id | None, Field(description="None in an undo.")] = None
    kind: Annotated[str, Field(min_length=1, max_length=100, pattern=WORD, examples=["rating", "click"])]
    value: Annotated[Number | None, Field(description="A rating, a count, a share watched.")] = None
    time: Annotated[AwareDatetime | None, Field(description="When it happened; without it, now.")] = None
    event_id: Annotated[
        Short | None,
        Field(description="Yours; sent again with it, an event counts once. Without it, a retry counts twice."),
    ] = None
    source: Short | None = None
    list_id: ListId | None = None
    place: Annotated[Whole, Field(ge=1, le=1_000_000, description="Where it stood in that list.")] | None = None
    withdraws: Annotated[Short | None, Field(description="Of an undo, the event_id that no longer counts.")] = None


_ROW = {
    "anyOf": [{"$ref": "#/components/schemas/Feedback"}, {}],
    "description": "A row that is not right is refused alone.",
}


class FeedbackBatch(Asked):
    """Many events; each is taken or refused for itself."""

    events: Annotated[list[Annotated[Any, WithJsonSchema(_ROW)]], Field(min_length=1, max_length=MANY)]


class Thing(Asked):
    """A user or an item to write; its attributes take the place of all old ones."""

    id: Id
    attributes: Attributes = Field(default_factory=dict)
    hidden: Annotated[bool | None, Field(description="In no list; without it, as it was.")] = None


class UsersWrite(Asked):
    """Users to create or to update."""

    users: Annotated[list[Thing], Field(min_length=1, max_length=MANY)]


class ItemsWrite(Asked):
    """Items to create or to update."""

    items: Annotated[list[Thing], Field(min_length=1, max_length=MANY)]


class OneId(Asked):
    """A user or an item."""

    id: Id


class Hiding(Asked):
    """Items to hide, or to show again."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MANY)]
    hidden: bool = True


class Merging(Asked):
    """An anonymous visitor who turns out to have an account."""

    visitor: Id
    account: Id


class ItemQuery(Asked):
    """Items that meet all that is given; without anything, the newest."""

    id: Id | None = None
    search: Annotated[
        str | None,
        Field(min_length=1, max_length=200, pattern=WORD, description="Words of the title, or their beginnings."),
    ] = None
    where: Annotated[list[Condition], Field(max_length=32)] = EMPTY
    n: N = 10


class BestQuery(Asked):
    """Which items of all."""

    n: N = 10
    where: Annotated[list[Condition], Field(max_length=32)] = EMPTY


class SpanQuery(BestQuery):
    """Which items, of the feedback of some days."""

    days: (
        Annotated[
            Whole, Field(ge=1, le=365, description="Feedback of how many days counts; of all, or of 7 for a trend.")
        ]
        | None
    ) = None


class ActivateRequest(Asked):
    """Which version shall answer."""

    version: Annotated[Whole, Field(ge=1, le=2**31 - 1)]


class Nothing(Asked):
    """An empty body."""
