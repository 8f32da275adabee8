"""Why an item is in a list: the own items that count most, and the rest, which add up to the score."""

from __future__ import annotations

from typing import Any

import numpy as np

from palate.models.contract.explanation import Explanation
from palate.models.contract.person import Person as ModelsPerson
from palate.serve.engine.asking import Reasons
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.engine.people import KnownPerson

OWN = 3  # items told beside each item of a list
REST = "everything else"


def explained(loaded: LoadedVersion, person: KnownPerson, place: int) -> Explanation:
    """Return the explanation of the score that a list shows: the model's own, for a stored user or one folded in.

    Raises:
        ParameterError: the model cannot explain, or does not know the user's rows.
    """
    model = loaded.model
    item = model.items_.at(np.array([place]))[0]
    if person.scorer is None or person.rows is None:
        return model.explain(model.users_.at(np.array([person.place]))[0], item)
    return model.explain(ModelsPerson(None, person.rows, person.features, model.items_), item)


def reasons(explanation: Explanation, n: int = OWN) -> list[dict[str, Any]]:
    """Return the n own items that count most, and what all else adds; together they are the score."""
    rows = explanation.parts.to_dicts()
    own = [row for row in rows if row["kind"] == "item"][:n]
    told = [
        {"item": str(row["item_id"]), "title": row["title"], "value": row["value"], "contribution": row["contribution"]}
        for row in own
    ]
    rest = explanation.score - sum(row["contribution"] for row in own)
    return [*told, {"name": REST, "contribution": rest}]


def parts(explanation: Explanation, n: int) -> list[dict[str, Any]]:
    """Return the mean, biases and features by name, then the n own items that count most, then the rest."""
    rows = explanation.parts.to_dicts()
    named = [{"name": row["name"], "contribution": row["contribution"]} for row in rows if row["kind"] != "item"]
    own = reasons(explanation, n)
    own[-1]["contribution"] -= sum(row["contribution"] for row in named)
    return [*own[:-1], *named, own[-1]]


def boosted(told: list[dict[str, Any]], shown: float, score: float) -> list[dict[str, Any]]:
    """Return reasons with what boosts added to the score."""
    return told if shown == score or np.isnan(shown) else [*told, {"name": "boost", "contribution": shown - score}]


def said(loaded: LoadedVersion, explanation: Explanation, n: int, newest: int | None) -> Reasons:
    """Return an explanation as an answer of its own."""
    text = f"the parts of the score of {explanation.of}, which add up to {explanation.score:.4g}"
    return Reasons(
        reasons=parts(explanation, n),
        text=text,
        score=explanation.score,
        version=loaded.number,
        trained=loaded.trained,
        newest_feedback=newest,
    )
