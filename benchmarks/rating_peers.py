"""Test RMSE of the defaults of `bayes` beside myFM, a tuned baseline and a tuned factorization: ratings of all shapes.

    rating_peers.py run [--on "filmtrust, fixed"] [--models baseline,mf,bayes,myfm]
    rating_peers.py tables [--write]

myFM (Gibbs sampling, ids alone, and ids with the incidence of both sides) has its rank chosen of RANKS on a validation
part of the training rows; so have all parameters of our damped baseline and of our SGD factorization, by 30 trials.
`bayes` has its defaults, and of attributes what the data set has. Thinned parts have few ratings a person.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import Any

import bayes_peers
import numpy as np
from common import ROOT, machine, markdown, publish
from eight_sets import RATINGS, THINNED, Question
from quality import arrays_of, parts_of

import palate

OUT = ROOT / "out" / "rating-peers"
ASKED = {question.name: question for question in (*RATINGS, *THINNED)}
RANKS, SAMPLES, BURN_IN, SEED, TRIALS = (4, 8, 16), 512, 50, 42, 30
SEARCHED = 128  # samples by which the rank is chosen
COLUMNS = {
    "baseline": "damped baseline, tuned", "mf": "SGD factorization, tuned", "myfm-ids": "myFM, ids",
    "myfm-incidence": "myFM, ids and incidence", "bayes": "`bayes`, defaults",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "tables"))
    parser.add_argument("--on", action="append", choices=list(ASKED))
    parser.add_argument("--models", default=",".join(COLUMNS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.what == "tables":
        publish("rating-peers", table(), write=options.write)
        return
    for name in options.on or ASKED:
        for key in options.models.split(","):
            record = {**MEASURED[key](ASKED[name], options.threads), "made": machine()}
            OUT.mkdir(parents=True, exist_ok=True)
            path_of(name, key).write_text(json.dumps(record))
            print(name, key, record["rmse"], record.get("chosen", ""), flush=True)


def path_of(name: str, key: str) -> Any:
    """Return where a result is kept."""
    return OUT / f"{name.replace(', ', '-').replace(' ', '-')}.{key}.json"


def of_bayes(question: Question, n_threads: int) -> dict[str, Any]:
    """Return the figure of the defaults."""
    train, test = question.parts()
    model = palate.BayesianMF(random_state=SEED, n_threads=n_threads)
    done = palate.evaluate(model, train, test, metrics=["rmse"], progress=None)
    return {"rmse": done.metrics["rmse"], "standard_error": standard_error(done.fitted, test)}


def of_tuned(key: str, question: Question, n_threads: int) -> dict[str, Any]:
    """Return the figure of what a search finds on the training part."""
    train, test = question.parts()
    train, test = (getattr(part, "interactions", part) for part in (train, test))
    words = {"random_state": SEED, "n_threads": n_threads}
    names = palate.MODELS[key].parameter_names()
    model = palate.MODELS[key](**{name: value for name, value in words.items() if name in names})
    found = palate.tune(
        model, train, metric="rmse", n_trials=TRIALS, split="none", validation=question.validation, progress=None
    )
    return {"rmse": palate.measure(found.model, train, test, ["rmse"]).values["rmse"], "chosen": found.parameters}


def of_myfm(with_incidence: bool, question: Question, n_threads: int) -> dict[str, Any]:
    """Return the figure of myFM, of the rank that is best on a validation part."""
    del n_threads  # it has one
    train, test = question.parts()
    train, test = (getattr(part, "interactions", part) for part in (train, test))
    inner = parts_of(train, question.validation)
    errors = {rank: guessed(*inner, rank, with_incidence, SEARCHED) for rank in RANKS}
    rank = min(errors, key=errors.__getitem__)
    return {"rmse": guessed(train, test, rank, with_incidence), "chosen": {"rank": rank}}


def guessed(train: Any, test: Any, rank: int, with_incidence: bool, samples: int = SAMPLES) -> float:
    """Return the RMSE of myFM's predictions, clipped to the range of the ratings."""
    arrays = {**arrays_of(train), "test_user": test.user_index, "test_item": test.item_index}
    options = {"rank": rank, "samples": samples, "burn_in": BURN_IN, "seed": SEED, "with_incidence": with_incidence}
    guess = bayes_peers.run("myfm_ids", arrays, 1, **options)["guess"]
    guess = np.clip(guess, train.values.min(), train.values.max())
    return float(np.sqrt(np.mean((guess - test.values) ** 2)))


def standard_error(model: Any, test: Any) -> float:
    """Return that of an RMSE: by the delta method, of the mean of squared errors."""
    rows = getattr(test, "interactions", test)
    squares = (model.predict_index(rows.user_index, rows.item_index) - rows.values) ** 2
    return float(squares.std(ddof=1) / len(squares) ** 0.5 / (2 * squares.mean() ** 0.5))


MEASURED = {
    "baseline": partial(of_tuned, "baseline"), "mf": partial(of_tuned, "mf"), "bayes": of_bayes,
    "myfm-ids": partial(of_myfm, False), "myfm-incidence": partial(of_myfm, True),
}  # fmt: skip


def table() -> str:
    """Return a line for each question, the lowest figure bold."""
    rows, made = [], set()
    for name in ASKED:
        results = {key: json.loads(path_of(name, key).read_text()) for key in COLUMNS if path_of(name, key).exists()}
        if not results:
            continue
        made |= {result["made"] for result in results.values()}
        best = min(result["rmse"] for result in results.values())
        figures = {key: f"{result['rmse']:.4f}" for key, result in results.items()}
        cells = [f"**{figures[key]}**" if key in results and results[key]["rmse"] == best else figures.get(key, "")
                 for key in COLUMNS]  # fmt: skip
        rows.append([name, *cells])
    words = f"myFM {bayes_peers.version_of('myfm')}, {SAMPLES} draws after {BURN_IN}; {'; '.join(sorted(made))}."
    return markdown(["data", *COLUMNS.values()], rows) + "\n\n" + words


if __name__ == "__main__":
    main()
