"""What answers hold, as the OpenAPI document tells it; a test holds real answers against these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from palate.serve.bodies import ListId


class Said(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid")


class Fault(Said):
    """One thing that is wrong in a request."""

    where: str
    what: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="What is wrong, where, and what to do.")]
    code: Annotated[str, Field(description="What went wrong, for programs; docs/errors.md lists them.")]
    subject: Annotated[str | None, Field(description="What it is about.")]
    value: Any = None
    rows: list[int] = []
    remedies: list[str] = []
    faults: list[dict[str, Any]] = []
    request_id: str


class ModelSaid(Said):
    """The model version that answered."""

    version: int
    trained: Annotated[AwareDatetime | None, Field(description="When it was trained.")]


class Reason(Said):
    """One reason why an item is recommended."""

    item: str
    share: Annotated[float | None, Field(description="How much it adds to the score.")] = None


class Item(Said):
    """An item of a list."""

    item: str
    place: int
    score: Annotated[float | None, Field(description="The model's; none where no model took part.")]
    propensity: Annotated[
        float | None,
        Field(description="The probability that this policy put this item here; none: it is counted later."),
    ]
    source: Annotated[str, Field(description="model, popular, new or boosted.")]
    attributes: Annotated[dict[str, Any], Field(description="Title and other columns of the item.")]
    why: Annotated[list[dict[str, Any]] | None, Field(description="Where it was asked for.")] = None


class MadeBy(Said):
    """The preset that a list was made by."""

    name: str
    revision: int


class ListMade(Said):
    """What every answer says of how it was made."""

    list_id: Annotated[ListId | None, Field(description="Send it with the feedback on this list.")]
    policy: Annotated[str, Field(description="model, or popular where nothing is known of the person.")]
    scenario: MadeBy | None
    experiment: Annotated[str | None, Field(description="That this user takes part in.")]
    arm: Annotated[str | None, Field(description="Of the experiment.")]
    explored: Annotated[dict[str, Any], Field(description="How chance took part; empty: it did not.")]
    model: ModelSaid | None
    newest_feedback: Annotated[AwareDatetime | None, Field(description="Of this person, known to this answer.")]
    logged: Annotated[bool, Field(description="The list is kept; false where the store cannot write now.")]
    next: Annotated[str | None, Field(description="The cursor of the following page; none at the end.")]


class Recommendations(ListMade):
    """A list for somebody."""

    items: list[Item]
    withheld: Annotated[int, Field(description="Places of a following page that have become forbidden since.")] = 0


class Questions(Recommendations):
    """Items to ask somebody about."""

    known: Annotated[float | None, Field(description="How well the service knows whoever is asked, 0 to 1.")] = None


class BatchRow(Said):
    """What became of one request of many."""

    status: int
    list: Recommendations | None = None
    problem: Problem | None = None


class BatchAnswer(Said):
    """One result a request, in their order."""

    results: list[BatchRow]


class Prediction(Said):
    """What a user would think of an item."""

    item: str
    value: float | None
    low: float | None = None
    high: float | None = None
    known: Annotated[bool, Field(description="The model knows this item.")] = True


class Predictions(Said):
    """One prediction an item, in their order."""

    predictions: list[Prediction]
    model: ModelSaid | None
    newest_feedback: AwareDatetime | None


class Explanation(Said):
    """Why an item is recommended to a user."""

    item: str
    reasons: list[dict[str, Any]]
    text: str | None
    model: ModelSaid | None
    newest_feedback: AwareDatetime | None


class FeedbackTaken(Said):
    """What became of an event: it is committed."""

    event_id: str
    status: Literal["new", "known"]
    retry_counts_twice: Annotated[bool, Field(description="It came without an event_id, and the service made one.")]


class FeedbackRow(Said):
    """What became of one event of many."""

    status: Literal["new", "known", "refused"]
    event_id: str | None
    retry_counts_twice: bool = False
    problem: Problem | None = None


class FeedbackRows(Said):
    """One result an event, in their order."""

    results: list[FeedbackRow]
    new: int
    known: int
    refused: int


class ThingSaid(Said):
    """A user or an item."""

    id: str
    attributes: dict[str, Any]
    hidden: bool
    created: AwareDatetime
    updated: AwareDatetime


class Found(Said):
    """Items that were found."""

    items: list[ThingSaid]


class Written(Said):
    """How many were written."""

    written: int


class Forgotten(Said):
    """What was removed about a person."""

    forgotten: bool


class Deleted(Said):
    """An item is in no list any more, and has no attributes; the feedback on it stays."""

    deleted: bool


class Merged(Said):
    """A visitor's feedback is the account's now."""

    events: Annotated[int, Field(description="How many events moved.")]


class Shown(Said):
    """A list that was shown, and why."""

    list_id: ListId
    user: str | None
    time: AwareDatetime
    policy: str
    scenario: MadeBy | None
    experiment: str | None
    arm: str | None
    explored: dict[str, Any]
    version: int | None
    request: dict[str, Any]
    items: list[Item]


class Version(Said):
    """A version of a model."""

    version: int
    model: str
    state: str
    trained: AwareDatetime | None
    newest_event: AwareDatetime | None
    activated: AwareDatetime | None
    users: Annotated[int | None, Field(description="How many it knows.")]
    items: int | None
    verdict: Annotated[dict[str, Any] | None, Field(description="Of the gate, where it came by a retraining.")]
    error: Annotated[str | None, Field(description="What is wrong with its files.")]


class Versions(Said):
    """All versions of a namespace."""

    versions: list[Version]
