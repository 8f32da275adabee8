"""What a person said, all of it: the log's events, and before them the ratings in a model's training."""

from __future__ import annotations

from typing import Final

from palate.serve.operations import Exchange
from palate.serve.web.purposes import trained_ratings
from palate.store import feedback
from palate.store.records import Event

TRAINING: Final = "training"  # the source of a rating that no log has
RATING: Final = "rating"


def history(call: Exchange) -> list[Event]:
    """Return what counts of the person's events, the oldest first.

    Ratings that the model was trained on stand before all others: without a time and an id, so they cannot be taken
    back, and of the source "training". One that the person changed since stands there as it was, and in the log anew.
    """
    person = call.visit.person
    before = [Event(person, item, RATING, value, source=TRAINING) for item, value in trained_ratings(call).items()]
    with call.service.store.read() as conn:
        events = feedback.of_user(conn, call.ns, person)
    return [*before, *sorted(events, key=lambda event: event.time or 0)]
