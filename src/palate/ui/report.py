"""The page's second tab: the data card and the training curves."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from palate.ui.cards import number, plain_table, ranked, score, text, tiles, titled
from palate.ui.source import Source

MOST_LEVELS = 12  # more distinct ratings than these are counted in bins
N_BINS = 10
N_TOP = 10
INK = {"light": "#2a2230", "dark": "#f1e9ee"}  # of the curves' words; as in page.css
LINE = {"light": "#e6ddd3", "dark": "#372e3d"}  # of their axes and grid
NAMES = {
    "epoch": "Epoch",
    "loss": "Loss",
    "train_rmse": "Train RMSE",
    "validation_rmse": "Validation RMSE",
    "learning_rate": "Learning rate",
    "seconds": "Seconds",
}


def report(source: Source, data_card: Mapping[str, object] | None) -> str:
    """Return the tab's HTML.

    Args:
        source: the model.
        data_card: further facts about the data to show, name and value.
    """
    return (
        '<div class="pl-report"><section class="pl-panel"><h2>The data</h2>'
        f"{_data(source, data_card)}</section>"
        f'<section class="pl-panel"><h2>The training</h2>{_training(source)}</section></div>'
    )


def _data(source: Source, data_card: Mapping[str, object] | None) -> str:
    facts = [("Users", number(len(source.users))), (source.things.capitalize(), number(len(source.items)))]
    rest = '<p class="pl-note">The model was saved without its training rows, so they cannot be counted here.</p>'
    if source.seen is not None and len(source.seen.values):
        values = source.seen.values.astype(np.float64)
        filled = len(values) / (len(source.users) * len(source.items))
        facts.append(("Ratings" if source.is_rated else "Picks", number(len(values))))
        facts.append(("Of all pairs", f"{filled:.2%}"))
        if source.is_rated:
            facts.append(("Mean rating", f"{values.mean():.2f}"))
        facts.append(("Median per user", number(float(np.median(source.user_counts)))))
        rest = (_histogram(source) if source.is_rated else "") + _top(source)
    facts += [(name, str(value)) for name, value in (data_card or {}).items()]
    return tiles(facts) + rest


def levels(source: Source) -> list[tuple[str, int]]:
    """Return how often each rating was given, lowest first; in bins where there are many different ones."""
    if source.seen is None:
        return []
    distinct, counts = np.unique(source.seen.values, return_counts=True)
    if len(distinct) <= MOST_LEVELS:
        return [(f"{level:g}", int(count)) for level, count in zip(distinct.tolist(), counts, strict=True)]
    counts, edges = np.histogram(source.seen.values.astype(np.float64), bins=N_BINS)
    return [(f"{low:.3g} to {high:.3g}", int(c)) for low, high, c in zip(edges[:-1], edges[1:], counts, strict=True)]


def _histogram(source: Source) -> str:
    counts = levels(source)
    total, most = sum(count for _, count in counts), max(count for _, count in counts)
    rows = "".join(
        f'<tr><th scope="row">{text(level)}</th><td class="pl-count">'
        f'<span class="pl-column" style="width:{100 * count / most:.1f}%"></span></td>'
        f"<td>{count:,}</td><td>{count / total:.1%}</td></tr>"
        for level, count in reversed(counts)
    )
    return f'<table class="pl-histogram"><caption>Ratings given</caption><tbody>{rows}</tbody></table>'


def _top(source: Source) -> str:
    rows = []
    for index in source.model.item_order.order[:N_TOP]:
        mean = float(source.item_means[index])
        of_mean = (score(source, mean),) if source.is_rated else ()
        rows.append((titled(source.entry(int(index), mean)), f"{int(source.item_counts[index]):,}", *of_mean))
    columns = ["Ratings", "Mean"] if source.is_rated else ["Picks"]
    return ranked(columns, rows, f"{'Most rated' if source.is_rated else 'Most picked'} {source.things}", "pl-top")


def _training(source: Source) -> str:
    history = source.model.history_
    if not history:
        return '<p class="pl-note">This model keeps no history: it is computed in one go.</p>'
    return f'<p class="pl-note">{text(_verdict(source.model))}</p>{_curves(source.model)}{_epochs(history)}'


def _verdict(model: Any) -> str:
    n, best, chosen = len(model.history_), model.best_epoch_, model.epoch_chosen_on_
    if chosen == "none":
        return f"All {n} epochs were run; nothing was held out to choose among them."
    record: dict[str, float] = next((record_of for record_of in model.history_ if record_of["epoch"] == best), {})
    on = {"validation": "validation data", "test": "the test part, so its figure flatters"}.get(chosen, chosen)
    rmse = f", with a validation RMSE of {record['validation_rmse']:.4f}" if "validation_rmse" in record else ""
    if "validation_ndcg" in record:
        rmse = f", with an NDCG@10 of {record['validation_ndcg']:.4f} there"
    return f"Best epoch: {best} of {n}, chosen on {on}{rmse}."


def _has_matplotlib() -> bool:
    return find_spec("matplotlib") is not None


def _curves(model: Any) -> str:
    """Return the training curves twice, for light and for dark; nothing without Matplotlib, a table follows anyway."""
    if not _has_matplotlib():
        return ""
    words = "Training curves by epoch; the figures are in the table below."
    pictures = "".join(
        f'<img class="pl-curve pl-when-{mode}" src="{_picture(model, mode)}" alt="{words}">' for mode in INK
    )
    return f"<figure>{pictures}</figure>"


def _picture(model: Any, mode: str) -> str:
    """Return the figure as a data URI: one in a picture element cannot touch the page, nor its ids another's."""
    from palate.plots import training

    figure = training(model)
    _ink(figure, INK[mode], LINE[mode])
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}"


def _ink(figure: Any, ink: str, line: str) -> None:
    """Set words, axes and grid in the page's colours; the curves keep theirs."""
    if figure.get_suptitle():
        figure.suptitle("")
        figure.supxlabel(figure.get_supxlabel(), color=ink, fontsize=10)
    for axes in figure.axes:
        axes.set_title("", loc="left")  # the page has a heading of its own
        axes.tick_params(colors=ink)
        axes.grid(axis="y", color=line)
        legend = axes.get_legend()
        for words in (axes.xaxis.label, axes.yaxis.label, *axes.texts, *(legend.get_texts() if legend else ())):
            words.set_color(ink)
        for spine in axes.spines.values():
            spine.set_color(line)


def _epochs(history: list[dict[str, float]]) -> str:
    columns = [name for name in NAMES if name in history[0]]
    rows = ([_figure(name, record.get(name, math.nan)) for name in columns] for record in history)
    body = plain_table([NAMES[name] for name in columns], rows, "Training by epoch")
    shown = "" if _has_matplotlib() else " open"
    return f"<details{shown}><summary>Every epoch as a table</summary>{body}</details>"


def _figure(name: str, value: float) -> str:
    if name == "epoch":
        return f"{int(value)}"
    return number(value, {"seconds": 2, "learning_rate": 5}.get(name, 4))
