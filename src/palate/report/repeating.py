"""The section of what is needed to repeat a run: parameters, seeds, versions, machine, commands."""

from __future__ import annotations

from typing import Any

from palate.evaluation.jobs import part_words
from palate.markup import Html, TableColumn, bdi, code, element, join, pairs, paragraph, table
from palate.report.results import NOTHING, Results


def repeating(results: Results) -> Html:
    """Return parameters, seeds, versions, the machine, and the commands."""
    plan, runs = results.run.plan, results.run.runs
    parameters = table(
        "Parameters of each model",
        [TableColumn("Model"), TableColumn("Class"), TableColumn("Parameters")],
        ([bdi(model["label"]), model["key"], _parameters(model["parameters"])] for model in plan["models"]),
    )
    seeds = table(
        "Every run",
        [
            *(
                TableColumn("Model"),
                TableColumn("Split"),
                TableColumn("Seed", True),
                TableColumn("Epochs", True),
                TableColumn("Epoch chosen on"),
            ),
            *(TableColumn("Training, s", True), TableColumn("Threads", True)),
        ],
        (
            [
                *(
                    bdi(row["model"]),
                    row["split"],
                    _known(row["seed"]),
                    _known(row["epochs"]),
                    _known(row["epoch_chosen_on"]),
                ),
                *(f"{row['fit_seconds']:.2f}", _known(row["n_threads"])),
            ]
            for row in runs.iter_rows(named=True)
        ),
    )
    machine = plan["machine"]
    facts = [
        ("Data", f"{plan['data']['name']}, fingerprint {plan['data']['fingerprint']}"),
        ("Relevant in lists", _relevant(plan["positive"])),
        *([] if plan.get("part") is None else [("Lists are drawn from", _part(plan))]),
        ("Seed of intervals and tests", str(plan["random_state"])),
        ("Made", plan["created"]),
        ("Machine", _machine(machine)),
        ("Versions", ", ".join(f"{name} {number}" for name, number in plan["versions"].items())),
    ]
    commands = "\n".join(runs["command"].unique(maintain_order=True))
    return join(
        [
            parameters,
            seeds,
            pairs(facts, class_="terms"),
            element("h3", "Commands"),
            paragraph("Each line repeats one run, to the last digit with the same versions and data:"),
            code(commands),
            paragraph("The whole comparison, with default parameters, and this page:"),
            code(f"{results.command()}\npalate report RUN --out report.html"),
        ]
    )


def _relevant(positive: float | str | None) -> str:
    return "every test row" if positive is None or isinstance(positive, str) else f"values from {positive:g}"


def _part(plan: dict[str, Any]) -> str:
    """Return the part of the catalogue that lists are drawn from, in words."""
    return f"{plan['part']['n_items']:,} of {plan['data']['n_items']:,} items: {' '.join(part_words(plan['part']))}"


def _parameters(parameters: dict[str, Any]) -> Html | str:
    if not parameters:
        return "none"
    return join(element("code", f"{name}={value}", class_="setting") for name, value in parameters.items())


def _machine(machine: dict[str, Any]) -> str:
    words = [machine["cpu"], f"{machine['cores']} cores"]
    return ", ".join([*words, *([f"{machine['memory_gb']:g} GB"] if machine["memory_gb"] else [])])


def _known(value: Any) -> str:
    return NOTHING if value is None else str(value)
