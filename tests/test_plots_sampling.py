from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import low_rank

from palate import plots
from palate.errors import DataError
from palate.models import BayesianMF, Popularity
from palate.plots import alt


def sampled(n: int, n_burn_in: int, *, validation: bool = True, drift: float = 0.0, **fixed: float):
    """Return what the figure reads of a model whose noise precision drifts."""
    a, b, c, d = np.random.default_rng(0).standard_normal((4, n))
    a += np.linspace(0, drift, n)
    history = []
    for t in range(n):
        record = {"epoch": t + 1, "noise_precision": a[t], "user_norm": b[t], "item_norm": c[t], **fixed}
        history.append(record | ({"validation_rmse": 0.9 + 1 / n, "validation_rmse_draw": d[t]} if validation else {}))
    return SimpleNamespace(history_=history, n_burn_in=n_burn_in)


def titles(figure):
    return [axes.get_title(loc="left").split("\n") for axes in figure.axes if axes.axison]


def lines(axes):
    return {line.get_label(): np.array(line.get_xydata()) for line in axes.lines}


def test_each_quantity_has_its_trace_with_the_warm_up_shaded():
    model = sampled(150, 50)
    figure = plots.sampling(model)
    names = [name for name, _ in titles(figure)]
    assert names == [
        "noise precision",
        "norm of the users' rows",
        "norm of the items' rows",
        "validation RMSE of each draw",
    ]
    keys = ("noise_precision", "user_norm", "item_norm", "validation_rmse_draw")
    for axes, key in zip(figure.axes, keys, strict=True):
        expected = [(r["epoch"], r[key]) for r in model.history_]
        np.testing.assert_array_equal(lines(axes)["each draw"], expected)
        (shade,) = axes.patches
        assert (shade.get_x(), shade.get_width()) == (0.5, 50)
    mean = lines(figure.axes[3])["mean of the draws so far"]
    np.testing.assert_array_equal(mean, [(r["epoch"], r["validation_rmse"]) for r in model.history_[50:]])
    assert [t.get_text() for t in figure.axes[3].texts] == ["0.9067"]
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend == ["warm-up", "each draw", "mean of the draws so far"]
    assert figure.get_suptitle() == "Sampling"
    assert figure.get_supxlabel() == "sweep"


def test_titles_have_the_figures_and_what_has_not_settled():
    second, first, *_ = (judged for _, judged in titles(plots.sampling(sampled(150, 50, drift=8))))
    assert first == "R-hat 0.99, effective sample size 102"
    assert second.startswith("R-hat ")
    assert second.endswith(": not settled")


def test_without_validation_or_warm_up_there_is_neither_in_the_figure():
    figure = plots.sampling(sampled(20, 0, validation=False))
    assert len(titles(figure)) == 3
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["each draw"]


def test_what_is_fixed_and_what_is_too_short_is_said_so():
    ordinal = sampled(150, 50)
    for record in ordinal.history_:
        record["noise_precision"] = 1.0
    assert titles(plots.sampling(ordinal))[0][1] == "fixed"
    assert titles(plots.sampling(sampled(3, 1)))[0][1] == "too few sweeps to judge"
    assert titles(plots.sampling(sampled(60, 10, drift=50)))[0][1].startswith("R-hat ")
    assert not any("settled" in judged for _, judged in titles(plots.sampling(sampled(60, 10, drift=50))))


def test_the_words_of_the_figure():
    words = alt.sampling(sampled(150, 50))
    assert words.finding == (
        "The chain has settled in 100 sweeps after a warm-up of 50: what it is judged by has a split R-hat of at most "
        "1.05 and at least 20 effective draws."
    )
    assert words.numbers.startswith("Line charts by sweep, after the warm-up: noise precision ")
    assert words.numbers.endswith("validation RMSE of the mean so far ends at 0.9067.")
    drifting = alt.sampling(sampled(150, 50, drift=8, validation=False))
    assert drifting.finding.startswith(
        "The chain has not settled in 100 sweeps after a warm-up of 50: noise precision: split R-hat "
    )
    assert "mean so far" not in drifting.numbers
    assert alt.sampling(sampled(40, 10)).finding == (
        "Too few sweeps to judge the chain by: 30 sweeps after a warm-up of 10."
    )


def test_a_fitted_model_is_drawn(tmp_path):
    model = BayesianMF(2, n_sweeps=6, n_burn_in=2, n_components=0, random_state=0, n_threads=1).fit(low_rank())
    path = tmp_path / "sampling.png"
    plots.sampling(model).savefig(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "noise precision" in str(alt.sampling(model))


def test_a_model_that_is_not_sampled_has_no_traces():
    model = Popularity().fit(low_rank())
    for function in (plots.sampling, alt.sampling):
        with pytest.raises(DataError, match="there is no chain to draw: this model was not sampled"):
            function(model)
