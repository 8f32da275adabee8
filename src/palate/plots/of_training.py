"""Figures of training: the curves of a model, and those of the original system beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.plots.house import BLUE, GREY, ORANGE, name, new_figure, new_panels, style
from palate.reproduction import LOSS, TEST_RMSE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from palate.models.contract.base import Recommender

CURVES = (("train_rmse", "training part", BLUE, "-"), ("validation_rmse", "validation part", ORANGE, "--"))
RECORDED = {
    "train_rmse": "training RMSE", "validation_rmse": "validation RMSE", "validation_ndcg": "validation NDCG@10",
}  # fmt: skip
ASIDE = ("epoch", "seconds", "learning_rate")  # of a record, and no score


def training(model: Recommender) -> Figure:
    """Return the training curves of a fitted model: loss, training and validation RMSE, the best epoch marked."""
    return training_curves(model.history_, getattr(model, "best_epoch_", None))


def training_curves(history: Sequence[dict[str, float]], best_epoch: int | None, title: str = "Training") -> Figure:
    """Return the curves of a history; see `training`.

    A history without RMSE is drawn as it is: one panel for each of its numbers.

    Raises:
        DataError: there is no history, or no number in it.
    """
    keys = scores(history)
    if not keys:
        raise DataError(
            "there is no training history to draw: this model was not trained by epochs",
            code="nothing_to_draw",
            subject="history",
        )
    if not any(key in keys for key, *_ in CURVES):
        return _any_curves(history, keys, best_epoch, title)
    figure, axes = new_figure(name(title), "epoch", "RMSE")
    epochs = [r["epoch"] for r in history]
    for key, label, colour, line in CURVES:
        if key in keys:
            axes.plot(epochs, _values(history, key), line, color=colour, label=label, linewidth=2)
    if "loss" in keys:
        root = np.sqrt(_values(history, "loss"))
        axes.plot(epochs, root, ":", color=GREY, label="met on the way (root of the loss)")
    if best_epoch and "validation_rmse" in keys:
        best = history[best_epoch - 1]["validation_rmse"]
        axes.axvline(best_epoch, color=GREY, linewidth=0.8)
        axes.plot([best_epoch], [best], "o", color=ORANGE)
        side, shift = ("right", -6) if 2 * best_epoch > len(history) else ("left", 6)
        text = f"best: epoch {best_epoch}, {best:.4f}"
        axes.annotate(text, (best_epoch, best), xytext=(shift, 8), textcoords="offset points", ha=side, fontsize=9)
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False, fontsize=9)
    return figure


def scores(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a history has numbers of, beside epochs, seconds and learning rates."""
    first = history[0] if history else {}
    return [key for key, value in first.items() if key not in ASIDE and isinstance(value, int | float)]


def _values(history: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    """Return a score by epoch, NaN where it is not known."""
    return np.array([np.nan if record.get(key) is None else record[key] for record in history], np.float64)


def _any_curves(history: Sequence[dict[str, float]], keys: Sequence[str], best_epoch: int | None, title: str) -> Figure:
    """Return a panel for each number, for a loss and a share of good lists have no scale in common."""
    words = [RECORDED.get(key, key.replace("_", " ")) for key in keys]
    if len(keys) == 1:
        figure, axes = new_figure(name(title), "epoch", words[0])
        panels = [axes]
    else:
        figure, panels = new_panels(name(title), "epoch", len(keys), across=1)
        for axes, word in zip(panels, words, strict=True):
            axes.set_ylabel(word, color=GREY)
    epochs = [r.get("epoch", place) for place, r in enumerate(history, 1)]
    for place, (axes, key) in enumerate(zip(panels, keys, strict=True)):
        look = style(place)
        axes.plot(epochs, _values(history, key), linestyle=look.line, color=look.colour, linewidth=2)
        if best_epoch:
            axes.axvline(best_epoch, color=GREY, linewidth=0.8)
        axes.locator_params(axis="x", integer=True)
    return figure


def reproduction(histories: Sequence[Sequence[dict[str, float]]]) -> Figure:
    """Return the original system's published curves and ours, one faint line a seed."""
    figure, axes = new_figure("The original system, published and reproduced", "epoch", "")
    for k, history in enumerate(histories):
        epochs = [r["epoch"] for r in history]
        loss, test = ([r[name] for r in history] for name in ("loss", "validation_rmse_unclipped"))
        label = "ours, one line a seed" if len(histories) > 1 else "ours"
        axes.plot(
            epochs, loss, color=BLUE, alpha=0.6, linewidth=1.2, label=f"training loss, {label}" if not k else None
        )
        axes.plot(epochs, test, color=ORANGE, alpha=0.6, linewidth=1.2, label=f"test RMSE, {label}" if not k else None)
    published = range(1, len(LOSS) + 1)
    axes.plot(published, LOSS, "o", color=BLUE, markersize=4, label="training loss, published")
    axes.plot(published, TEST_RMSE, "s", color=ORANGE, markersize=4, label="test RMSE, published")
    axes.set_ylim(0.3, 1.4)
    axes.annotate(f"epoch 1: loss {LOSS[0]:.2f}", (2.1, 1.38), fontsize=8, color=GREY, va="top")
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure
