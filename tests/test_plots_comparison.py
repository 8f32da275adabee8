"""Figures of comparisons and searches: what is drawn, and that the words beside it follow the numbers."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest
from made_run import made_run

from palate import plots
from palate.errors import DataError
from palate.metrics import label_of, named
from palate.plots import alt, house


@pytest.fixture(scope="module")
def run():
    return made_run()


@pytest.fixture(scope="module")
def table(run):
    return run.table(n_resamples=200)


def points(line) -> list[tuple[float, float]]:
    return [tuple(map(float, p)) for p in np.array(line.get_xydata())]


def curves(axes) -> dict[str, list[tuple[float, float]]]:
    return {line.get_label(): points(line) for line in axes.lines}


def of(rows, *columns):
    return list(zip(*(rows[column] for column in columns), strict=True))


# -- the house style -------------------------------------------------------------------------------------------------


def test_up_to_eight_models_differ_in_colour_marker_and_line_and_sixty_four_in_two():
    styles = [house.style(place) for place in range(64)]
    for part in ("colour", "marker", "line"):
        assert len({str(getattr(one, part)) for one in styles[:8]}) == 8
    assert len({(one.colour, one.marker) for one in styles}) == 64


def test_the_palette_is_okabe_and_itos_and_stands_out_from_white():
    okabe_ito = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert {house.BLUE, house.ORANGE, house.GREEN, house.RED, house.PURPLE, house.SKY} < okabe_ito
    light = [sum(w * int(c[i : i + 2], 16) for w, i in ((0.21, 1), (0.72, 3), (0.07, 5))) for c in house.COLOURS]
    assert max(light) < 180


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("mf", "mf"),
        ("a$b$c", r"a\$b\$c"),
        ("_mf", "\N{THIN SPACE}_mf"),
        ("", " "),
        ("n_factors=10, reg=0.05, learning_rate=0.01", "n_factors=10, reg=0.05,\nlearning_rate=0.01"),
        ("x" * 100, "\n".join(["x" * 26, "x" * 26, "x" * 25 + "…"])),
    ],
)
def test_names_are_shown_as_they_are_and_folded(label, shown):
    assert house.name(label) == shown


def test_metrics_have_names_and_directions():
    assert [label_of(m) for m in ("rmse", "ndcg@10", "list_overlap@5")] == ["RMSE", "NDCG@10", "list overlap@5"]
    assert [named(m).metric.best for m in ("rmse", "ndcg@10")] == ["lowest", "highest"]
    assert [named(m).metric.sense for m in ("mae", "recall@5", "popularity_lift@5", "validation loss")] == [
        "lower is better",
        "higher is better",
        "",
        "",
    ]
    assert named("coverage@10").metric.meaning == "the share of the catalogue that is recommended to anybody"
    assert named("of_a_later_version@7").metric.meaning == ""
    assert label_of("of_a_later_version@7") == "of a later version@7"


# -- comparison ------------------------------------------------------------------------------------------------------


def test_a_comparison_has_a_dot_and_an_interval_a_model_with_the_best_on_top_in_words(table):
    (axes,) = plots.comparison(table, "rmse").axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["mf", "baseline"]
    assert axes.get_ylim() == (1.5, -0.5)
    rows = table.filter(pl.col("metric") == "rmse").sort("mean").to_dicts()
    drawn = [points(line) for line in axes.lines]
    for place, row in enumerate(rows):
        assert drawn[2 * place] == [(row["low"], place), (row["high"], place)]
        assert drawn[2 * place + 1] == [(row["mean"], place)]
    assert [t.get_text() for t in axes.texts] == [f"{rows[0]['mean']:.4f}  best", f"{rows[1]['mean']:.4f}"]
    assert axes.get_xlabel() == "RMSE (lower is better)"
    assert [line.get_markerfacecolor() for line in axes.lines[1::2]] == [house.BLUE, house.PAPER]


def test_a_comparison_of_what_has_no_best_end_names_none(run):
    table = run.results.rename({"value": "mean"}).with_columns(low=None, high=None)
    (axes,) = plots.comparison(table, "popularity_lift@10").axes
    assert not [t for t in axes.texts if "best" in t.get_text()]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["popularity", "baseline", "mf"]
    assert "is 0.3450 to 0.4000" in alt.comparison(table, "popularity_lift@10").finding


def test_a_comparison_needs_values(table):
    with pytest.raises(DataError, match="no values of mae to draw; it has rmse, ndcg@10"):
        plots.comparison(table, "mae")
    unknown = table.with_columns(mean=pl.lit(float("nan")))
    with pytest.raises(DataError, match="no values of rmse"):
        plots.comparison(unknown, "rmse")


def test_the_words_of_a_comparison_change_with_its_numbers(table):
    words = alt.comparison(table, "rmse")
    best = table.filter((pl.col("metric") == "rmse") & (pl.col("model") == "mf")).row(0, named=True)
    value = f"{best['mean']:.4f} ({best['low']:.4f} to {best['high']:.4f})"
    assert words.finding == f"mf has the lowest RMSE, {value}."
    assert f"mf {value}; baseline 1." in words.numbers
    assert str(words) == f"{words.finding} {words.numbers}"
    other = alt.comparison(made_run(best=1).table(n_resamples=200), "rmse")
    assert other.finding.startswith("baseline has the lowest RMSE, 0.8948 (0.87")
    assert alt.comparison(table, "ndcg@10").finding.startswith("mf has the highest NDCG@10, 0.")


# -- predicted ratings -----------------------------------------------------------------------------------------------


def test_calibration_has_a_curve_a_model_and_the_diagonal(run):
    figure = plots.calibration(run.details)
    (axes,) = figure.axes
    drawn = curves(axes)
    assert list(drawn) == ["perfect", "baseline", "mf"]
    assert drawn["mf"] == [(row["predicted"], row["actual"]) for row in run.details["mf"]["calibration"]]
    low, high = drawn["perfect"]
    assert low == (2.0, 2.0)
    assert high[0] == high[1] > 4.0
    ends = [segment[:, 1].tolist() for segment in axes.collections[1].get_segments()]
    assert ends == [[row["low"], row["high"]] for row in run.details["mf"]["calibration"]]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == list(drawn)
    markers = [line.get_marker() for line in axes.lines[1:]]
    assert len(set(markers)) == 2


def test_the_words_of_a_calibration_change_with_its_numbers(run):
    words = alt.calibration(run.details)
    assert words.finding == "mf is closest to the ratings given: off by 0.100 on average over its bins."
    assert (
        "baseline, off by 0.155 on average, most where it predicts 2.16 and 2.00 is given; mf, off by 0.100"
        in words.numbers
    )
    alone = {"mf": {"calibration": [{"predicted": 3.0, "actual": 2.5, "low": 2.0, "high": 3.0, "n": 9}]}}
    assert (
        alt.calibration(alone).finding
        == "mf's predictions differ from the ratings given by 0.500 on average over its bins."
    )
    alone["mf"]["calibration"][0]["predicted"] = 2.51
    assert (
        alt.calibration(alone).finding
        == "mf's predictions are close to the ratings given: off by 0.010 on average over its bins."
    )


def test_errors_by_popularity_and_activity(run):
    for by, counted in (("popularity", "training ratings of the item"), ("activity", "training ratings of the user")):
        (axes,) = plots.error_by(run.details, by).axes
        assert axes.get_title(loc="left") == f"Error by {by}"
        assert axes.get_xlabel() == counted
        assert [t.get_text() for t in axes.get_xticklabels()] == ["none", "1 to 5", "6 to 30"]
        drawn = curves(axes)
        assert list(drawn) == ["baseline", "mf"]
        assert [y for _, y in drawn["mf"]] == [row["rmse"] for row in run.details["mf"][f"error_by_{by}"]]
    words = alt.error_by(run.details, "popularity")
    assert (
        words.finding == "RMSE by training ratings of the item runs from 0.800 (mf, 6 to 30) to 1.365 (baseline, none)."
    )
    assert "mf: none 1.200, 1 to 5 0.900, 6 to 30 0.800" in words.numbers


def test_what_no_model_has_is_not_drawn(run):
    only = {"popularity": run.details["popularity"]}
    with pytest.raises(DataError, match="no calibration to draw: no model here predicts ratings"):
        plots.calibration(only)
    with pytest.raises(DataError, match="no error by popularity to draw"):
        plots.error_by(only, "popularity")
    with pytest.raises(DataError, match="by popularity or activity, not by 'age'"):
        plots.error_by(run.details, "age")


# -- groups and trade-offs -------------------------------------------------------------------------------------------


def test_groups_are_joined_only_where_they_have_an_order(run):
    (axes,) = plots.groups(run.groups, "rmse", "activity").axes
    assert axes.get_xlabel() == "training ratings of the user (quartiles)"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1 to 9", "10 to 20"]
    assert [y for _, y in curves(axes)["mf"]] == pytest.approx([0.91, 0.92])
    assert {line.get_linestyle() for line in axes.lines} == {"--", "-."}
    (axes,) = plots.groups(run.groups, "rmse", "gender").axes
    assert {line.get_linestyle() for line in axes.lines} == {"None"}
    with pytest.raises(DataError, match="no values of rmse by age to draw"):
        plots.groups(run.groups, "rmse", "age")


def test_a_group_without_interval_has_a_mark_alone(run):
    rows = run.groups.with_columns(pl.lit(None, pl.Float64).alias("low"), pl.lit(None, pl.Float64).alias("high"))
    figure = plots.groups(rows, "ndcg@10", "gender")
    assert len(figure.axes[0].lines) == 3
    assert alt.groups(rows, "ndcg@10", "gender").finding.endswith("0.3200 for M and 0.3100 for F.")


def test_the_words_of_groups_name_the_widest_gap_and_whether_intervals_overlap(run):
    words = alt.groups(run.groups, "rmse", "gender")
    assert words.finding.startswith("The widest gap in RMSE by gender is that of ")
    assert words.finding.endswith("for F and 0.9200 for M; their intervals overlap.")
    far = pl.when((pl.col("group") == "M") & (pl.col("model") == "baseline")).then(1.0).otherwise(0.0)
    moved = run.groups.with_columns(pl.col("mean") + far, pl.col("low") + far, pl.col("high") + far)
    assert alt.groups(moved, "rmse", "gender").finding == (
        "The widest gap in RMSE by gender is that of baseline: 1.0750 for F and 2.0850 for M; "
        "their intervals do not overlap."
    )


def trade(*rows) -> pl.DataFrame:
    cells = [(m, metric, v) for m, x, y in rows for metric, v in (("ndcg@10", x), ("novelty@10", y))]
    return pl.DataFrame(cells, schema=["model", "metric", "mean"], orient="row")


def test_a_trade_off_names_its_points_and_fills_the_unbeaten():
    table = trade(("a", 0.1, 9.0), ("b", 0.3, 3.0), ("c", 0.2, 2.0))
    (axes,) = plots.trade_off(table).axes
    assert {t.get_text() for t in axes.texts} == {"a", "b", "c"}
    marks = {points(line)[0]: line.get_markerfacecolor() for line in axes.lines[1:]}
    assert [marks[p] == house.PAPER for p in ((0.1, 9.0), (0.3, 3.0), (0.2, 2.0))] == [False, False, True]
    words = alt.trade_off(table)
    assert words.finding == "More novelty@10 costs NDCG@10: b and a are unbeaten in both together."
    assert "c 0.2000 and 2.0000" in words.numbers
    assert alt.trade_off(trade(("a", 0.1, 1.0), ("b", 0.3, 3.0))).finding == "b is best in both NDCG@10 and novelty@10."
    assert alt.trade_off(trade(("a", 0.1, 1.0))).finding == "a alone has both figures."


def test_lower_is_better_counts_in_a_trade_off():
    table = pl.DataFrame(
        [("a", "rmse", 0.8), ("a", "novelty@10", 2.0), ("b", "rmse", 0.9), ("b", "novelty@10", 1.0)],
        schema=["model", "metric", "mean"],
        orient="row",
    )
    assert alt.trade_off(table, "rmse").finding == "a is best in both RMSE and novelty@10."


def test_names_of_near_points_do_not_touch():
    figure = plots.trade_off(trade(*((f"m{k}", 0.1, 5.0) for k in range(4)), ("far", 0.9, 1.0)))
    (axes,) = figure.axes
    figure.canvas.draw()
    heights = sorted(t.get_position()[1] for t in axes.texts if t.get_text() != "far")
    assert min(np.diff(heights)) >= 0.069
    assert heights[-1] <= 0.98


def test_many_points_are_named_in_a_legend():
    figure = plots.trade_off(trade(*((f"m{k}", k / 10, k) for k in range(6))))
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [f"m{k}" for k in (5, 4, 3, 2, 1, 0)]
    assert not figure.axes[0].texts


def test_a_trade_off_needs_both_metrics():
    table = trade(("a", 0.1, 1.0)).vstack(trade(("b", 0.1, 1.0))).filter(pl.Series([True, False, False, True]))
    with pytest.raises(DataError, match="no model has both ndcg@10 and novelty@10"):
        plots.trade_off(table)


# -- many models -----------------------------------------------------------------------------------------------------


def test_many_models_get_a_panel_each_before_the_others():
    run = made_run([f"mf_{k}" for k in range(7)])
    figure = plots.calibration(run.details)
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in panels] == [f"mf_{k}" for k in range(7)]
    assert not figure.legends
    for axes in panels:
        assert len(axes.lines) == 1 + 7 + 1  # diagonal, all in grey, its own
    assert len({axes.lines[-1].get_marker() for axes in panels}) == 7


def test_very_many_models_are_not_drawn_behind_each_other():
    run = made_run([f"mf_{k}" for k in range(17)])
    panels = [axes for axes in plots.error_by(run.details, "activity").axes if axes.axison]
    assert [len(axes.lines) for axes in panels] == [1] * 17


def test_every_figure_can_be_drawn_with_hostile_names(run):
    labels = ["$x$ \\frac", "_hidden", "mf" + "y" * 90, "<b>", "{0} %s"]
    hostile = made_run(labels)
    table = hostile.table(n_resamples=50)
    everything = hostile.results.rename({"value": "mean"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in (
            plots.comparison(table, "rmse"),
            plots.calibration(hostile.details),
            plots.error_by(hostile.details, "activity"),
            plots.groups(hostile.groups, "rmse", "gender"),
            plots.trade_off(everything),
        ):
            figure.canvas.draw()


# -- training --------------------------------------------------------------------------------------------------------


def test_the_words_of_training_name_the_best_epoch(run):
    history = run.details["mf"]["history"]
    words = alt.training_curves(history, 2, "mf")
    assert words.finding == "mf: best at epoch 2 of 3 epochs, validation RMSE 0.9000."
    assert "training RMSE goes from 1.0000 to 0.3333; validation RMSE goes from 1.1000 to 0.9500" in words.numbers
    assert alt.training_curves(history, 3, "mf").finding.startswith("mf: best at epoch 3 of 3 epochs")
    assert plots.training_curves(history, 2, "mf").axes[0].get_title(loc="left") == "mf"


def test_a_history_without_rmse_is_drawn_as_it_is():
    history = [{"epoch": 1, "objective": 5.0, "seconds": 0.1}, {"epoch": 2, "objective": 3.0, "seconds": 0.1}]
    (axes,) = plots.training_curves(history, 1).axes
    assert axes.get_ylabel() == "objective"
    assert points(axes.lines[0]) == [(1, 5.0), (2, 3.0)]
    words = alt.training_curves(history, 1)
    assert words.finding == "Training: epoch 1 of 2 epochs was chosen."
    assert "objective goes from 5.0000 to 3.0000" in words.numbers
    assert alt.training_curves(history, None).finding == "Training: 2 epochs, all of them used."
    gap = [{**history[0], "objective": 5.0}, {"epoch": 2, "objective": None}]  # a number that was not finite
    assert np.isnan(points(plots.training_curves(gap, None).axes[0].lines[0])[1][1])
    assert alt.training_curves(gap, None).numbers == "Line chart."
    with pytest.raises(DataError, match="no training history to draw"):
        plots.training_curves([{"epoch": 1, "seconds": 0.1}], None)


def test_numbers_of_a_history_without_rmse_have_a_panel_and_a_scale_each():
    history = [{"epoch": 1, "loss": 5.0, "validation_ndcg": 0.1}, {"epoch": 2, "loss": 3.0, "validation_ndcg": 0.3}]
    first, second = plots.training_curves(history, 2).axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("loss", "validation NDCG@10")
    assert points(second.lines[0]) == [(1, 0.1), (2, 0.3)]
    assert second.get_ylim()[1] < 0.5
    words = alt.training_curves(history, 2)
    assert words.finding == "Training: best at epoch 2 of 2 epochs, validation NDCG@10 0.3000."
    assert "validation NDCG@10 goes from 0.1000 to 0.3000" in words.numbers


# -- data cards ------------------------------------------------------------------------------------------------------


def test_a_card_is_drawn_and_said(run):
    from palate.data.card import Card

    card = Card(**run.plan["data"]["card"])
    (axes,) = plots.card_values(card).axes
    assert [p.get_height() for p in axes.patches] == [40, 60, 100, 150, 50]
    assert [t.get_text() for t in axes.texts] == ["10%", "15%", "25%", "38%", "12%"]
    assert alt.card_values(card).finding == "The most frequent value is 4: 38% of 400 ratings."
    assert "5 50 times" in alt.card_values(card).numbers
    (axes,) = plots.card_spread(card).axes
    assert [t.get_text() for t in axes.texts] == ["1", "7", "30", "1", "12", "40"]
    assert points(axes.lines[3]) == [(1.0, 1.0), (40.0, 1.0)]
    words = alt.card_spread(card)
    assert words.finding == "Half of the users have 12 ratings or more; half of the items have 7 or more."
    assert "ratings of one item: fewest 1, quartiles 2, 7 and 11, most 30" in words.numbers


# -- searches --------------------------------------------------------------------------------------------------------


def test_importances_are_sorted_and_said():
    shares = {"reg": 0.7, "n_factors": 0.2, "biases": 0.1}
    (axes,) = plots.importances(shares).axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["biases", "n_factors", "reg"]
    assert [p.get_width() for p in axes.patches] == [0.1, 0.2, 0.7]
    assert alt.importances(shares).finding == "reg mattered most, 70% of the differences."
    assert alt.importances({**shares, "biases": 0.9}).finding.startswith("biases mattered most")
    with pytest.raises(DataError, match="needs at least two finished trials"):
        plots.importances({})


def test_a_search_shows_each_trial_and_the_best_so_far():
    values, best = [1.0, None, 0.8, 0.9], [1.0, 1.0, 0.8, 0.8]
    (axes,) = plots.tuning_history(values, best).axes
    drawn = curves(axes)
    assert drawn["best so far"] == [(1, 1.0), (2, 1.0), (3, 0.8), (4, 0.8)]
    assert drawn["best: trial 3, 0.8000"] == [(3, 0.8)]
    assert np.isnan(drawn["trial"][1][1])
    words = alt.tuning_history(values, best)
    assert str(words) == (
        "The best value of 4 trials is 0.8000. Line chart: the first best is 1.0000; 1 gave no result."
    )
    for wrong in (([1.0], []), ([None], [None])):
        with pytest.raises(DataError, match="needs results, as many as best ones"):
            plots.tuning_history(*wrong)
