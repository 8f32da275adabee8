"""From finished trials to the model and the comparison that says why it is this one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from palate.errors import DataError
from palate.models.contract.base import Recommender
from palate.tuning.candidates import candidates_for
from palate.tuning.chosen import SCHEMA, Chosen
from palate.tuning.contest import Contest, Entrant
from palate.tuning.facts import RowFacts
from palate.tuning.studies import trial_table


def outcome(contest: Contest, words: tuple[str, ...], record: Mapping[str, Any]) -> Chosen:
    """Return the best model of a contest, fitted on all training rows.

    Raises:
        DataError: no trial of any model came to an end.
        KeyboardInterrupt: Ctrl-C.
    """
    best = contest.best
    if best is None or best.search is None or best.study is None or best.best is None:
        reasons = [f"{e.candidate.key}: {e.why}" for e in contest.entrants if e.state == "failed"]
        raise DataError(f"no model could be tried: {'; '.join(reasons)}", code="failed_runs", subject="trials")
    tuned = best.search.result(best.study, record)
    best.state = "chosen"
    tables = [
        trial_table(entrant.study).select(pl.lit(entrant.candidate.key).alias("model"), pl.all())
        for entrant in contest.entrants
        if entrant.study is not None
    ]
    return Chosen(
        model=tuned.model,
        metric=tuned.metric,
        value=tuned.value,
        test_value=tuned.test_value,
        comparison=_comparison(contest),
        trials=pl.concat(tables),
        sentences=(contest.facts.sentence, *_reasons(contest, best)),
        named=words,
        record=record,
    )


def alone(
    model: Recommender, facts: RowFacts, reason: str, words: tuple[str, ...], record: Mapping[str, Any]
) -> Chosen:
    """Return a model that was fitted without a comparison, and why there is none."""
    rows = [
        {"model": c.key, "state": "chosen" if c.key == model.key else "left out", "trials": 0, "why": reason}
        for c in candidates_for(facts)
    ]
    nothing = {"model": pl.String, "trial": pl.Int64, "state": pl.String, "value": pl.Float64, "seconds": pl.Float64}
    trials = pl.DataFrame(schema={**nothing, "error": pl.String, "parameters": pl.String})
    sentences = (facts.sentence, f"{reason}: {model.key} was fitted, without a comparison")
    return Chosen(model, facts.metric, None, None, pl.DataFrame(rows, schema=SCHEMA), trials, sentences, words, record)


def _comparison(contest: Contest) -> pl.DataFrame:
    tried = [entrant for entrant in contest.entrants if entrant.best is not None]
    others = [entrant for entrant in contest.entrants if entrant.best is None]
    rows = [_row(entrant) for entrant in (*sorted(tried, key=contest.loss), *others)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _row(entrant: Entrant) -> dict[str, Any]:
    facts: dict[str, Any] = {"model": entrant.candidate.key, "state": entrant.state, "why": entrant.why}
    facts["trials"] = len(entrant.finished)
    best = entrant.best
    if best is None:
        return facts
    low, high = best.user_attrs.get("interval", (None, None))
    settings = best.user_attrs.get("used", best.params)
    seconds = best.user_attrs.get("fit_seconds")
    return {
        **facts,
        "value": best.value,
        "low": low,
        "high": high,
        "seconds": seconds,
        "settings": json.dumps(settings),
    }


def _reasons(contest: Contest, best: Entrant) -> list[str]:
    """Return why this model, and what was not looked at, in sentences."""
    metric = contest.facts.metric
    tried = sorted((e for e in contest.entrants if e.best is not None), key=contest.loss)
    if len(tried) == 1:
        lost = [e for e in contest.entrants if e.state == "no time"]
        hint = ": give more seconds" if lost else ""
        return [f"{best.candidate.key} was chosen: no other model came to an end{hint}"]
    first, second = _figure(tried[0]), _figure(tried[1])
    word = "highest" if contest.maximise else "lowest"
    where = f"{metric} on {len(contest.parts.validate):,} held-out rows"
    out = [
        f"{best.candidate.key} was chosen: its {where}, {first:.4f}, is the {word} of {len(tried)} models; "
        f"{tried[1].candidate.key} comes next with {second:.4f}"
    ]
    if _within(tried[0], second):
        out.append(f"the two are close: {second:.4f} lies within the interval of {best.candidate.key}")
    if contest.facts.timed and not contest.parts.validation.startswith("time"):
        out.append(
            "rows have times: the validation part time:0.2 would judge by the latest rows, as a service is judged"
        )
    return out


def _figure(entrant: Entrant) -> float:
    return float("nan") if entrant.best is None else float(entrant.best.value or 0.0)


def _within(entrant: Entrant, value: float) -> bool:
    low, high = (None, None) if entrant.best is None else entrant.best.user_attrs.get("interval", (None, None))
    return low is not None and high is not None and low <= value <= high
