"""What every model keeps to when it is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from palate.data.features import Features
from palate.data.interactions import Interactions
from palate.errors import ParameterError, UnknownIdError
from palate.testing.base import Contract, every_score
from palate.testing.made import interactions


class AnsweringContract(Contract):
    """Scores, lists, filters, newcomers, explanations, likeness."""

    def test_scores_rank_and_a_batch_equals_one_by_one(self, data: Interactions, fitted: Any) -> None:
        users = data.users.values.to_list()
        batch = fitted.recommend(users, 5)
        for user in users[::7]:
            assert batch.filter(user_id=user).equals(fitted.recommend(user, 5))
        scores = every_score(fitted)
        items, best = fitted.rank_index(np.arange(40), 30)
        for u in range(40):
            order = np.lexsort((fitted.item_order.places, -scores[u]))
            assert items[u].tolist() == order.tolist()
            np.testing.assert_array_equal(best[u], scores[u, order])

    def test_exclusions_and_filters_hold(self, data: Interactions, fitted: Any) -> None:
        allowed = data.items.values.to_list()[3:20]
        lists = fitted.recommend(data.users.values, 30, allow=allowed, deny=[1004, 1005])
        seen = set(zip(data.users.at(data.user_index), data.items.at(data.item_index), strict=True))
        listed = set(zip(lists["user_id"], lists["item_id"], strict=True))
        assert listed == {(u, i) for u in data.users.values for i in allowed if (u, i) not in seen} - {
            (u, i) for u in data.users.values for i in (1004, 1005)
        }
        every = fitted.recommend(data.users.values, 40, exclude_seen=False)
        assert every.height == 40 * 30
        assert np.isfinite(every["score"].to_numpy()).all()

    def test_predictions_are_the_scores_where_they_are_ratings(self, data: Interactions, fitted: Any) -> None:
        u, i = np.arange(30), np.arange(30)
        if fitted.score_kind == "order":
            with pytest.raises(
                ParameterError, match=f"^{type(fitted).__name__} predicts no ratings, it orders items; use"
            ):
                fitted.predict_index(u, i)
            return
        np.testing.assert_array_equal(fitted.predict_index(u, i, clip=False), fitted.score_index(u, i))
        clipped = fitted.predict(data.users.values[:30], data.items.values[:30])
        assert ((clipped >= 1) & (clipped <= 5)).all()

    def test_unknown_users_and_what_was_not_kept(self, data: Interactions, fitted: Any) -> None:
        with pytest.raises(UnknownIdError, match="unknown user id 7"):
            fitted.recommend(7)
        assert (
            fitted.recommend([7, 100], 2, on_unknown="popular")["source"].to_list() == ["popular"] * 2 + ["model"] * 2
        )
        bare = self.make(store_history=False).fit(data)
        assert bare.seen_ is None
        if self.needs_history:
            with pytest.raises(ParameterError, match="store_history=False; give the rows to recommend_for"):
                bare.recommend(100, exclude_seen=False)
            assert bare.recommend_for(data, 3).equals(fitted.recommend_for(data, 3))
            return
        np.testing.assert_array_equal(every_score(bare), every_score(fitted))
        with pytest.raises(ParameterError, match="store_history=False and does not know what users have seen"):
            bare.recommend(100)

    def test_newcomers_get_the_lists_of_their_twins(self, data: Interactions, fitted: Any) -> None:
        self.needs("recommend_for")
        rows = np.flatnonzero(np.isin(data.user_index, (4, 9)))
        order = np.random.default_rng(0).permutation(rows)
        table = {"item": data.items.at(data.item_index[order]), "rating": data.values[order]}
        twins = Interactions.from_table({"user": [f"u{u}" for u in data.user_index[order]], **table})
        lists = fitted.recommend_for(twins, 6)
        assert lists["user_id"].unique().sort().to_list() == ["u4", "u9"]
        for user, twin in ((104, "u4"), (109, "u9")):
            one, other = fitted.recommend(user, 6), lists.filter(user_id=twin)
            if fitted.explains == "the model":  # else the stored factors are no function of the user's rows
                assert one.drop("user_id").equals(other.drop("user_id"))
        assert fitted.recommend_for(twins, 30, exclude_seen=False).height == 60
        denied = lists["item_id"].to_list()[:2]
        assert not set(denied) & set(fitted.recommend_for(twins, 30, deny=denied)["item_id"])
        with pytest.raises(UnknownIdError, match="unknown item id 7"):
            fitted.recommend_for(interactions([1], [7], [4]), on_unknown="raise")
        with pytest.raises(ParameterError, match="n must be a whole number of at least 1"):
            fitted.recommend_for(twins, 0)
        with pytest.raises(
            ParameterError, match=r"without user_features, and cannot use those of newcomers|features must"
        ):
            fitted.recommend_for(twins, features=Features.from_table({"user_id": ["u4", "u9"], "age": [1, 2]}, "user"))

    def test_folding_in_a_training_user_gives_the_stored_factors_bit_for_bit(
        self, data: Interactions, fitted: Any
    ) -> None:
        self.needs("fold_in")
        if fitted.explains != "the model":
            pytest.skip(f"{self.model.key}: the stored factors are no function of the user's rows alone")
        P, _, b, _, _ = fitted._factors()
        for n_threads in (1, 3):
            new = fitted.set_params(n_threads=n_threads).fold_in(data)
            np.testing.assert_array_equal(new.factors, P)
            np.testing.assert_array_equal(new.biases, b)
            few = data.take(np.random.default_rng(0).permutation(np.flatnonzero(data.user_index < 7)))
            np.testing.assert_array_equal(fitted.fold_in(few).factors[:7], P[:7])

    def test_an_explanation_adds_up_to_the_score(self, data: Interactions, fitted: Any) -> None:
        self.needs("explain")
        for u, i in ((0, 3), (11, 29), (39, 0)):
            user, item = data.users.values[u], data.items.values[i]
            explanation = fitted.explain(user, item)
            assert explanation.parts["contribution"].sum() == pytest.approx(explanation.score, abs=1e-5)
            own = set(data.item_index[data.user_index == u].tolist())
            assert set(explanation.parts["item_id"].drop_nulls()) <= {data.items.values[j] for j in own}
            assert explanation.of == fitted.explains
            if explanation.of == "the model":
                assert explanation.score == fitted.score_index([u], [i])[0]
        twin = Interactions.from_table({"user": ["me", "me"], "item": [1003, 1008], "rating": [5, 4]})
        of_newcomer = fitted.explain("me", 1001, interactions=twin)
        assert of_newcomer.of == "the fold-in"
        assert of_newcomer.parts["contribution"].sum() == pytest.approx(of_newcomer.score, abs=1e-5)
        assert of_newcomer.score == pytest.approx(fitted.recommend_for(twin, 1, allow=[1001])["score"][0])
        with pytest.raises(UnknownIdError, match="unknown item id 7"):
            fitted.explain(100, 7)
        with pytest.raises(UnknownIdError, match="unknown user id 7"):
            fitted.explain(7, 1001)
        with pytest.raises(ParameterError, match="does not know the user's rows; give them as interactions="):
            self.make(store_history=False).fit(data).explain(100, 1001)

    def test_likeness(self, fitted: Any) -> None:
        self.needs("similar_items")
        likes = fitted.similar_items([1003, 1000], 4)
        assert likes["like"].to_list() == [1003] * 4 + [1000] * 4
        assert likes.filter(like=1003)["score"].is_sorted(descending=True)
        assert 1003 not in likes.filter(like=1003)["item_id"].to_list()
        with pytest.raises(ParameterError, match="n must be a whole number of at least 1"):
            fitted.similar_items(1003, 0)
