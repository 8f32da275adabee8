"""``palate off-policy``: what a policy that was not run would have brought."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli import common
from palate.cli.store import NamespaceOption, StoreOption, opened

if TYPE_CHECKING:
    from palate.experiments.estimates import OffPolicy, PolicyEstimate
    from palate.experiments.people import Figure
    from palate.serve.off_policy import Answered

LABELS = {
    "ips": "IPS, inverse propensities",
    "snips": "SNIPS, self-normalised",
    "dr": "DR, doubly robust",
    "whole_list": "whole lists, any click model",
}
Day = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Lists shown from then on, in UTC.")
]


def off_policy(
    store: StoreOption,
    scenario: Annotated[
        str | None, typer.Option(help="Whose preset is asked about; else --preset.", show_default=False)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A preset as JSON, or a file that holds one; '{}' is the order of the model.", metavar="JSON"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A version's number or a model's key; without it, the preset's, or the active one."),
    ] = None,
    lists_of: Annotated[str | None, typer.Option(help="Lists of this scenario alone; all without it.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Lists of this experiment alone.")] = None,
    since: Day = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Lists shown before then.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Lists to replay; of more, so many are drawn.")] = 20_000,
    namespace: NamespaceOption = "default",
    as_json: common.Json = False,
) -> None:
    """Estimate what a policy that was not run would have brought per list, from lists that explored.

    The policy is replayed on the lists of the store, with what was known of each person then. Where too little of what
    it would show was shown, the answer says so in place of a figure.

    [dim]palate off-policy --store sqlite:///shop.db --preset '{"diversity": 0.3}' --lists-of default[/]
    """
    from palate.serve.off_policy import Question, answered

    question = {
        "scenario": scenario,
        "preset": None if preset is None else _preset(preset),
        "model": int(model) if model is not None and model.isdecimal() else model,
        "lists_of": lists_of,
        "experiment": experiment,
        "since": _micros(since),
        "until": _micros(until),
        "most": most,
    }
    asked = Question.of({name: value for name, value in question.items() if value is not None})
    with opened(store) as there:
        found = answered(there, there.namespace(namespace), asked)
    if as_json:
        common.emit(found.as_dict())
        return
    _show(found)


def _preset(text: str) -> Any:
    """Return a preset as JSON says it, here or in a file.

    Raises:
        ParameterError: neither holds JSON.
    """
    from palate.errors import PalateError, ParameterError

    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):
                raise PalateError.of_disk("cannot read", text, error) from None
            raise ParameterError.of("--preset", f": {text} does not hold text") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise ParameterError.of("--preset", f"does not hold JSON: {error}") from None


def _micros(day: datetime | None) -> int | None:
    return None if day is None else round(day.replace(tzinfo=UTC).timestamp() * 1_000_000)


def _show(found: Answered) -> None:
    from palate.cli.draw import table

    out = common.console()
    clicks = found.clicks
    out.print(f"{found.replayed:,} lists of {clicks.people:,} people, replayed by version {found.version}")
    for name, result in (("clicks", clicks), ("positives", found.positives)):
        refused = {one.name: one.refused for one in result.estimates}
        rows = table(
            None, ((f"{name} per list", "left"), ("value", "left"), ("more than logged", "left"), ("worth", "right"))
        )
        rows.add_row("logged", _figure(result.logged), "", f"{result.lists:,}")
        for one in result.estimates:
            rows.add_row(LABELS[one.name], *_cells(one), f"{one.effective:,.0f}")
        out.print(rows)
        for words in dict.fromkeys(words for words in refused.values() if words):
            out.print(f"refused ({', '.join(key for key, why in refused.items() if why == words)}): {words}")
    _tell(found, clicks)


def _cells(one: PolicyEstimate) -> tuple[str, str]:
    return ("refused", "") if one.refused else (_figure(one.value), _figure(one.gain, sign="+"))


def _figure(figure: Figure, sign: str = "") -> str:
    interval = "" if math.isnan(figure.low) else f" ({figure.low:{sign}.4g} to {figure.high:{sign}.4g})"
    return f"{figure.value:{sign}.4g}{interval}"


def _tell(found: Answered, result: OffPolicy) -> None:
    common.tell(
        f"worth: lists, after weighing; the mean weight is {result.overlap:.2f}, the largest {result.largest:.1f}"
    )
    common.tell(f"click model, of all but whole lists: {result.click_model}")
    for note in found.notes:
        common.tell(note)
