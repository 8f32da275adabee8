"""What `palate.auto` chooses within a budget, beside the best single default of docs/choosing.md, on the same rows.

    auto.py run [--on "filmtrust, fixed"] [--seconds 120]     choose, and measure the chosen model on the test part once
    auto.py table [--write]                                   of all results so far, into docs/tuning.md

Results are kept in out/auto, one a question and budget. The choice sees training rows alone; where the test part is the
latest rows, its validation part is so, too, as with --split time:0.2.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

from common import ROOT, machine, markdown, publish
from eight_sets import QUESTIONS, TIME, Question

import palate

SEED = 42


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--on", action="append", choices=list(QUESTIONS))
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "auto")
    options = parser.parse_args()
    if options.what == "table":
        publish("auto", table(options.out), write=options.write)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.on or QUESTIONS:
        record = run(QUESTIONS[name], options.seconds)
        file = f"{name.replace(', ', '-').replace(' ', '-')}.{options.seconds:g}.json"
        (options.out / file).write_text(json.dumps(record, indent=1))
        print(name, json.dumps({key: record[key] for key in ("model", "test", "seconds")}), flush=True)


def run(question: Question, seconds: float) -> dict[str, Any]:
    """Return what was chosen on the training part, and its figure on the test part."""
    train, test = question.parts()
    relevant = {} if question.relevant is None else {"positive": question.relevant}
    given = {"validation": question.validation} if question.validation == TIME else {}
    begun = time.perf_counter()
    chosen = palate.auto(
        train, metric=question.metric, seconds=seconds, random_state=SEED, progress=None, **question.parameters, **given
    )
    took = time.perf_counter() - begun
    measured = palate.measure(chosen.model, train, test, [question.metric], **relevant)
    return {
        "question": question.name,
        "budget": seconds,
        "seconds": took,
        "model": chosen.model.key,
        "test": measured.values[question.metric],
        **{name: value for name, value in chosen.summary().items() if name != "test_value"},
        "made": machine(),
    }


def best_defaults() -> dict[str, tuple[str, float]]:
    """Return the best single default of docs/choosing.md by question: model and figure."""
    found = {}
    keys: list[str] = []
    for line in (ROOT / "docs" / "choosing.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "data and metric":
            keys = [cell.strip("`") for cell in cells[1:]]
        name = cells[0].rpartition(":")[0]
        if name in QUESTIONS:
            for key, cell in zip(keys, cells[1:], strict=True):
                if figure := re.match(r"\*\*([\d.]+)\*\*", cell):
                    found[name] = key, float(figure[1])
    return found


def table(folder: Path) -> str:
    """Return a line for each result."""
    defaults = best_defaults()
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    rows = []
    for record in sorted(records, key=lambda r: list(QUESTIONS).index(r["question"])):
        question = QUESTIONS[record["question"]]
        key, figure = defaults[question.name]
        tried = [row["model"] for row in record["comparison"] if row["state"] in ("chosen", "tried")]
        late = [row["model"] for row in record["comparison"] if row["state"] == "no time"]
        trials = sum(row["trials"] for row in record["comparison"])
        rows.append([
            f"{question.name}: {question.metric}", f"{record['budget']:.0f}", f"{record['seconds']:.0f}",
            f"`{record['model']}`", f"{record['test']:.4f}", f"`{key}` {figure:.4f}",
            f"{100 * (record['test'] / figure - 1):+.1f} %", f"{', '.join(tried)} ({trials})", ", ".join(late),
        ])  # fmt: skip
    header = ["data and metric", "budget, s", "took, s", "chosen", "test part", "best single default", "difference"]
    made = "; ".join(sorted({record["made"] for record in records}))
    return markdown([*header, "tried (trials)", "no time"], rows) + f"\n\n{made}."


if __name__ == "__main__":
    main()
