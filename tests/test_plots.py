from __future__ import annotations

import builtins
import sys
from datetime import UTC, date, datetime

import matplotlib.dates
import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from synthetic import interactions, low_rank

from palate import plots
from palate.data.dataset import Dataset
from palate.errors import DataError, MissingExtraError
from palate.models import MatrixFactorization
from palate.reproduction import LOSS, TEST_RMSE

ITEMS = pl.DataFrame(
    {"item_id": [1, 2, 3, 4], "title": list("abcd"), "genres": [["War", "Drama"], ["War"], [], None]},
    schema_overrides={"genres": pl.List(pl.String)},
)
USERS = pl.DataFrame({"user_id": [1, 2, 3, 4], "age": [1, 33, 33, None], "occupation": ["poet", "cook", "poet", None]})
WEEK = 7 * 86_400


def axes_of(figure: Figure):
    (axes,) = figure.axes
    return axes


def bars(figure: Figure) -> list[tuple[float, float]]:
    """Return (left edge, height) of the bars of a figure."""
    return [(p.get_x(), p.get_height()) for p in axes_of(figure).patches]


def lines(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    return {
        line.get_label(): [tuple(map(float, p)) for p in np.array(line.get_xydata())] for line in axes_of(figure).lines
    }


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in axes_of(figure).texts]


def assert_titled(figure: Figure, title: str, x: str, y: str) -> None:
    axes = axes_of(figure)
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == (title, x, y)


@pytest.fixture(scope="module")
def data():
    """Five ratings of four items by three users, in two weeks with an empty one between them."""
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())  # a Monday
    times = [start, start + 5, start + WEEK - 1, start + 2 * WEEK, start + 2 * WEEK + 9]
    return interactions([1, 1, 1, 2, 3], [1, 2, 3, 1, 4], [5, 3, 3, 3, 1], times)


@pytest.fixture(scope="module")
def fitted():
    return MatrixFactorization(4, n_epochs=6, learning_rate=0.02, random_state=0).fit(low_rank())


def test_training_draws_the_curves_and_marks_the_best_epoch(fitted):
    figure = plots.training(fitted)
    assert_titled(figure, "Training", "epoch", "RMSE")
    drawn = lines(figure)
    history, best = fitted.history_, fitted.best_epoch_
    assert drawn["training part"] == [(r["epoch"], r["train_rmse"]) for r in history]
    assert drawn["validation part"] == [(r["epoch"], r["validation_rmse"]) for r in history]
    assert drawn["met on the way (root of the loss)"] == [(r["epoch"], float(np.sqrt(r["loss"]))) for r in history]
    value = history[best - 1]["validation_rmse"]
    assert [(best, value)] in drawn.values()
    assert texts(figure) == [f"best: epoch {best}, {value:.4f}"]
    legend = [t.get_text() for t in axes_of(figure).get_legend().get_texts()]
    assert legend == ["training part", "validation part", "met on the way (root of the loss)"]


def test_training_without_validation_marks_no_epoch():
    model = MatrixFactorization(4, n_epochs=3, validation_fraction=0, random_state=0).fit(low_rank())
    figure = plots.training(model)
    assert texts(figure) == []
    assert "validation part" not in lines(figure)
    ticks = axes_of(figure).get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_training_needs_a_history():
    with pytest.raises(DataError, match="there is no training history to draw: this model was not trained by epochs"):
        plots.training_curves([], None)


def test_reproduction_draws_the_published_points_and_ours():
    histories = [[{"epoch": e, "loss": 1 / e, "validation_rmse_unclipped": 2 / e} for e in (1, 2)] for _ in range(2)]
    figure = plots.reproduction(histories)
    drawn = [[tuple(map(float, p)) for p in np.array(line.get_xydata())] for line in axes_of(figure).lines]
    assert drawn.count([(1, 1.0), (2, 0.5)]) == drawn.count([(1, 2.0), (2, 1.0)]) == 2
    assert list(enumerate(LOSS, 1)) in drawn
    assert list(enumerate(TEST_RMSE, 1)) in drawn
    legend = [t.get_text() for t in axes_of(figure).get_legend().get_texts()]
    assert sorted(legend) == [
        "test RMSE, ours, one line a seed",
        "test RMSE, published",
        "training loss, ours, one line a seed",
        "training loss, published",
    ]


def test_rating_distribution(data):
    figure = plots.rating_distribution(data)
    assert_titled(figure, "Ratings by value", "value", "ratings")
    assert [height for _, height in bars(figure)] == [1, 3, 1]
    assert [t.get_text() for t in axes_of(figure).get_xticklabels()] == ["1", "3", "5"]


def test_many_values_are_drawn_as_forty_bars():
    many = interactions(range(500), [1] * 500, np.linspace(0, 10, 500))
    heights = [height for _, height in bars(plots.rating_distribution(many))]
    assert len(heights) == 40
    assert sum(heights) == 500


def test_ratings_per_user_and_per_item_have_every_count_and_the_median(data):
    for draw, title, x, y, median, n in (
        (plots.ratings_per_user, "Ratings per user", "ratings of one user (log scale)", "users", 1, 3),
        (plots.ratings_per_item, "Ratings per item", "ratings of one item (log scale)", "items", 1, 4),
    ):
        figure = draw(data)
        assert_titled(figure, title, x, y)
        assert axes_of(figure).get_xscale() == "log"
        assert sum(height for _, height in bars(figure)) == n
        assert list(lines(figure)) == [f"median {median}"]
        assert {x for x, _ in lines(figure)[f"median {median}"]} == {median}


def test_rows_without_ratings_are_not_counted(data):
    figure = plots.ratings_per_user(data.take(np.array([0, 1])))
    assert sum(height for _, height in bars(figure)) == 1


def test_popularity(data):
    figure = plots.popularity(data)
    assert_titled(figure, "Popularity", "rank of the item (log scale)", "ratings (log scale)")
    assert (axes_of(figure).get_xscale(), axes_of(figure).get_yscale()) == ("log", "log")
    (line,) = lines(figure).values()
    assert line == [(1, 2), (2, 1), (3, 1), (4, 1)]
    assert texts(figure) == ["the top tenth has 40% of all ratings"]


def test_ratings_over_time_shows_empty_weeks_as_empty_and_the_last_one_whole(data):
    figure = plots.ratings_over_time(data)
    assert_titled(figure, "Ratings over time", "week", "ratings")
    (line,) = axes_of(figure).lines
    assert line.get_drawstyle() == "steps-post"
    days = [d.astype("datetime64[D]").item() for d in np.asarray(line.get_xdata(orig=True))]
    assert days == [date(2024, 1, 1), date(2024, 1, 8), date(2024, 1, 15), date(2024, 1, 22)]
    assert line.get_ydata().tolist() == [3, 0, 2, 0]
    assert axes_of(figure).get_ylim()[0] == 0
    assert isinstance(axes_of(figure).xaxis.get_major_locator(), matplotlib.dates.DateLocator)


def test_ratings_over_time_need_times():
    with pytest.raises(DataError, match="ratings over time need times, and these interactions have none"):
        plots.ratings_over_time(interactions([1], [1], [1]))


def horizontal(figure: Figure) -> dict[str, float]:
    axes = axes_of(figure)
    labels = [t.get_text() for t in axes.get_yticklabels()]
    return dict(zip(labels, [p.get_width() for p in axes.patches], strict=True))


def test_genres_and_occupations_are_counted_and_written_beside_their_bars():
    figure = plots.genres(ITEMS)
    assert_titled(figure, "Items by genre", "items", "")
    assert horizontal(figure) == {"Drama": 1, "War": 2}
    assert texts(figure) == [" 1", " 2"]
    figure = plots.occupations(USERS)
    assert_titled(figure, "Users by occupation", "users", "")
    assert horizontal(figure) == {"cook": 1, "poet": 2}


def test_every_age_has_its_bar():
    figure = plots.ages(USERS)
    assert_titled(figure, "Users by age", "age in years", "users")
    assert {b for b in bars(figure) if b[1]} == {(0, 1), (30, 2)}
    old = plots.ages(pl.DataFrame({"age": [80, 99, 120]}))
    assert {b for b in bars(old) if b[1]} == {(80, 1), (95, 1), (120, 1)}
    unknown = plots.ages(pl.DataFrame({"age": pl.Series([None, None], dtype=pl.Int64)}))
    assert not any(height for _, height in bars(unknown))
    groups = plots.ages(pl.DataFrame({"age": ["56+", "18-24", None, "18-24"]}))
    assert [height for _, height in bars(groups)] == [2, 1]


def test_save_all_writes_a_png_for_each_figure_that_the_data_have(data, tmp_path):
    dataset = Dataset("made", data, ITEMS, USERS)
    paths = plots.save_all(dataset, tmp_path / "new" / "folder")
    assert [p.name for p in paths] == [
        "rating_distribution.png",
        "ratings_per_user.png",
        "ratings_per_item.png",
        "popularity.png",
        "ratings_over_time.png",
        "genres.png",
        "ages.png",
        "occupations.png",
    ]
    assert sorted(paths) == sorted((tmp_path / "new" / "folder").iterdir())
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)


def test_save_all_leaves_out_what_the_data_lack(tmp_path):
    bare = Dataset("bare", interactions([1, 2], [1, 2], [1, 2]), ITEMS.select("item_id"), USERS.select("user_id"))
    names = [p.stem for p in plots.save_all(bare, tmp_path)]
    assert names == ["rating_distribution", "ratings_per_user", "ratings_per_item", "popularity"]


def test_without_matplotlib_the_pip_command_is_named(data, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    for module in ("matplotlib.figure", "palate.plots.figure"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"drawing figures needs the extra 'plots': pip install 'palate\[plots"):
        plots.rating_distribution(data)
