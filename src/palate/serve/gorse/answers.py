"""What Gorse's clients are answered."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, RootModel

from palate.serve.answers import Said


class RowAffected(Said):
    """How many rows were written."""

    RowAffected: int


class UserSaid(Said):
    """A user."""

    UserId: str
    Labels: Any
    Subscribe: list[str]
    Comment: str


class ItemSaid(Said):
    """An item."""

    ItemId: str
    IsHidden: bool
    Categories: list[str]
    Timestamp: AwareDatetime
    Labels: Any
    Comment: str


class FeedbackSaid(Said):
    """What a user did with an item."""

    FeedbackType: str
    UserId: str
    ItemId: str
    Value: float
    Timestamp: AwareDatetime
    Comment: str


class FeedbacksSaid(RootModel[list[FeedbackSaid]]):
    """What was done."""


class UserPage(Said):
    """A page of users, and the cursor of the next; empty at the end."""

    Cursor: str
    Users: list[UserSaid]


class ItemPage(Said):
    """A page of items, and the cursor of the next; empty at the end."""

    Cursor: str
    Items: list[ItemSaid]


class FeedbackPage(Said):
    """A page of feedback, and the cursor of the next; empty at the end."""

    Cursor: str
    Feedback: list[FeedbackSaid]


class GorseScore(Said):
    """An item and its score, 0 where there is none."""

    Id: str
    Score: float


class Scores(RootModel[list[GorseScore]]):
    """Items and their scores, the best first."""


class Recommended(RootModel[list[str] | list[GorseScore]]):
    """Ids, the best first; with scores where the header X-API-Version is 2."""
