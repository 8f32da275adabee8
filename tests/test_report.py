"""The report: one file, safe, the same each time, with every section, or a sentence on why it is empty."""

from __future__ import annotations

import builtins
import dataclasses
import html
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from made_run import made_run
from parsed_page import Read, section

import palate
from palate import markup
from palate.errors import DataError, MissingExtraError, ParameterError
from palate.evaluation.findings import an, listed
from palate.report import page as make_page
from palate.report.drawing import svg
from palate.report.results import Results

HOSTILE = (
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(2)>",
    "\" onmouseover='alert(3)' &amp; $x$ <!-- -->",
    "\u202egnihtyna\u202c \x00 \ud800",
)
SECTIONS = ["data", "comparison", "training", "calibration", "errors", "groups", "trade-offs", "examples", "repeating"]


@pytest.fixture(scope="module")
def page():
    return make_page(made_run())


@pytest.fixture(scope="module")
def hostile():
    return make_page(made_run(HOSTILE[:3], titles=HOSTILE))


@pytest.fixture(scope="module")
def ratings_only():
    return make_page(made_run(metrics=("rmse",), groups=False))


@pytest.fixture(scope="module")
def lists_only():
    return make_page(made_run(("popularity", "popularity(half)"), metrics=("ndcg@10",)))


@pytest.fixture(scope="module")
def many():
    labels = [f"mf({k})" for k in range(7)]
    return make_page(made_run(labels, ("rmse", "mae", "ndcg@10", "recall@10", "map@10"), n_folds=2))


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the figures empty but for their names: drawing them takes nearly all of a report's time."""

    def named(figure, alt, prefix):
        return markup.Html(f'<svg role="img" aria-label="{html.escape(alt)}"></svg>')

    monkeypatch.setattr("palate.report.drawing.svg", named)


@pytest.fixture(params=["page", "hostile", "ratings_only", "lists_only", "many"])
def any_page(request):
    return request.getfixturevalue(request.param)


# -- one file that asks nothing of anybody -----------------------------------------------------------------------------


def test_it_is_small(any_page):
    assert 30_000 < len(any_page.encode("utf-8", "replace")) < 3_000_000


def test_it_points_nowhere_outside_and_runs_nothing(any_page):
    read = Read(any_page)
    allowed = {
        *("html", "head", "meta", "title", "link", "style", "body", "main", "header", "footer", "nav", "section"),
        *("article", "div", "h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "a", "b", "bdi", "span", "strong", "small"),
        *("dl", "dt", "dd", "pre", "code", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure"),
        *("figcaption", "details", "summary", "svg", "g", "defs", "path", "use", "text", "tspan", "clippath", "rect"),
    }
    assert {tag for tag, _ in read.elements} <= allowed
    for tag, attributes in read.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "xlink:href", "action", "data", "srcset", "poster"):
                assert value.startswith(("#", "data:image/svg+xml,")), (tag, value)
            for target in re.findall(r"url\(([^)]*)\)", value or "") if name in ("style", "clip-path") else ():
                assert target.startswith("#"), (tag, value)
    style = "".join(data for tag, data in read.texts if tag == "style")
    assert "url(" not in style
    assert "@import" not in style
    assert "//" not in style
    assert "://" not in any_page  # not even in a name space


def test_its_policy_forbids_all_but_its_own_style_and_icon(page):
    (policy,) = [one["content"] for one in Read(page).of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_elements_are_closed_and_ids_are_unique_and_found(any_page):
    read = Read(any_page)
    assert read.faults == []
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = [v[1:] for _, a in read.elements for n, v in a.items() if n == "href" and v.startswith("#")]
    wanted += re.findall(r"url\(#([^)]+)\)", any_page)
    wanted += [a["aria-labelledby"] for _, a in read.elements if "aria-labelledby" in a]
    assert len(wanted) > 20
    assert set(wanted) <= set(ids)


def test_what_people_wrote_stays_text(hostile):
    read = Read(hostile)
    assert read.faults == []
    said = {data for _, data in read.texts}
    for title in HOSTILE:
        assert title in said
    for tag in ("script", "img", "iframe"):
        assert read.of(tag) == []
    assert len(read.of("title")) == 1
    assert HOSTILE[0] in read.of("svg")[3]["aria-label"]


def test_the_same_run_gives_the_same_bytes_in_another_process(page, tmp_path):
    made_run().save(_folder(tmp_path / "run"))
    code = "import sys, palate; palate.write_report(sys.argv[1], sys.argv[2])"
    out = tmp_path / "report.html"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "run"), str(out)],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},  # here it is another
    )
    assert out.read_text(encoding="utf-8") == page


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


# -- for everybody -----------------------------------------------------------------------------------------------------


def test_headings_go_down_by_one(any_page):
    levels = [int(tag[1]) for tag, _ in Read(any_page).elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_language_tables_and_figures_are_named(any_page):
    read = Read(any_page)
    assert read.of("html") == [{"lang": "en"}]
    assert len(read.of("caption")) == len(read.of("table")) > 4
    assert all(cell["scope"] in ("row", "col") for cell in read.of("th"))
    pictures = read.of("svg")
    assert len(pictures) == len(read.of("figure")) == len(read.of("figcaption")) > 3
    for picture in pictures:
        assert picture["role"] == "img"
        assert re.search(r"\d", picture["aria-label"]), "an alt text has the numbers"
        assert len(picture["aria-label"]) > 60


@pytest.mark.usefixtures("undrawn")
def test_alt_texts_follow_the_data():
    def alts(run):
        return [one["aria-label"] for one in Read(make_page(run)).of("svg")]

    one, other = alts(made_run(metrics=("rmse",))), alts(made_run(metrics=("rmse",), best=1))
    same = [a for a, b in zip(one, other, strict=True) if a == b]
    assert len(same) == 3  # the two of the data, and the training of mf
    assert any("mf has the lowest RMSE" in text for text in one)
    assert any("baseline has the lowest RMSE" in text for text in other)


def test_words_in_figures_are_words_in_the_pages_fonts_and_colours(page):
    start = page.index("<svg", page.index('<section id="calibration"'))
    figure = page[start : page.index("</svg>", start)]
    assert ">mean prediction</text>" in figure
    assert "font-family" not in figure
    assert "var(--soft)" in figure
    assert house_colours(figure) == {"#e69f00", "#009e73"}  # of the two models


def house_colours(figure):
    return set(re.findall(r"#[0-9a-f]{6}\b", figure))


# -- the sections ------------------------------------------------------------------------------------------------------


def test_the_sections_stand_in_order_and_in_the_contents(any_page):
    assert re.findall(r'<section id="([^"]+)"', any_page) == SECTIONS
    read = Read(any_page)
    assert [a["href"] for a in read.of("a")] == [f"#{key}" for key in SECTIONS]
    headings = [text for tag, text in read.texts if tag == "h2"]
    assert [text.split("  ")[0] for text in headings[1:]] == [str(n) for n in range(1, 10)]


def test_the_summary_says_data_split_date_and_finding(page):
    header = Read(page[page.index("<header>") : page.index("</header>")]).text
    assert "popularity, baseline and mf on films" in header
    assert "Split time:0.2 · 320 training and 80 test ratings · 24 November 2026" in header
    best = Results.of(made_run()).best("rmse")
    value = f"{best['mean']:.4f} ({best['low']:.4f} to {best['high']:.4f})"
    assert f"On time:0.2, mf has the lowest RMSE, {value}; the difference from baseline is significant." in header
    assert "mf has the highest NDCG@10, 0." in header
    assert "the difference from every other model is significant." in header
    assert "Best RMSE" in header


def test_the_data(page):
    text = section(page, "data")
    for words in ("Users30", "Sparsity73.33%", "Time span2020-01-01 to 2021-02-03", "Alien (1979)304.25"):
        assert words in text
    assert "time:0.2: 320 rows to learn from, 80 to be tested on" in text
    assert "dropped 2 rows: no value" in text
    assert "The most frequent value is 4: 38% of 400 ratings." in text


def test_the_comparison(page):
    text = section(page, "comparison")
    assert "The typical error of a predicted rating" in text
    table = made_run().table()
    for row in table.iter_rows(named=True):
        assert f"{row['model']}{row['mean']:.4f}{row['low']:.4f} to {row['high']:.4f}" in text
    assert "0.01003012" in text  # worst tenth, users, without a list, left out
    (test,) = made_run().tests().filter(pl.col("metric") == "rmse").to_dicts()
    assert f"baseline against mf{test['difference']:+.4f}{test['low']:+.4f} to {test['high']:+.4f}below 0.001" in text
    assert f"{test['effect']:.2f}mf is better" in text
    assert "mf0.250.50120" in text
    assert "popularity has no RMSE, and is left out there" in text


def test_notes_tell_of_the_data_and_not_of_the_writers_folders(page):
    assert "dropped 2 rows: no value" in page
    assert "secret" not in page


@pytest.mark.usefixtures("undrawn")
def test_no_difference_is_said_in_words():
    run = made_run(("mf", "baseline"), metrics=("rmse",))
    units = run.units.with_columns(pl.col("num") * 0 + 1.0 + 0.01 * pl.col("user_index").mod(3))
    run = dataclasses.replace(run, units=units)
    page = make_page(run)
    assert "no significant difference from mf" in section(page, "comparison")
    assert "NaN" not in page
    assert "no significant difference" in Read(page).text.split("Paired tests of RMSE")[1][:300]


@pytest.mark.usefixtures("undrawn")
def test_warnings_and_failures_are_shown():
    run = made_run()
    run.details["mf"]["warnings"] = ["mf ranks below popularity <here>", "too alike"]
    run.plan["failures"] = [{"model": "als", "fold": 2, "error": "training diverged"}]
    text = section(make_page(run), "comparison")
    assert "mf ranks below popularity <here>" in text
    assert "mf: too alike" in text
    assert "als, fold 3, gave no result: training diverged" in text
    quiet = made_run(("baseline", "mf"))
    assert "Nothing was warned of on the way." in section(make_page(quiet), "comparison")


def test_training_calibration_and_errors(page):
    assert "mf: best at epoch 2 of 3 epochs, validation RMSE 0.9000." in section(page, "training")
    assert "popularity and baseline are computed in one go and have no curves." in section(page, "training")
    assert "mf is closest to the ratings given: off by 0.100" in section(page, "calibration")
    assert "popularity does not predict ratings." in section(page, "calibration")
    assert "from 0.800 (mf, 6 to 30) to 1.365 (baseline, none)" in section(page, "errors")


def test_groups(page):
    text = section(page, "groups")
    assert "By activity" in text
    assert "By gender" in text
    assert "mfRMSE1 to 9150.91000.8900 to 0.9300" in text
    assert "The data says nothing of users' age; with a table of users (--users FILE)" in text


def test_trade_offs(page):
    text = section(page, "trade-offs")
    assert "mf is best in both NDCG@10 and novelty@10." in text
    results = Results.of(made_run())
    accuracy = results.best("ndcg@10")["mean"]
    assert f"mf{accuracy:.4f}5.00000.40000.40000.4000" in text
    assert "popularity lift@10by what share the lists are more popular" in text


def test_examples(page):
    text = section(page, "examples")
    assert "User 196 3 training rows, 49, M, writer".replace(" 3", "3") in text
    assert "Liked mostAlien (1979)5mfAlien (1979) ✓4.50Big (1988)4.25" in text
    marks = [a for a in Read(page).of("span") if a.get("class") == "hit"]
    assert {a["aria-label"] for a in marks} == {"in the test part"}
    assert len(marks) == 2 * 3  # users, models


def test_how_to_repeat_it(page):
    text = section(page, "repeating")
    assert "n_factors=4" in text
    assert "mftime:0.2423validation0.251" in text
    assert f"films, fingerprint {'ab' * 32}" in text
    assert "palate evaluate films.csv --model mf --fold 1" in text
    assert (
        "palate compare films.csv --models popularity,baseline,mf --split time:0.2 --metrics rmse,ndcg@10 --out RUN"
        in text
    )
    assert "palate report RUN --out report.html" in text
    assert "made-up, 2 cores, 24 GB" in text


def test_sections_without_lists_say_what_to_run(ratings_only):
    command = "--models popularity,baseline,mf --split time:0.2 --metrics rmse,ndcg@10 --out RUN"
    for key, why in (
        ("trade-offs", "No metric of ranked lists was asked for, so there is nothing to weigh against accuracy."),
        ("examples", "Lists were not asked for, so there are no examples."),
        ("groups", "No group of users was looked at"),
    ):
        text = section(ratings_only, key)
        assert why in text
        assert "<svg" not in ratings_only.split(f'id="{key}"')[1].split("</section>")[0]
        assert command in text


def test_sections_without_ratings_say_what_to_run(lists_only):
    for key in ("calibration", "errors"):
        text = section(lists_only, key)
        assert "No model here predicts ratings" in text
        assert "--models popularity,mf --split time:0.2 --metrics rmse,ndcg@10 --out RUN" in text
    assert "No model here is trained by epochs" in section(lists_only, "training")


def test_folds_and_many_models(many):
    assert "7 models on films" in many
    text = Read(many).text
    assert "Split kfold:2:42 · 2 folds of 320 training and 80 test ratings" in text
    assert "Of kfold:2:42 fold 1, the first of the folds." in section(many, "training")
    assert "All 21 pairs" in section(many, "comparison")
    assert "Shown are the 4 best models in NDCG@10, without mf(3)" in section(many, "examples")
    groups = many.split('<section id="groups"')[1].split("</section>")[0]
    assert groups.count("<figure") == 2 * 4  # groupings, metrics: the fifth stands in the table alone
    assert "mf(0)MAP@10F15" in section(many, "groups")


@pytest.mark.usefixtures("undrawn")
def test_very_many_pairs_are_not_all_listed(monkeypatch):
    monkeypatch.setattr("palate.report.scores.MOST_FOLDED", 12)
    text = section(make_page(made_run([f"mf({k})" for k in range(6)], metrics=("rmse",))), "comparison")
    assert "All 15 pairs: palate.evaluation.Comparison.open(RUN).tests()" in text
    assert text.count(" against ") == 5 + 1  # those of the best, and the caption


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_measured_is_told():
    run = made_run(("mf",), metrics=("rmse",))
    nothing = run.results.with_columns(pl.lit(None, pl.Float64).alias("value"))
    page = make_page(dataclasses.replace(run, results=nothing))
    assert "No metric has a value here" in Read(page).text


# -- sentences ---------------------------------------------------------------------------------------------------------


def test_findings_name_whom_the_best_cannot_be_told_from():
    run = made_run(("a", "b", "c"), metrics=("rmse",))
    results = Results.of(run)

    def with_verdicts(*unsure):
        rows = [{**row, "verdict": "no significant difference" if row["model"] in unsure else "x"} for row in rows_of]
        return dataclasses.replace(results, tests=pl.DataFrame(rows))

    rows_of = results.tests.to_dicts()
    start = results.finding("rmse").split(";")[0]
    assert with_verdicts().finding("rmse") == f"{start}; the difference from every other model is significant."
    assert with_verdicts("a").finding("rmse") == f"{start}; no significant difference from a, but from b."
    assert with_verdicts("a", "b").finding("rmse") == f"{start}; no significant difference from a and b."
    untested = dataclasses.replace(results, tests=results.tests.clear())
    assert untested.finding("rmse") == f"{start}."
    alone = Results.of(made_run(("a",), metrics=("rmse",)))
    assert alone.finding("rmse").startswith("a has an RMSE of 0.8948 (0.87")


def test_lists_and_articles():
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    words = ("RMSE", "NDCG@10", "MAP@10", "recall@5", "AUC", "hit rate@10", "entropy@10", "precision@1")
    assert [an(word).split()[0] for word in words] == ["an", "an", "an", "a", "an", "a", "an", "a"]


def test_markup_escapes_what_it_did_not_make():
    made = markup.element("p", "<b>", markup.element("i", "&"), None, class_='"x"', hidden=True, title=None)
    assert made == '<p class="&quot;x&quot;" hidden>&lt;b&gt;<i>&amp;</i></p>'
    assert markup.join(["<", markup.Html("<br>")]) == "&lt;<br>"


def test_svg_ids_do_not_meet():
    from palate.plots import importances

    figures = [svg(importances({"reg": 0.7, "x": 0.3}), "words <>", prefix) for prefix in ("a", "b")]
    ids = [set(re.findall(r' id="([^"]+)"', figure)) for figure in figures]
    assert all(ids)
    assert not ids[0] & ids[1]
    for own, figure in zip(ids, figures, strict=True):
        assert own == set(re.findall(r'(?:url\(|href=")#([^")]+)', figure))
        assert 'aria-label="words &lt;&gt;"' in figure


# -- writing -----------------------------------------------------------------------------------------------------------


def test_write_report_takes_a_run_or_its_folder(tmp_path, ratings_only):
    folder, run = _folder(tmp_path / "run"), made_run(metrics=("rmse",), groups=False)
    run.save(folder)
    assert palate.write_report(folder) == folder / "report.html"
    assert palate.write_report(str(folder), tmp_path / "a.html").read_text(encoding="utf-8") == ratings_only
    assert palate.write_report(run, tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html", "run"]


@pytest.mark.usefixtures("undrawn")
def test_half_characters_do_not_end_the_report(tmp_path):
    path = palate.write_report(made_run(titles=HOSTILE), tmp_path / "a.html")
    assert "gnihtyna" in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_write_report_refuses(tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match=r"needs a path for its report, such as report\.html"):
        palate.write_report(made_run())
    with pytest.raises(ParameterError, match=r"name a file that ends in \.html, not run\.json"):
        palate.write_report(made_run(), tmp_path / "run.json")
    with pytest.raises(ParameterError, match="run must be a Comparison or its folder, got int"):
        palate.write_report(3, tmp_path / "a.html")
    with pytest.raises(DataError, match=r"holds no comparison.*palate compare DATA --out"):
        palate.write_report(tmp_path)
    with pytest.raises(DataError, match=r"cannot write the report to .*nowhere.*: No such file"):
        palate.write_report(made_run(), tmp_path / "nowhere" / "a.html")


def test_a_report_needs_matplotlib(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    for module in ("matplotlib.figure", "palate.plots.figure"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"drawing figures needs the extra 'plots': pip install 'palate\[plots"):
        palate.write_report(made_run(), tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []


def test_a_real_comparison_is_reported(movielens, tmp_path):
    """The whole way: three models compared on MovieLens, kept, and reported."""
    from palate.evaluation import compare

    compare(["popularity", "baseline", "mf"], movielens, "time:0.2", ["rmse", "ndcg@10"], out=tmp_path / "run")
    page = palate.write_report(tmp_path / "run").read_text(encoding="utf-8")
    read = Read(page)
    assert read.faults == []
    assert "On time:0.2, mf has the lowest RMSE, 1.0" in html.unescape(page)
    assert "User " in section(page, "examples")
    assert len(read.of("svg")) >= 12
    assert len(page) < 1_000_000
