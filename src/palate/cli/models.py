"""``palate models``: what there is, from signatures and docstrings."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from palate.cli import common, completion


def models(
    key: Annotated[
        str | None, typer.Argument(autocompletion=completion.model, help="One model's key; all models without it.")
    ] = None,
    metrics: Annotated[bool, typer.Option("--metrics", help="List the metrics instead.")] = False,
    as_json: common.Json = False,
) -> None:
    """List models, their parameters, defaults and meaning; or the metrics."""
    if metrics:
        _metrics(as_json=as_json)
        return
    from rich.text import Text

    from palate.cli.draw import table
    from palate.errors import unknown_name
    from palate.models import MODELS

    if key is not None and key not in MODELS:
        raise common.usage_error(unknown_name("no model", key, MODELS))
    chosen = MODELS if key is None else {key: MODELS[key]}
    records: dict[str, Any] = {}
    for name, cls in chosen.items():
        summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
        parameters = [
            {
                "name": parameter.name,
                "default": parameter.default,
                "type": parameter.type_name,
                "takes": parameter.takes,
                "search": None if parameter.search is None else vars(parameter.search),
                "meaning": parameter.meaning,
            }
            for parameter in cls.declarations.values()
        ]
        records[name] = {"class": cls.__name__, "summary": summary, "presets": cls.presets, "parameters": parameters}
    if as_json:
        common.emit(records)
        return
    stdout = common.console()
    for name, record in records.items():
        stdout.print(Text.assemble((name, "bold"), f"  {record['class']}: {record['summary']}"))
        if record["presets"]:
            stdout.print(f"presets: {', '.join(record['presets'])}")
        made = table(None, (("parameter", "left"), ("default", "left"), ("meaning", "left")))
        for parameter in record["parameters"]:
            made.add_row(parameter["name"], str(parameter["default"]), f"{parameter['meaning']} ({parameter['takes']})")
        stdout.print(made)


def _metrics(*, as_json: bool) -> None:
    from palate.cli.draw import table
    from palate.metrics import METRICS

    records = {
        metric.pattern: {
            "kind": metric.kind,
            "better": metric.sense.partition(" ")[0] or "neither",
            "unit": metric.unit,
            "meaning": metric.meaning,
            "definition": metric.definition,
        }
        for metric in METRICS.values()
    }
    if as_json:
        common.emit(records)
        return
    stdout = common.console()
    made = table(None, [(word, "left") for word in ("metric", "better", "unit", "what it says, and its definition")])
    for name, record in records.items():
        made.add_row(name, record["better"], record["unit"], f"{record['meaning']}\n{record['definition']}")
    stdout.print(made)
