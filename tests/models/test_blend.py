"""Blend: against its definition; weights, people of whom a part knows nothing, parts that do not fit, files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import naive
import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate import ALS, EASE, MODELS, Blend, Features, ImplicitALS, ItemKNN, RP3beta, files
from palate.errors import DataError, ModelFileError, NotFittedError, ParameterError, UnknownParameterError
from palate.models.blend.weighing import grid, parted
from palate.models.contract.base import Recommender
from palate.models.contract.forgetting import without_users
from palate.models.contract.learned import Array, Learned, Learns, Shape
from palate.models.contract.scoring import FactorScorer
from palate.models.contract.shared import NThreads, StoreHistory

ease = partial(EASE, 20.0, positive=3)
ials = partial(ImplicitALS, 3, n_epochs=3, shrinkage=1.0, positive=3, random_state=0)
knn = partial(ItemKNN, positive=3)
small = partial(
    Blend, "ease(reg=20.0), ials(n_factors=3, n_epochs=3, shrinkage=1.0)", positive=3, random_state=0, n_threads=1
)


@pytest.fixture(scope="module")
def data():
    return low_rank(25, 12, 150)


@pytest.fixture(scope="module")
def parts(data):
    return [model.fit(data) for model in (ease(), ials(), knn())]


@pytest.mark.parametrize("weights", [(0.7, 0.3, 0), (1, 2, 3), (0, 0, 1)])
def test_scores_are_those_of_the_definition(data, parts, weights):
    m = Blend.of(parts, weights)
    each = [part.score_rows(np.arange(25)) for part in parts]
    expected = [naive.blended([X[u].tolist() for X in each], weights) for u in range(25)]
    np.testing.assert_allclose(m.score_rows(np.arange(25)), expected, rtol=1e-5, atol=1e-6)
    assert m.weights_.tolist() == [w / sum(weights) for w in weights]


def test_the_whole_weight_gives_the_lists_of_that_part(data, parts):
    everybody = data.users.values
    for place, part in enumerate(parts[:2]):
        m = Blend.of(parts[:2], np.eye(2)[place].tolist())
        for lists in (lambda m: m.recommend(everybody, 5), lambda m: m.recommend_for(data, 12, exclude_seen=False)):
            assert lists(m).drop("score").equals(lists(part).drop("score"))


def test_the_whole_weight_keeps_what_rounding_would_make_equal(data, parts, monkeypatch):
    """Standardised and rounded, scores of `Nameless` that differ by 1e-12 are the same; its list tells them apart."""
    monkeypatch.setitem(MODELS, "nameless", Nameless)
    part = Nameless().fit(data)
    own = part.recommend(100, 12, exclude_seen=False)["item_id"].to_list()
    assert own != part.item_order.order.tolist()
    m = Blend.of([part, parts[0]], (1, 0))
    assert m.recommend(100, 12, exclude_seen=False)["item_id"].to_list() == own


def test_where_a_part_knows_nothing_of_a_person_its_weight_goes_to_the_others(data):
    """Of a newcomer of whom attributes alone are known `ease` knows nothing; of one with nothing at all, no part."""
    people = Features.from_table({"user_id": data.users.values, "age": np.arange(25.0)}, "user")
    m = small(weights=(0.9, 0.1)).fit(data, user_features=people)
    new = Features.from_table({"user_id": [1, 2], "age": [3.0, 20.0]}, "user", encoding=m._encoding("user"))
    lists = m.recommend_for(features=new, n=12)
    assert set(lists["source"]) == {"model"}
    alone = m.fitted_parts[1].recommend_for(features=new, n=12)
    assert lists["item_id"].equals(alone["item_id"])
    scores = lists.filter(user_id=1)["score"].to_numpy()
    assert scores.mean() == pytest.approx(0, abs=1e-6)
    assert scores.std() == pytest.approx(1, abs=1e-6)  # not a tenth of it
    one = Features.from_table({"user_id": [1], "age": [3.0]}, "user", encoding=m._encoding("user"))
    explanation = m.explain(m.person(features=one), 1003)
    assert explanation.parts["contribution"].sum() == pytest.approx(explanation.score, abs=1e-5)
    nothing = m.recommend_for({}, 3)
    assert set(nothing["source"]) == {"popular"}
    assert nothing["score"].to_list() == [0.0] * 3


def test_weights_are_those_that_find_most_of_the_clicks_held_out(data):
    m = small().fit(data)
    tried = m.weights_tried_
    assert len(tried) == 21
    assert set(tried[0]) == {"ease", "ials", "ndcg@20"}
    best = max(tried, key=lambda record: record["ndcg@20"])
    assert m.weights_.tolist() == [best["ease"], best["ials"]]
    assert tried[0]["ease"] == 0.5  # of equal ones the most even
    rest, held = parted(data, 0.2, 3, 0)
    assert (held.values >= 3).all()
    assert len(rest) + len(held) == len(data)
    again = [model.fit(rest) for model in (EASE(20.0, positive=3), ials())]
    assert Blend.of(again, validation=held).weights_tried_ == tried


def test_a_part_that_finds_nothing_gets_no_weight():
    """On two groups of tastes, that what everybody has is no help."""
    rng = np.random.default_rng(0)
    cells = {(u, int(i) * 2 + u % 2) for u in range(60) for i in rng.choice(15, 9, replace=False)}
    users, items = zip(*sorted(cells), strict=True)
    m = Blend("knn, popularity", random_state=0).fit(interactions(users, items))
    figure = {record["knn"]: record["ndcg@20"] for record in m.weights_tried_}
    assert m.weights_[0] >= 0.5
    assert max(figure.values()) > figure[0.0]


def test_few_clicks_and_no_validation_weigh_all_alike(data):
    few = Blend("ease, knn").fit(interactions([1, 1, 2], ["a", "b", "a"]))
    assert few.weights_.tolist() == [0.5, 0.5]
    assert few.weights_tried_ == []
    assert small(validation_fraction=0.0).fit(data).weights_tried_ == []
    grown = grid(3)
    assert grown.shape == (66, 3)
    np.testing.assert_allclose(grown.sum(axis=1), 1)


def test_explanations_are_the_weighted_sums_of_those_of_the_parts(data, parts):
    m = Blend.of(parts[:2], (0.25, 0.75))
    told = m.explain(103, 1005).parts.filter(kind="item")
    own = [part.explain(103, 1005).parts.filter(kind="item") for part in parts[:2]]
    scales = [w / part.score_rows([3])[0].std() for part, w in zip(parts, (0.25, 0.75), strict=False)]
    for item, contribution in zip(told["item_id"], told["contribution"], strict=True):
        each = [
            scale * sum(table.filter(item_id=item)["contribution"]) for scale, table in zip(scales, own, strict=True)
        ]
        assert contribution == pytest.approx(sum(each), abs=1e-6)


def test_similar_items_are_those_of_the_parts(parts):
    m = Blend.of([parts[0], parts[1]], (1, 0))
    of_ease = parts[0].similar_items([1003, 1005], 4)
    assert m.similar_items([1003, 1005], 4).drop("score").equals(of_ease.drop("score"))
    assert m.similar_items(1003, 1)["score"][0] == pytest.approx(1)


def test_models_stand_as_text_and_their_parameters_are_set_by_name():
    m = Blend([ease(), "ials"], positive=3)
    assert m.parts == "ease(reg=20.0, positive=3), ials"
    m.set_params(ease__reg=5.0, ials__n_factors=7, n_threads=2)
    assert m.parts == "ease(reg=5.0, positive=3), ials(n_factors=7)"
    assert (m.settings()["ease__reg"], m.settings()["ials__n_factors"]) == (5.0, 7)
    assert {"ease__reg", "ials__unobserved_share"} <= set(m.searched()) <= set(m.settable())
    with pytest.raises(UnknownParameterError, match="EASE has no parameter 'regg'; did you mean 'reg'"):
        m.set_params(ease__regg=5.0)
    with pytest.raises(ParameterError, match="the blend has no part 'bpr'"):
        m.set_params(bpr__reg=5.0)
    assert m.parts == "ease(reg=5.0, positive=3), ials(n_factors=7)"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Blend("ease"), "parts must be the keys of two or three different models"),
        (lambda: Blend("ease, ease"), "parts must be the keys of two or three different models"),
        (lambda: Blend("ease, blend"), "parts must be the keys of two or three different models"),
        (lambda: Blend("ease, knn, ials, bpr"), "parts must be the keys of two or three different models"),
        (lambda: Blend("ease, open('x')"), "parts must be the keys of two or three different models"),
        (lambda: Blend("ease, ials(reg=open('x'))"), "parts must be the keys of two or three different models"),
        (lambda: Blend("(" * 5000), "parts must be the keys of two or three different models"),
        (lambda: Blend("ease, " * 5000), "parts must be the keys of two or three different models"),
        (lambda: Blend(7), "parts must be the keys of two or three different models"),
        (lambda: Blend([ease(), 7]), "parts must be the keys of two or three different models"),
        (lambda: Blend("ease, als2"), "parts: no model 'als2'; did you mean 'als'"),
        (lambda: Blend("ease(reg=-1), ials"), "the part ease: reg must be a number above 0"),
        (lambda: Blend("ease(rag=1), ials"), "the part ease: EASE has no parameter 'rag'"),
        (lambda: Blend("ease(n_threads=1), ials"), "n_threads is the blend's, and not that of its part ease"),
        (lambda: Blend("ease(positive=4), ials"), "ease has positive=4, ials has positive=None; give positive to the"),
        (lambda: Blend("ease(positive=4), ials", positive="any"), "ease has positive=4, ials has positive='any'"),
        (lambda: Blend(weights=(1, 2, 3)), "weights must be 2 numbers of at least 0"),
        (lambda: Blend(weights="0, 0"), "weights must be numbers of at least 0, one a part and not all of them 0"),
        (lambda: Blend(weights="a, b"), "weights must be numbers of at least 0"),
        (lambda: Blend(weights=(1, float("nan"))), "weights must be numbers of at least 0"),
        (lambda: Blend(weights=3), "weights must be numbers of at least 0"),
        (lambda: Blend(validation_fraction=0.7), "validation_fraction must be a number of at least 0 and at most 0.5"),
    ],
)
def test_wrong_parameters_are_named(made, words):
    with pytest.raises(ParameterError) as caught:
        made().check_parameters()
    assert str(caught.value).startswith(words) or words in str(caught.value)


def test_a_generator_is_no_parameter_of_a_part():
    with pytest.raises(ParameterError, match="ials's random_state must be a number or a text in a part of a blend"):
        Blend([ease(), ials(random_state=np.random.default_rng(0))])
    with pytest.raises(DataError, match="the values of the training part differ"):
        Blend("als, bayes").fit(low_rank(5, 5, 20))


def test_fitted_models_that_do_not_fit_each_other_are_told_apart(data, parts):
    fewer = data.take(np.flatnonzero(data.user_index != 3))
    other = interactions(range(25), range(25), [4] * 25)
    for models, words in {
        (parts[0],): "models must be two or three fitted models of different kinds, got 'ease",
        (parts[0], ease().fit(data)): "models must be two or three fitted models of different kinds, got 'ease, ease",
        (parts[0], Blend.of(parts[:2])): "two or three fitted models of different kinds, got 'ease, blend",
        (parts[0], knn(positive=4).fit(data)): "ease has positive=3, knn has positive=4",
        (parts[0], knn().fit(other)): "ease knows 25 users, and knn 25; only ease knows 100$",
        (parts[0], knn().fit(fewer)): "learned from the same rows, and those of ease and knn differ",
        (parts[0], knn(store_history=False).fit(data)): "with the same store_history",
    }.items():
        with pytest.raises(ParameterError, match=words):
            Blend.of(models)
    texts = interactions(["a", "b"], ["x", "y"])
    integers = interactions([1, 2], ["x", "y"])
    with pytest.raises(ParameterError, match="ease knows 2 users, and knn 2; those of ease are texts"):
        Blend.of([EASE(1.0).fit(texts), ItemKNN().fit(integers)])
    with pytest.raises(NotFittedError, match="not fitted"):
        Blend.of([ease(), knn()])


@dataclass(frozen=True, eq=False)
class Nothing(Learned):
    """What `Nameless` has learned."""

    item_biases: Annotated[Array, Shape("n_items")]


class Nameless(Recommender):
    """A model with none of the abilities that a blend asks for."""

    key: ClassVar[str] = "nameless"
    score_kind: ClassVar[str] = "order"
    learned_ = Learns(Nothing)
    store_history: StoreHistory = True
    n_threads: NThreads = None

    def _learn(self, training):
        return Nothing(np.append(1e-12 * np.arange(training.data.n_items - 1), 1.0))

    def _bytes_needed(self, n_users, n_items, n_rows):
        return 0

    def _scorer(self):
        n_users, c = len(self.users_), self.learned_.item_biases
        return FactorScorer.of((np.zeros((n_users, 0)), np.zeros((len(c), 0)), np.zeros(n_users), c, 0.0))


def test_what_a_part_cannot_do_the_error_says(data, parts, monkeypatch):
    monkeypatch.setitem(MODELS, "nameless", Nameless)
    m = Blend.of([parts[0], Nameless().fit(data)])
    assert m.recommend(100, 3).height == 3
    for call in (
        lambda: m.recommend_for(data),
        lambda: m.explain(100, 1003),
        lambda: m.similar_items(1003),
    ):
        with pytest.raises(ParameterError, match="Blend cannot do this, for its part nameless "):
            call()


def test_attributes_go_to_the_parts_that_take_them(data):
    people = Features.from_table({"user_id": data.users.values, "age": np.arange(25.0)}, "user")
    m = small().fit(data, user_features=people)
    assert m.fitted_parts[1].user_features_.shape == (25, 2)  # age, and whether it is known
    with pytest.raises(ParameterError, match="Blend takes no features where its parts, ease and knn, take none"):
        Blend("ease, knn", positive=3).fit(data, user_features=people)


def test_lists_of_ratings_and_clicks_can_be_blended(data):
    m = Blend("als(n_factors=2, n_epochs=2), rp3beta", positive=3, random_state=0).fit(data)
    assert m.recommend(100, 3).height == 3
    assert isinstance(m.fitted_parts[0], ALS)
    assert isinstance(m.fitted_parts[1], RP3beta)


def test_users_of_an_item_are_those_of_the_highest_scores(data):
    m = small(weights="1, 1").fit(data)
    found = m.recommend_users(1003, 4, exclude_seen=False)
    scores = m.score_rows(np.arange(25))[:, 3]
    assert found["score"].to_list() == sorted(scores, reverse=True)[:4]


def test_a_file_holds_the_whole_blend_and_one_without_some_people(data, tmp_path):
    m = small(weights=(0.4, 0.6)).fit(data)
    files.save(m, tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    assert loaded.fitted_parts[0].seen_ is loaded.seen_  # one copy of the rows
    assert loaded.get_params() == {**m.get_params(), "weights": [0.4, 0.6]}
    left = without_users(loaded, [103])
    assert len(left.users_) == len(left.fitted_parts[1].user_factors_) == 24
    rest = [user for user in data.users.values if user != 103]
    assert left.recommend(rest, 4).equals(m.recommend(rest, 4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: h["parts"].pop(), "has the unknown array 'parts.ials"),
        (lambda h: h["parts"].append(h["parts"][0]), "must be a list of different models"),
        (lambda h: h.update(parts=7), "must be a list of different models"),
        (lambda h: h["parts"][0].update(model="blend"), "has the unknown array 'parts.ease"),
        (lambda h: h["parts"].reverse(), "the parts are ials, ease, and must be ease, ials"),
        (lambda h: h["parameters"].update(parts="ease, knn"), "the parts are ease, ials, and must be ease, knn"),
        (lambda h: h["parameters"].update(parts="ease"), "a parameter is refused: parts must be"),
        (lambda h: h["parts"][0]["parameters"].update(reg=-1), "a parameter is refused: reg must be"),
        (lambda h: h["parts"][1]["learned"].update(alpha_="x"), "alpha_ must be a number"),
    ],
)
def test_files_whose_parts_do_not_fit_are_refused(data, tmp_path, change, words):
    from model_files import Parts

    files.save(small(weights=(0.4, 0.6)).fit(data), tmp_path / "m")
    file = Parts.of(tmp_path / "m")
    change(file.palate)
    (tmp_path / "m").write_bytes(file.bytes())
    with pytest.raises(ModelFileError, match="is refused: ") as caught:
        files.load(tmp_path / "m")
    assert words in str(caught.value)
