"""What the page says, without a browser: HTML, escaping, sentences, lists, the server's edges."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl
import pytest
from synthetic import low_rank
from ui_models import HOSTILE, Reader, small_model

from palate.data.ids import Ids
from palate.data.typed_ids import Found, NotFound, find_user
from palate.models import BPR, EASE, Baseline, MatrixFactorization, Popularity
from palate.ui import build_ui, cards
from palate.ui.page import ANY_GENRE, HOW_MANY, respond
from palate.ui.report import INK, levels, report
from palate.ui.source import Source
from palate.ui.users import example_users

# -- ids ---------------------------------------------------------------------------------------------------------------

NUMBERS = Ids([1, 2, 3, 5, 943], "user")
NAMES = Ids(["ann", "bob", " spaced ", "42"], "user")
UNFIT = [
    ("", "Type a user id, such as 1, or choose someone below."),
    ("   ", "Type a user id, such as 1, or choose someone below."),
    (None, "Type a user id, such as 1, or choose someone below."),
    ("944", "There is no user 944: ids go from 1 to 943."),
    ("0", "There is no user 0: ids go from 1 to 943."),
    ("4", "There is no user 4: ids go from 1 to 943, with gaps; the nearest are 3 and 5."),
    ("-5", "User ids are never negative: they go from 1 to 943."),
    ("3.5", "User ids are whole numbers from 1 to 943, without point or comma: not 3.5."),
    ("3.0", "User ids are whole numbers from 1 to 943, without point or comma: not 3.0."),
    ("3,5", "User ids are whole numbers from 1 to 943, without point or comma: not 3,5."),
    ("1" + "0" * 30, "A number of 31 digits is far too large: user ids go from 1 to 943."),
    ("-" + "9" * 5000, "A number of 5000 digits is far too large: user ids go from 1 to 943."),
    ("9223372036854775807", "A number of 19 digits is far too large: user ids go from 1 to 943."),
    ("Anna", "“Anna” is not a user id: ids are whole numbers from 1 to 943."),
    ("1_0", "“1_0” is not a user id: ids are whole numbers from 1 to 943."),
    ("٣", "“٣” is not a user id: ids are whole numbers from 1 to 943."),
    ("1e3", "“1e3” is not a user id: ids are whole numbers from 1 to 943."),
    ("nan", "“nan” is not a user id: ids are whole numbers from 1 to 943."),
    ("x" * 300, "“" + "x" * 23 + "…” is not a user id: ids are whole numbers from 1 to 943."),
]


@pytest.mark.parametrize(("typed", "sentence"), UNFIT)
def test_an_unfit_id_gets_a_sentence(typed: str | None, sentence: str) -> None:
    assert find_user(typed, NUMBERS) == NotFound(sentence)


@pytest.mark.parametrize("typed", ["5", " 5 ", "+5", "005", "\t5\n"])
def test_an_integer_id_is_found_however_it_is_spaced(typed: str) -> None:
    assert find_user(typed, NUMBERS) == Found(5, 3)


def test_ids_of_text_are_found_as_they_stand_and_then_without_spaces() -> None:
    assert find_user(" spaced ", NAMES) == Found(" spaced ", 2)
    assert find_user(" bob ", NAMES) == Found("bob", 1)
    assert find_user("42", NAMES) == Found("42", 3)
    assert find_user("Bob", NAMES) == NotFound("There is no user “Bob”. Ids look like “bob” or “ann”.")
    assert find_user("anna", NAMES) == NotFound("There is no user “anna”. Ids look like “ann” or “bob”.")
    assert find_user("zoe", NAMES) == NotFound("There is no user “zoe”. Ids look like “ann” or “bob”.")
    assert find_user("", NAMES) == NotFound("Type a user id, such as ann, or choose someone below.")


def test_negative_ids_are_fine_where_a_model_has_them() -> None:
    assert find_user("-3", Ids([-3, 4], "user")) == Found(-3, 0)
    assert find_user("-4", Ids([-3, 4], "user")) == NotFound("There is no user -4: ids go from -3 to 4.")
    assert find_user("1", Ids([], "user")) == NotFound("This model knows no users yet.")


# -- examples ----------------------------------------------------------------------------------------------------------


def test_examples_are_varied_and_true(films: Any) -> None:
    source = Source(films)
    examples = example_users(source)
    ids = [one.user_id for one in examples]
    assert len(set(ids)) == len(ids) == 6
    reasons = {re.sub(r" · .*|Loves .*", "", one.why): one for one in examples}
    assert set(reasons) == {"Typical", "Rated most", "", "Hard to please", "Easy to please", "Brief history"}
    counts = np.diff(films.seen_.indptr)
    most = films.users_.values[int(np.argmax(counts))]
    assert reasons["Rated most"].user_id == most
    assert reasons["Rated most"].why == f"Rated most · {counts.max()} ratings"
    index = int(films.users_.index(reasons["Hard to please"].user_id)[0])
    hard = films.seen_.row(index)[1].mean()
    assert hard < 2 < films.seen_.values.mean()
    assert source.user_means[index] == pytest.approx(hard, abs=1e-6)


def test_examples_fill_up_where_few_stand_out(bare: Any) -> None:
    examples = example_users(Source(bare))
    assert len({one.user_id for one in examples}) == len(examples) == 6


def test_examples_without_training_rows_are_the_first_users() -> None:
    model = small_model([1, 2, 3], list(range(6)), store_history=False)
    assert [one.user_id for one in example_users(Source(model))] == [1, 2, 3]


# -- lists -------------------------------------------------------------------------------------------------------------


def test_the_history_is_what_the_user_rated_highest(films: Any) -> None:
    source = Source(films)
    index = int(films.users_.index(1)[0])
    items, values = films.seen_.row(index)
    entries = source.history(index, 20)
    assert [entry.value for entry in entries] == sorted(values.tolist(), reverse=True)[:20]
    assert {entry.item_id for entry in entries} <= set(films.items_.at(items).to_list())


def test_the_recommendations_are_the_models(films: Any) -> None:
    entries = Source(films).recommended(405, 10, "Comedy")
    wanted = films.recommend(405, 10, where="genres=Comedy", clip=True)
    assert [entry.item_id for entry in entries] == wanted["item_id"].to_list()
    assert [entry.value for entry in entries] == wanted["score"].to_list()
    assert all("Comedy" in entry.genres for entry in entries)


def test_what_is_left_is_counted(films: Any) -> None:
    source = Source(films)
    index = int(films.users_.index(405)[0])
    everything = films.recommend(405, len(films.items_), where="genres=Western")
    assert source.left(index, "Western") == len(everything)
    assert source.left(index, None) == len(films.items_) - source.user_counts[index]


def test_the_year_of_a_title_goes_before_that_of_its_release() -> None:
    items = pl.DataFrame(
        {"item_id": [0, 1, 2, 3], "title": ["Fargo (1996)", "1984", "(1999)", None], "year": [1997, 1984, 1999, None]}
    )
    source = Source(small_model([1, 2], [0, 1, 2, 3], items))
    shown = [(entry.title, entry.year) for entry in (source.entry(index, 1.0) for index in range(4))]
    assert shown == [("Fargo", 1996), ("1984", 1984), ("(1999)", 1999), ("Item 3", None)]


def test_a_model_of_ids_alone_works(bare: Any) -> None:
    source = Source(bare)
    told, lists, _ = respond(source, example_users(source), "3", 10, ANY_GENRE)
    assert "Item 10" in Reader(lists).seen
    assert "pl-error" not in told
    assert not source.genres
    assert "titles" not in Reader(cards.header(source, None)).seen
    build_ui(bare)


def test_a_model_without_training_rows_works() -> None:
    source = Source(small_model([1, 2, 3], list(range(6)), store_history=False))
    lists = respond(source, example_users(source), "2", 5, ANY_GENRE)[1]
    assert "saved without its training rows" in Reader(lists).seen
    assert Reader(lists).tags.count("tr") == 1 + 5
    assert "cannot be counted here" in Reader(report(source, None)).seen
    build_ui(source.model)


def test_ids_of_text_and_a_scale_without_stars_work() -> None:
    model = small_model(["ann", "bob"], ["x", "y", "z", "w"], rating_range=(1, 100))
    source = Source(model)
    lists = respond(source, [], "ann", 5, ANY_GENRE)[1]
    assert "★" not in lists
    assert "of 100" in Reader(lists).seen
    assert {"x", "z"} & set(Reader(lists).words) or {"y", "w"} & set(Reader(lists).words)


def test_a_log_of_clicks_speaks_of_picks() -> None:
    table = pl.DataFrame({"user_id": [1, 1, 2], "item_id": [1, 2, 3]})
    from palate.data.interactions import Interactions

    data = Interactions.from_table(table)
    source = Source(MatrixFactorization(n_factors=2, n_epochs=1, random_state=0).fit(data))
    lists = Reader(respond(source, [], "1", 5, ANY_GENRE)[1]).seen
    assert "What they picked" in lists
    assert "rated" not in lists
    assert "★" not in lists
    assert "Picks" in Reader(report(source, None)).seen


def test_scores_that_only_order_are_not_shown(movielens: Any) -> None:
    source = Source(Popularity().fit(movielens.interactions, items=movielens.items))
    lists = respond(source, example_users(source), "1", 5, ANY_GENRE)[1]
    past, future = lists.split('<section class="pl-panel pl-next">')
    assert "Stars" in Reader(past).seen
    wanted = source.model.recommend(1, 5)
    assert wanted["score"][0] == 485
    shown = Reader(future).seen
    assert "1 Liar Liar 1997" in shown
    for word in ("485", "5.0", "★", "Predicted", "Score"):
        assert word not in shown
    assert "pl-bar" not in future
    assert Reader(future).tags.count("th") == 2
    assert Reader(future).tags.count("td") == 2 * 5
    build_ui(source.model)


def test_a_baseline_predicts_stars_and_says_that_it_has_no_epochs(movielens: Any) -> None:
    source = Source(Baseline().fit(movielens.interactions, items=movielens.items))
    shown = Reader(respond(source, [], "1", 5, ANY_GENRE)[1]).seen
    assert "Predicted" in shown
    assert f"{source.model.recommend(1, 1, clip=True)['score'][0]:.1f} ★" in shown
    assert "This model keeps no history: it is computed in one go." in Reader(report(source, None)).seen
    assert "Baseline" in Reader(cards.header(source, None)).seen
    build_ui(source.model)


def test_a_user_who_has_had_everything_is_told_so() -> None:
    items = pl.DataFrame({"item_id": [0, 1], "title": ["One", "Two"], "genres": [["Noir"], ["War"]]})
    source = Source(small_model([1, 2], [0, 1], items))
    lists = respond(source, [], "1", 5, "War")[1]
    assert "Nothing of the genre War is left that this user has not had." in Reader(lists).seen


def test_a_wrong_id_clears_the_lists_and_the_marked_example(films: Any) -> None:
    source = Source(films)
    examples = example_users(source)
    right = respond(source, examples, str(examples[1].user_id), 10, ANY_GENRE)
    wrong = respond(source, examples, "999999", 10, ANY_GENRE)
    assert right[2] == str(examples[1].user_id)
    assert "pl-table" in right[1]
    assert "pl-error" not in right[0]
    assert "There is no user 999999" in Reader(wrong[0]).seen
    assert "pl-table" not in wrong[1]
    assert wrong[2] is None


def test_answers_at_the_same_time_are_those_one_by_one(films: Any) -> None:
    source = Source(films)
    asked = [(str(user), n, genre) for user in range(1, 13) for n in HOW_MANY for genre in (ANY_GENRE, "Drama")]
    one_by_one = [respond(source, [], *question) for question in asked]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda question: respond(source, [], *question), asked)) == one_by_one


def test_a_title_with_two_ids_is_shown_once_and_names_the_other(films: Any) -> None:
    source = Source(films)
    table = films.item_table_
    twice = table.filter(pl.struct("title", "year").is_duplicated())
    assert len(twice) == 36
    shown = {entry.item_id: entry for entry in source.recommended(1, len(table), None)}
    pairs = [group["item_id"].to_list() for _, group in twice.group_by("title", "year")]
    both = [pair for pair in pairs if not set(pair) & set(films.items_.at(films.seen_.row(0)[0]))]
    assert len(both) > 9
    scores = dict(films.recommend(1, len(table), clip=True).select("item_id", "score").iter_rows())
    for one, other in both:
        assert (one in shown) != (other in shown)
        entry, left = (shown[one], other) if one in shown else (shown[other], one)
        assert entry.same_title == (left,)
        assert entry.value >= scores[left]
        listed = cards.item_list(source, [entry], None, "x", predicted=True)
        assert f"Also in the catalogue as item {left}" in Reader(listed).seen


def test_the_popular_list_is_said_to_be_so() -> None:
    table = pl.DataFrame({"user_id": [1, 1, 2, 2, 3], "item_id": [1, 2, 1, 3, 4], "rating": [5, 4, 5, 4, 1]})
    from palate.data.interactions import Interactions

    source = Source(EASE(positive=4).fit(Interactions.from_table(table, rating_range=(1, 5))))
    assert source.model.recommend(3, 2)["source"].to_list() == ["popular"] * 2
    shown = Reader(respond(source, [], "3", 5, ANY_GENRE)[1]).seen
    assert cards.POPULAR in shown
    assert cards.POPULAR not in Reader(respond(source, [], "1", 5, ANY_GENRE)[1]).seen


@pytest.mark.parametrize("acting", ["\u202e", "\u2066", "\u200f", "\u061c", "\ufeff", "\x1b", "\x00", "\u2028", "\x85"])
def test_no_sign_of_a_title_or_id_acts(acting: str) -> None:
    items = pl.DataFrame({"item_id": [0, 1], "title": [f"One{acting}two", "b"], "genres": [[f"No{acting}ir"], ["War"]]})
    source = Source(small_model([f"u{acting}1", "v"], [0, 1], items))
    assert source.entry(0, 1.0).title == "One two"
    assert source.genres == ["No ir", "War"]
    assert acting not in cards.text(f"a{acting}b")
    page: Any = build_ui(source.model)
    assert acting not in str(
        next(one.choices[0][0] for one in page.blocks.values() if one.__dict__.get("elem_id") == "examples")
    )


# -- HTML --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", HOSTILE)
def test_text_is_shown_as_it_is(title: str) -> None:
    shown = cards.text(title)
    assert not set("<>\"'{}$`\\") & set(shown)
    assert "".join(Reader(shown).words) == re.sub("[\x00-\x1f\u202e]+", " ", title)


def test_nothing_from_data_becomes_markup(hostile: Any) -> None:
    source = Source(hostile)
    pages = [respond(source, [], str(user), 20, ANY_GENRE)[1] for user in hostile.users_.values]
    pages += [report(source, {"<script>": "<script>"}), cards.header(source, "<script>alert(1)</script>")]
    pages += [respond(source, [], "<img src=x onerror=alert(1)>", 5, ANY_GENRE)[0]]
    for page in pages:
        reader = Reader(page)
        assert not {"script", "b", "i"} & set(reader.tags)
        assert "onerror" not in reader.attributes
        assert "${" not in page
        assert "{{" not in page
    assert "<script>alert(1)</script>" in " ".join(Reader(page).seen for page in pages[:3])
    assert "&amp;lt;i" in "".join(pages)


def test_long_titles_are_cut(hostile: Any) -> None:
    entry = Source(hostile).entry(5, 1.0)
    assert len(entry.title) == 200
    assert entry.title.endswith("A…")


def test_stars_are_said_in_words(films: Any) -> None:
    source = Source(films)
    assert 'aria-label="3.5 of 5 stars"' in cards.rated(source, 3.5)
    assert "width:70.0%" in cards.rated(source, 3.5)
    assert Reader(cards.score(source, 4.26)).seen == "4.3 ★"


def test_bars_follow_the_scale(films: Any) -> None:
    source = Source(films)
    widths = [re.search(r"width:([\d.]+)%", cards.bar(source, value, 5.0))[1] for value in (1, 3, 5, 9, -2)]  # type: ignore[index]
    assert widths == ["0.0", "50.0", "100.0", "100.0", "0.0"]


def test_the_model_is_named_in_plain_words(films: Any, bare: Any) -> None:
    assert cards.model_words(Source(films)) == "Matrix factorization"
    named = Reader(cards.header(Source(films), "Film night")).seen
    assert "Film night" in named
    assert "Matrix factorization with 8 factors, learned from" in named
    assert (
        "Learned from 42 ratings that 7 users gave 12 items, with 2 factors."
        in Reader(cards.header(Source(bare), None)).seen
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("ImplicitALS", "Implicit ALS"), ("EASE", "EASE"), ("BayesianMF", "Bayesian MF"), ("Popularity", "Popularity")],
)
def test_other_models_names(name: str, words: str, films: Any) -> None:
    source = Source(films)
    source.model = type(name, (), {})()
    assert cards.model_words(source) == words


# -- report ------------------------------------------------------------------------------------------------------------


def test_a_ranking_models_curves_have_the_pages_words_and_colours() -> None:
    model = BPR(2, n_epochs=3, positive=3, random_state=0).fit(low_rank())
    drawn = re.findall(r"base64,([^\"]+)", report(Source(model), None))
    assert len(drawn) == len(INK) == 2
    for picture, ink in zip(drawn, INK.values(), strict=True):
        svg = base64.b64decode(picture).decode()
        assert "<!-- validation NDCG@10 -->" in svg
        assert "<!-- Training -->" not in svg  # the page has a heading of its own
        assert f"fill: {ink}" in svg[svg.index("<!-- epoch -->") - 400 : svg.index("<!-- epoch -->") + 400]


def test_the_report_counts_the_training_rows(films: Any) -> None:
    source = Source(films)
    values = films.seen_.values
    assert levels(source) == [(str(star), int((values == star).sum())) for star in (1, 2, 3, 4, 5)]
    seen = Reader(report(source, {"Source": "the vault"})).seen
    for figure in (f"{len(values):,}", f"{len(films.users_):,}", f"{values.mean(dtype=np.float64):.2f}", "the vault"):
        assert figure in seen
    top = int(np.argmax(source.item_counts))
    assert f"{source.item_counts[top]:,}" in seen
    assert source.entry(top, 1.0).title in seen
    assert f"Best epoch: {films.best_epoch_} of {len(films.history_)}, chosen on validation data" in seen


def test_many_levels_are_counted_in_bins() -> None:
    model = small_model(list(range(30)), list(range(8)), rating_range=(1, 100))
    source = Source(model)
    assert sum(count for _, count in levels(source)) == len(model.seen_.values)
    model.seen_.values.flags.writeable = True
    model.seen_.values[:] = np.linspace(1, 100, len(model.seen_.values))
    found = levels(source)
    assert len(found) == 10
    assert found[0][0] == "1 to 10.9"
    assert sum(count for _, count in found) == len(model.seen_.values)


def test_without_matplotlib_the_epochs_are_a_table(films: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "data:image/svg+xml" in report(Source(films), None)
    monkeypatch.setattr("palate.ui.report.find_spec", lambda name: None)
    page = report(Source(films), None)
    assert "data:image/svg+xml" not in page
    assert "<details open>" in page
    assert f"{films.history_[0]['train_rmse']:.4f}" in page
