"""What the page says beyond the lists, without a browser: why, more like this, newcomers, several models."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pytest
from permuted import with_items_in_order
from synthetic import low_rank
from ui_models import HOSTILE, Reader, small_model

from palate.data.interactions import Interactions
from palate.errors import NotFittedError, ParameterError
from palate.models import EASE, BayesianMF, MatrixFactorization, Popularity
from palate.ui import build_ui, cards, more
from palate.ui.page import ANY_GENRE, reasons_of
from palate.ui.report import report
from palate.ui.source import Source

FARGO, STAR_WARS = 100, 50


def position(model: Any, item_id: int) -> int:
    return int(model.items_.index([item_id])[0])


def clicks() -> Any:
    """A log without values: three people, five items."""
    table = pl.DataFrame({"user_id": [1, 1, 2, 2, 3], "item_id": [1, 2, 2, 3, 5]})
    return EASE(reg=1.0).fit(Interactions.from_table(table))


def numbers(html: str) -> list[float]:
    return [float(one.replace(",", "")) for one in re.findall(r'<td class="pl-number">([-+\d.,]+)</td>', html)]


# -- more like this ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["films", "liked"])
def test_what_is_like_an_item_is_the_models_answer(which: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(which)
    source = Source(model)
    seen = Reader(more.like(source, position(model, STAR_WARS), 5)).seen
    assert seen.startswith("More like Star Wars (1977) Liked by the same people")
    wanted = model.similar_items(STAR_WARS, 5)["item_id"]
    for rank, at in enumerate(model.items_.index(wanted), start=1):
        assert f"{rank} {source.entry(int(at), 0.0).title} " in seen


def test_without_an_item_or_without_likeness_a_sentence_says_so(films: Any, movielens: Any, bare: Any) -> None:
    assert more.like(Source(films), None, 5) == cards.empty("Choose one of the titles above.")
    assert more.like(Source(bare), None, 5) == cards.empty("Choose one of the items above.")
    source = Source(Popularity().fit(movielens.interactions, items=movielens.items))
    shown = more.like(source, 0, 5)
    assert "Popularity has no likeness of items; mf," in Reader(shown).seen
    assert "table" not in Reader(shown).tags


def test_an_item_like_no_other_is_said_to_be_so() -> None:
    model = EASE(n_neighbors=1, reg=1.0).fit(Interactions.from_table({"user": ["a", "b"], "item": ["x", "y"]}))
    shown = more.like(Source(model), 0, 3)
    assert "Nothing is known to be like it." in Reader(shown).seen
    assert "table" not in Reader(shown).tags


def test_the_titles_to_choose_from_are_the_best_known_by_name(films: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(films)
    monkeypatch.setattr(more, "MOST_OFFERED", 20)
    offered = more.offered(source)
    assert [name for name, _ in offered] == sorted(name for name, _ in offered)
    assert ("Star Wars (1977)", position(films, STAR_WARS)) in offered
    least = min(source.item_counts[at] for _, at in offered)
    assert (source.item_counts > least).sum() < len(offered) == 20


# -- why this ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "digits"), [("films", 2), ("liked", 3)])
def test_the_parts_add_up_as_they_are_shown(which: str, digits: int, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(which)
    source = Source(model)
    for _, item in reasons_of(source, "405", 10, ANY_GENRE):
        shown = more.why(source, 405, item)
        *parts, total = numbers(shown)
        assert sum(parts) == pytest.approx(total, abs=1e-9)
        found = model.explain(405, model.items_.values[item])
        assert total == pytest.approx(found.score, abs=0.5 * 10**-digits)
        own = found.parts.filter(kind="item")
        strongest = own["contribution"].abs().sort(descending=True)[: more.REASONS]
        others = len(found.parts) - len(own)
        assert np.abs(parts[others:-1]) == pytest.approx(strongest.to_numpy(), abs=0.5 * 10**-digits + 1e-9)
        assert f"The other {len(own) - more.REASONS:,} that they rated" in Reader(shown).seen


def test_why_shows_what_was_given_also_where_the_model_learns_from_clicks(liked: Any) -> None:
    source = Source(liked)
    index = int(liked.users_.index(1)[0])
    items, values = liked.seen_.row(index)
    shown = more.why(source, 1, position(liked, 318))
    own = liked.explain(1, 318).parts.filter(kind="item").head(more.REASONS)
    given = dict(zip(liked.items_.at(items).to_list(), values.tolist(), strict=True))
    stars = re.findall(r'aria-label="([\d.]+) of 5 stars"', shown)
    assert [float(one) for one in stars] == [given[item] for item in own["item_id"]]
    assert all(float(one) >= 4 for one in stars)


def test_why_says_what_the_sum_is(films: Any, liked: Any, movielens: Any) -> None:
    of_films = Reader(more.why(Source(films), 405, position(films, FARGO))).seen
    assert "The parts add up to the prediction from their ratings alone, which the list's is close to." in of_films
    assert "Predicted rating" in of_films
    assert "Mean rating" in of_films
    of_liked = Reader(more.why(Source(liked), 405, position(liked, FARGO))).seen
    assert "The parts add up to the score that the list is ordered by." in of_liked
    assert "Predicted" not in of_liked
    source = Source(Popularity().fit(movielens.interactions, items=movielens.items))
    popular = more.why(source, 405, position(source.model, FARGO))
    assert numbers(popular) == [508, 508]
    assert "How many had the item" in Reader(popular).seen


def test_why_tells_where_the_scale_ends(films: Any) -> None:
    source = Source(films)
    sentence = "The list keeps it on the scale, 1 to 5."
    beyond = {}
    for item in range(0, len(films.items_), 40):
        score = films.explain(507, films.items_.values[item]).score
        beyond[item] = not 1 <= score <= 5
        assert (sentence in Reader(more.why(source, 507, item)).seen) == beyond[item]
    assert 0 < sum(beyond.values()) < len(beyond)


def test_clicks_have_no_stars_and_an_unasked_why_says_nothing() -> None:
    source = Source(clicks())
    shown = Reader(more.why(source, 1, 2)).seen
    assert "★" not in shown
    assert "Given" not in shown
    assert more.why(source, None, 2) == more.why(source, 1, None) == ""


def test_without_training_rows_why_is_a_sentence() -> None:
    source = Source(small_model([1, 2, 3], list(range(6)), store_history=False))
    shown = more.why(source, 1, 2)
    assert "This model was saved without the ratings it learned from" in Reader(shown).seen
    assert "store_history" not in shown
    assert "table" not in Reader(shown).tags


def test_why_can_be_asked_of_what_is_recommended(films: Any) -> None:
    source = Source(films)
    asked = reasons_of(source, "405", 5, "Comedy")
    assert [films.items_.values[at] for _, at in asked] == films.recommend(405, 5, where="genres=Comedy")[
        "item_id"
    ].to_list()
    assert asked[0][0] == more.name(source.recommended(405, 1, "Comedy")[0])
    assert reasons_of(source, "nobody", 5, ANY_GENRE) == []


# -- newcomers ---------------------------------------------------------------------------------------------------------


def test_a_newcomers_list_is_the_fold_in_of_what_they_said(films: Any) -> None:
    source = Source(films)
    said = [(position(films, STAR_WARS), "5"), (position(films, FARGO), "1"), (7, more.NOT_SEEN), (8, None)]
    loved = position(films, 181)
    shown = Reader(more.for_newcomer(source, said, [loved], 5)).seen
    table = {"user": ["a"] * 3, "item": [STAR_WARS, FARGO, 181], "value": [5.0, 1.0, 5.0]}
    wanted = films.recommend_for(Interactions.from_table(table), 5)
    assert "From what you said of 3 titles" in shown
    for rank, at in enumerate(films.items_.index(wanted["item_id"]), start=1):
        assert f"{rank} {source.entry(int(at), 0.0).title} " in shown
    for score in np.clip(wanted["score"], 1, 5):
        assert f"{score:.1f} ★" in shown
    assert "Return of the Jedi" not in shown  # they said what they think of it


def test_a_mark_goes_before_the_list_of_loved_ones(films: Any) -> None:
    source, at = Source(films), position(films, FARGO)
    assert more.for_newcomer(source, [(at, "1")], [at], 5) == more.for_newcomer(source, [(at, "1")], [], 5)
    assert more.for_newcomer(source, [(at, "1")], [], 5) != more.for_newcomer(source, [], [at], 5)


def test_who_said_nothing_is_asked_to(films: Any) -> None:
    shown = more.for_newcomer(Source(films), [(3, more.NOT_SEEN), (4, None)], [], 5)
    assert "Rate one, and a list stands here at once." in Reader(shown).seen
    assert "table" not in Reader(shown).tags


def test_a_model_of_likes_needs_a_like(liked: Any) -> None:
    source, at = Source(liked), position(liked, STAR_WARS)
    shown = more.for_newcomer(source, [(at, "2")], [], 5)
    assert "This model goes by what people like: rate one higher" in Reader(shown).seen
    assert "table" not in Reader(shown).tags
    seen = Reader(more.for_newcomer(source, [(at, "5")], [], 5)).seen
    assert "Return of the Jedi" in seen
    assert "★" not in seen


def test_a_model_without_fold_in_says_so(films: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object, **__: object) -> None:
        raise ParameterError("this one has no fold-in; others can")

    source = Source(films)
    monkeypatch.setattr(source.model, "person", lacks)
    assert more.for_newcomer(source, [(3, "4")], [], 5) == cards.empty("this one has no fold-in; others can")


@pytest.mark.parametrize(
    ("scale", "wanted"),
    [
        ((1, 5), ["1", "2", "3", "4", "5"]),
        ((0.5, 5), ["1", "2", "3", "4", "5"]),
        ((1, 10), [str(step) for step in range(1, 11)]),
        ((0, 100), ["0", "25", "50", "75", "100"]),
        ((0, 0.8), ["0", "0.2", "0.4", "0.6", "0.8"]),
    ],
)
def test_the_marks_span_the_scale(scale: tuple[float, float], wanted: list[str], films: Any) -> None:
    source = Source(films)
    source.low, source.high = map(float, scale)
    assert more.marks(source) == [more.NOT_SEEN, *wanted]


def test_of_clicks_a_newcomer_picks_what_they_liked() -> None:
    source = Source(clicks())
    assert more.marks(source) == [more.NOT_SEEN, more.LIKED]
    shown = Reader(more.for_newcomer(source, [(1, more.LIKED)], [], 3)).seen
    assert "From what you said of 1 item" in shown
    assert "Item 2" not in shown
    assert "Item 3" in shown


def test_what_is_asked_of_newcomers_is_well_known_and_varied(films: Any, bare: Any) -> None:
    source = Source(films)
    items = more.to_rate(source)
    assert len(set(items)) == len(items) == more.TO_RATE
    assert (source.item_counts > min(source.item_counts[items])).sum() < 20 * more.TO_RATE
    first = [set(source.entry(at, 0.0).genres) for at in items[:4]]
    assert all(not one & other for k, one in enumerate(first) for other in first[:k])
    assert len(set(more.to_rate(Source(bare)))) == 10


def test_a_model_that_knows_what_an_answer_teaches_chooses_the_questions() -> None:
    model = BayesianMF(2, n_sweeps=12, n_burn_in=4, random_state=0).fit(low_rank(30, 25, 400))
    items = more.to_rate(Source(model))
    assert model.items_.at(np.array(items)).to_list() == model.questions(more.TO_RATE)["item_id"].to_list()


# -- several models ----------------------------------------------------------------------------------------------------


def labels(page: Any, elem_id: str) -> list[Any]:
    return [one for one in page.blocks.values() if getattr(one, "elem_id", None) == elem_id]


def test_several_models_are_offered_by_kind_and_name(films: Any, liked: Any) -> None:
    [chooser] = labels(build_ui({"mine": films, "ease": liked}), "model")
    assert chooser.choices == [("Matrix factorization (mine)", "mine"), ("EASE", "ease")]
    assert (chooser.value, chooser.visible) == ("mine", True)
    [alone] = labels(build_ui(films), "model")
    assert not alone.visible


def test_models_of_other_people_or_items_are_refused(films: Any, bare: Any) -> None:
    with pytest.raises(ParameterError, match="must know the same users and items, and 'other' knows others; train"):
        build_ui({"one": films, "other": bare})
    fewer = small_model(list(range(1, 8)), list(range(10, 120, 10)))
    with pytest.raises(ParameterError, match="'fewer' knows others"):
        build_ui({"one": bare, "fewer": fewer})


def test_no_model_and_one_before_fit_are_refused(bare: Any) -> None:
    with pytest.raises(ParameterError, match="the page needs a model, and there is none"):
        build_ui({})
    with pytest.raises(NotFittedError):
        build_ui({"one": bare, "two": MatrixFactorization()})


def test_the_page_is_called_by_its_name_or_what_it_shows(films: Any, liked: Any) -> None:
    assert build_ui({"a": films, "b": liked}).title == "Palate"
    assert build_ui({"a": films, "b": liked}, name="Film night").title == "Film night · Palate"
    assert build_ui(films).title == "Matrix factorization · Palate"


# -- hostile titles ----------------------------------------------------------------------------------------------------


def test_no_title_becomes_markup(hostile: Any) -> None:
    source = Source(hostile)
    pages = [more.like(source, at, 5) for at in range(len(HOSTILE))]
    pages += [more.why(source, user, at) for user in hostile.users_.values for at in range(len(HOSTILE))]
    pages += [more.for_newcomer(source, [(at, "5")], [], 8) for at in range(len(HOSTILE))]
    pages += [cards.lead(HOSTILE[0], HOSTILE[1])]
    for page in pages:
        reader = Reader(page)
        assert not {"script", "img", "b", "i"} & set(reader.tags)
        assert "onerror" not in reader.attributes
        assert "${" not in page
        assert "{{" not in page
    assert "Why <script>alert(1)</script>?" in Reader(more.why(source, "ça va", 0)).seen


# -- numbering ---------------------------------------------------------------------------------------------------------


def test_nothing_on_the_page_depends_on_how_items_are_numbered() -> None:
    rows = [(user, item) for user in range(6) for item in range(8) if (user + item) % 2]
    table = pl.DataFrame({"user": [u for u, _ in rows], "item": [i for _, i in rows], "rating": [4] * len(rows)})
    model = EASE(positive=4).fit(Interactions.from_table(table, rating_range=(1, 5)))
    one, other = Source(model), Source(with_items_in_order(model, np.arange(8)[::-1]))
    assert [e.item_id for e in other.history(0, 3)] == [e.item_id for e in one.history(0, 3)]
    assert report(other, None) == report(one, None)
    assert [other.items.values[at] for at in more.to_rate(other)] == [one.items.values[at] for at in more.to_rate(one)]
