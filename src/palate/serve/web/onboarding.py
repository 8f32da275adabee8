"""`/web/questions`: what to ask somebody about next, and how well they are known; they answer with ratings."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from palate.serve.answers import Said
from palate.serve.bodies import MANY, Id, Whole
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread, items_ids
from palate.serve.web.cards import Film, film
from palate.serve.web.offers import OfPerson, page_offers

offer: Offers = page_offers("onboarding")


class QuestionsAsked(OfPerson):
    """How many questions, and what was not known of those before."""

    n: Annotated[Whole, Field(ge=1, le=20)] = 6
    skipped: Annotated[list[Id], Field(max_length=MANY)] = Field(default_factory=list)


class QuestionsSaid(Said):
    """What to ask about, and how well the person is known, 0 to 1."""

    questions: list[Film]
    known: float


@offer("POST", "/web/questions", QuestionsSaid, role="write")
async def get_questions(call: Exchange, asked: QuestionsAsked) -> dict[str, Any]:
    """Return what to ask the person about next."""
    skipped = items_ids(call, asked.skipped)
    choose = partial(call.service.engine.onboarding, n=asked.n, user=call.visit.person, skipped=skipped)
    answer = await in_thread(choose, call.ns)
    questions = [film(place.item, columns) for place, columns in zip(answer.places, answer.columns, strict=True)]
    return {"questions": questions, "known": answer.known or 0.0}
