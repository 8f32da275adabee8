"""The original system, reproduced over five seeds, and what changing it gives: tables and one figure.

Published figures and steps stand in palate.reproduction. A target missed is printed as missed.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from common import ROOT, arguments, machine, markdown, publish

from palate import load_movielens, make_splits, plots
from palate import reproduction as original
from palate.evaluation import Evaluation

SEEDS = range(5)
NAMES = {"rmse": "RMSE", "rmse_unclipped": "RMSE unclipped", "mae": "MAE"}


def main() -> None:
    options = arguments(__doc__ or "")
    data = load_movielens("100k")
    train, test = make_splits(data.interactions, original.SPLIT)[0].apply(data.interactions)
    runs = [dict(original.run_steps(train, test, seed, items=data.items)) for seed in SEEDS]
    first = [run[original.STEPS[0][0]] for run in runs]
    publish("reproduction", f"{targets(first)}\n\n{machine()}", write=options.write)
    publish("curve", curve(first), write=options.write)
    publish("steps", f"{steps(runs)}\n\nMean ± standard deviation over five seeds. {machine()}", write=options.write)
    publish("top10", top10(first, test), write=options.write)
    if options.write:
        figure = plots.reproduction([e.history for e in first])
        figure.savefig(ROOT / "docs" / "images" / "reproduction.png")


def targets(runs: list[Evaluation]) -> str:
    """Return published and reproduced figures, with the targets and whether they are met."""
    loss = max(abs(r.history[k]["loss"] / original.LOSS[k] - 1) for r in runs for k in range(10))
    curve_gap = max(
        abs(r.history[k]["validation_rmse_unclipped"] - original.TEST_RMSE[k]) for r in runs for k in range(10)
    )
    best = [r.metrics["rmse_unclipped"] for r in runs]
    epochs = [r.fitted.best_epoch_ for r in runs]
    gap = max(abs(b - original.BEST_RMSE) for b in best)
    at_best = [r.history[r.fitted.best_epoch_ - 1]["train_rmse_unclipped"] for r in runs]
    rows = [
        ["loss, first ten epochs, largest difference", "", f"{loss:.2%}", "2 %", met(loss <= 0.02)],
        ["test RMSE, first ten epochs, largest difference", "", f"{curve_gap:.4f}", "0.02", met(curve_gap <= 0.02)],
        ["best test RMSE", f"{original.BEST_RMSE:.4f}", span(best), "within 0.006", met(gap <= 0.006)],
        ["best epoch", f"{original.BEST_EPOCH}", f"{min(epochs)} to {max(epochs)}", "11 to 15",
         met(min(epochs) >= 11 and max(epochs) <= 15)],
        ["train RMSE at the best epoch", f"{original.TRAIN_RMSE:.4f}", span(at_best), "", ""],
    ]  # fmt: skip
    return markdown(["the original system, five seeds", "published", "ours", "target", ""], rows)


def met(yes: bool) -> str:
    return "met" if yes else "MISSED"


def span(values: list[float]) -> str:
    return f"{min(values):.4f} to {max(values):.4f}"


def curve(runs: list[Evaluation]) -> str:
    """Return loss and test RMSE by epoch, published and our mean over the seeds that got so far."""
    rows = []
    for k, (loss, rmse) in enumerate(zip(original.LOSS, original.TEST_RMSE, strict=True)):
        records = [r.history[k] for r in runs if len(r.history) > k]
        ours = [np.mean([r[name] for r in records]) for name in ("loss", "validation_rmse_unclipped")]
        rows.append([str(k + 1), f"{loss:.4f}", f"{ours[0]:.4f}", f"{rmse:.4f}", f"{ours[1]:.4f}", str(len(records))])
    return markdown(["epoch", "loss, published", "ours", "test RMSE, published", "ours", "seeds"], rows)


def steps(runs: list[dict[str, Evaluation]]) -> str:
    """Return the metrics of every step from the original to today's default."""
    rows = []
    for label, _, _ in original.STEPS:
        several = [run[label] for run in runs]
        figures = [[e.metrics[name] for e in several] for name in NAMES]
        epochs = [e.fitted.best_epoch_ for e in several]
        seconds = min(e.seconds["fit"] for e in several)
        cells = [f"{np.mean(f):.4f} ± {np.std(f, ddof=1):.4f}" for f in figures]
        rows.append([label, *cells, f"{min(epochs)} to {max(epochs)}", f"{seconds:.2f}"])
    return markdown(["80/20 split, seed 42, 99,991 ratings", *NAMES.values(), "epochs", "fit, s"], rows)


def top10(runs: list[Evaluation], test: object) -> str:
    """Return the ten films for user 1 by seed, beside the published ten."""
    published = [title for title, _ in original.TOP_OF_USER_1]
    lists = [r.fitted.recommend(1, exclude=test) for r in runs]  # type: ignore[arg-type]
    rows = []
    for rank, (title, score) in enumerate(original.TOP_OF_USER_1):
        ours = [f"{'**' if t in published else ''}{t}{'**' if t in published else ''} {s:.4f}"
                for t, s in ((one["title"][rank], one["score"][rank]) for one in lists)]  # fmt: skip
        rows.append([str(rank + 1), f"{title} {score:.4f}", *ours])
    agree = [len(set(one["title"]) & set(published)) for one in lists]
    pairs = [len(set(a["title"]) & set(b["title"])) for a, b in combinations(lists, 2)]
    text = (
        f"Films shared with the published ten, by seed: {', '.join(map(str, agree))} (bold); shared by two of our own "
        f"seeds: {min(pairs)} to {max(pairs)}, {np.mean(pairs):.1f} on average."
    )
    return markdown(["", "published", *(f"seed {s}" for s in SEEDS)], rows) + "\n\n" + text


if __name__ == "__main__":
    main()
