"""What a notebook shows: short reprs, tables of HTML that no text of the data gets out of, one bar, figures once."""

from __future__ import annotations

import base64
import html
import inspect
import re
import sys
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_run import made_run
from synthetic import interactions

import palate
from palate import notebook, plots
from palate.data.card import card as data_card
from palate.models import MODELS
from palate.progress import DONE, Progress, automatic, silent

HOSTILE = "<script>alert(1)</script>\u202e\x00\x1b[31m\"'&"


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    pairs = rng.permutation(30 * 20)[:300]
    return interactions(pairs // 20, pairs % 20, rng.integers(1, 6, 300))


@pytest.fixture(scope="module")
def hostile():
    """A data set in which every text is an attack."""
    table = {"user": [HOSTILE, "b", "b"], "item": [HOSTILE, HOSTILE, "c"], "value": [5, 1, 3]}
    rows = palate.Interactions.from_table(table)
    items = pl.DataFrame({"item_id": [HOSTILE, "c"], "title": [HOSTILE, None], "genres": [[HOSTILE], []]})
    return palate.Dataset(HOSTILE, rows, items, pl.DataFrame({"user_id": [HOSTILE, "b"]}), (HOSTILE,))


def objects(log, hostile) -> list[Any]:
    """Return one of everything that people end a cell with."""
    train, test = palate.split(log, 0.2, 1)
    model = palate.ALS(2, n_epochs=2, reg=1, random_state=0)
    result = palate.evaluate(model, train, test, metrics=["rmse", "ndcg@5"], progress=None)
    split, folds = palate.data.splits.making.make_splits(log, "random:0.2:1")[0], palate.make_splits(log, "kfold:3:1")
    lists = palate.ItemKNN(2, positive="any").fit(hostile.interactions, items=hostile.items)
    asked = [log, log.by_user(), hostile, hostile.interactions, data_card(hostile), split, folds]
    asked += [palate.Features.from_table(hostile.items.select("item_id", "title"), side="item", columns=["title"])]
    asked += [result, result.measured, model, model.fold_in(log), model.explain(*_pair(log)), made_run()]
    return [*asked, lists, lists.explain(HOSTILE, "c"), palate.EASE()]


def _pair(log):
    return log.users.values[0], log.items.values[0]


def test_everything_has_a_short_repr_and_a_safe_table(log, hostile):
    for one in objects(log, hostile):
        said = repr(one)
        assert len(said) < 1000, said
        assert said.isprintable() or isinstance(one, palate.Comparison), said
        assert said.startswith(type(one).__name__)
        if not hasattr(one, "_repr_html_"):
            continue
        page = one._repr_html_()
        assert page.startswith("<div"), type(one)
        assert "<table>" in page, type(one)
        page.encode()
        assert not re.search("[\x00-\x08\x0b-\x1f]", page)
        tags = set(re.findall(r"<(\w+)", page))
        assert tags <= {"div", "p", "strong", "bdi", "table", "thead", "tbody", "tr", "th", "td"}, tags
        assert "http" not in page
        assert "color" not in page  # the notebook's own, light or dark


def test_a_table_shows_the_first_rows_and_tells_how_many_there_are(log):
    page = log._repr_html_()
    assert page.count("<tr>") == 4 + 1 + notebook.MOST_ROWS  # facts, the head, the first rows
    assert '<th scope="row">rows</th><td><bdi>300</bdi></td>' in page
    assert "of 300 rows and 3 columns" in page
    assert "of 2 rows" not in notebook.preview(pl.DataFrame({"a": [1, 2]}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, notebook.NOTHING), (0.5, "0.5"), (3.0, "3"), (1 / 3, "0.3333"), (1e-9, "1e-09"), (0.0, "0"), (7, "7"),
        (["a", "b"], "a, b"), ("a\x00b\ud800", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
        (float("nan"), "nan"), ("x" * 200, "x" * 79 + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)  # fmt: skip
def test_cells(value, text):
    assert notebook.shown(value) == text


def test_a_comparison_shows_its_findings_as_the_report_does():
    run = made_run()
    assert run.findings()
    assert repr(run).splitlines() == [repr(run).splitlines()[0], *run.findings()]
    text = html.unescape(run._repr_html_())
    report = html.unescape(re.sub("<[^>]*>", "", palate.report.page(run)))
    for sentence in run.findings():
        assert sentence in text
        assert sentence in report


def test_a_comparison_tells_of_runs_that_failed(log):
    models = {"good": palate.Baseline(), "bad": palate.MatrixFactorization(2, learning_rate=1e9, random_state=0)}
    run = palate.compare(models, log, "random:0.2:1", ["rmse"])
    assert repr(run).startswith("Comparison(good, bad on random:0.2:1")
    assert "bad, fold 1, gave no result: training diverged" in run._repr_html_()


@pytest.mark.parametrize("key", MODELS)
def test_a_fitted_model_says_what_it_was_fitted_on(key, log):
    options: dict[str, Any] = {"positive": "any"} if "positive" in MODELS[key].parameter_names() else {}
    model = MODELS[key](**options)
    assert "not fitted" in model._repr_html_()
    if key in ("mf", "als", "ials"):
        model.set_params(n_epochs=1)
        page = model.fit(log)._repr_html_()
        assert ", fitted" in page
        assert f"<td><bdi>{log.n_users}</bdi></td>" in page


# -- figures ----------------------------------------------------------------------------------------------------------


def drawing(log) -> Any:
    return plots.rating_distribution(log)


def test_a_figure_draws_itself_with_its_words(log):
    figure = drawing(log)
    picture, told = figure._repr_png_()
    assert picture.startswith(b"\x89PNG")
    assert told == {"alt": str(plots.alt.rating_distribution(log)), "width": 768}
    page = figure._repr_html_()
    assert f'alt="{html.escape(told["alt"])}"' in page
    assert base64.b64decode(re.search(r"base64,([^\"]+)", page)[1]) == picture
    assert re.findall(r"<(\w+)", page) == ["img"]


def test_a_figure_is_not_kept_by_pyplot_which_would_show_it_again(log):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    drawing(log)
    assert pyplot.get_fignums() == []


def test_every_figure_has_words_of_the_same_arguments():
    for name in set(plots.__all__) - {"alt", "save_all"}:
        drawn, said = (inspect.signature(getattr(of, name)).parameters for of in (plots, plots.alt))
        assert list(drawn) == list(said), name


# -- progress ---------------------------------------------------------------------------------------------------------


class Shell:
    """Stands for IPython where a notebook runs; what it is shown is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        self.shown: list[dict[str, str]] = []
        shell = type(kind, (), {})()
        module, display = ModuleType("IPython"), ModuleType("IPython.display")
        module.get_ipython = lambda: shell
        display.display = self.display
        monkeypatch.setitem(sys.modules, "IPython", module)
        monkeypatch.setitem(sys.modules, "IPython.display", display)
        monkeypatch.setattr(notebook, "SECONDS_BETWEEN", 0.0)

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Shell:
        assert raw
        assert display_id
        assert not self.shown
        self.shown.append(data)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


def test_in_a_notebook_fit_shows_one_bar_and_leaves_one_line(log, monkeypatch):
    shell = Shell(monkeypatch, "ZMQInteractiveShell")
    palate.ALS(2, n_epochs=3, reg=1, random_state=0).fit(log)
    *bars, last = shell.shown
    assert [re.search(r'value="(\d)" max="(\d)"', bar["text/html"]).groups() for bar in bars] == [
        ("1", "3"), ("2", "3"), ("3", "3"),
    ]  # fmt: skip
    assert last["text/plain"].startswith("training 3 of 3")
    assert "<progress" not in last["text/html"]


@pytest.mark.parametrize("off", [None, silent])
def test_a_bar_can_be_switched_off(log, monkeypatch, off):
    shell = Shell(monkeypatch, "ZMQInteractiveShell")
    palate.ALS(2, n_epochs=3, reg=1, random_state=0).fit(log, progress=off)
    palate.evaluate(palate.ALS(2, n_epochs=3, reg=1, random_state=0), *palate.split(log), progress=off)
    palate.compare(["als"], log, "random:0.2:1", ["rmse"], progress=off)
    assert shell.shown == []


def test_nothing_is_shown_in_a_terminal_or_without_ipython(log, monkeypatch, capsys):
    palate.ALS(2, n_epochs=3, reg=1, random_state=0).fit(log)
    shell = Shell(monkeypatch, "TerminalInteractiveShell")
    palate.ALS(2, n_epochs=3, reg=1, random_state=0).fit(log)
    assert shell.shown == []
    assert capsys.readouterr() == ("", "")


def test_a_callers_own_callback_takes_the_place_of_the_bar(log, monkeypatch):
    shell, steps = Shell(monkeypatch, "ZMQInteractiveShell"), []
    palate.ALS(2, n_epochs=3, reg=1, random_state=0).fit(log, progress=steps.append)
    assert len(steps) == 3
    assert shell.shown == []


def test_tasks_side_by_side_have_a_bar_each_in_one_output(monkeypatch):
    shell = Shell(monkeypatch, "ZMQInteractiveShell")
    with notebook.watched(automatic) as told:
        told(Progress("training", 1, 5, task="<b>a"))
        told(Progress("training", 2, 5, {"validation_rmse": 0.9}, task="b"))
        assert shell.shown[-1]["text/html"].count("<progress") == 2
        assert "&lt;b&gt;a: training 1 of 5" in shell.shown[-1]["text/html"]
        assert "b: training 2 of 5  validation 0.9000" in shell.shown[-1]["text/plain"]
        told(Progress(DONE, 1, 1, task="b"))
        assert shell.shown[-1]["text/html"].count("<progress") == 1
        told(Progress("runs finished", 1, 2))
    assert shell.shown[-1]["text/plain"] == "runs finished 1 of 2"


def test_work_that_takes_no_steps_shows_nothing(log, monkeypatch):
    shell = Shell(monkeypatch, "ZMQInteractiveShell")
    palate.Popularity().fit(log)
    assert shell.shown == []


def test_an_error_ends_the_bar_and_is_raised(monkeypatch):
    shell = Shell(monkeypatch, "ZMQInteractiveShell")

    def fail() -> None:
        with notebook.watched(automatic) as told:
            told(Progress("training", 1, 5))
            raise palate.PalateError("no")

    with pytest.raises(palate.PalateError, match="no"):
        fail()
    assert "<progress" not in shell.shown[-1]["text/html"]


# -- a real kernel ----------------------------------------------------------------------------------------------------

CELLS = [
    "import palate\n"
    "table = {'user': [1, 1, 2, 2, 3], 'item': [1, 2, 1, 3, 2], 'value': [5, 3, 4, 1, 2]}\n"
    "log = palate.Interactions.from_table(table)\n"
    "log",
    "model = palate.ALS(2, n_epochs=3, reg=1, random_state=0).fit(log)",
    "model = model.fit(log, progress=None)",
    "palate.plots.rating_distribution(log)",
    "import matplotlib.pyplot  # as most notebooks do\npalate.plots.rating_distribution(log)",
    "palate.plots.training(model);",
]


def test_a_real_kernel_shows_tables_a_bar_and_each_figure_once(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3").execute()
    table, bar, off, bare, beside, quiet = (list(cell.outputs) for cell in book.cells)
    assert "<table>" in table[0].data["text/html"]
    assert table[0].data["text/plain"] == "Interactions(5 rows, 3 users, 3 items)"
    (line,) = bar
    assert line.data["text/plain"].startswith("training 3 of 3  train 0.")
    assert off == []
    for shown in (bare, beside):
        (figure,) = shown
        assert 'alt="The most frequent value is ' in figure.data["text/html"]
        assert figure.data["image/png"]
    assert quiet == []
