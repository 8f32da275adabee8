"""What every model keeps to when it is made, learns and is saved."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from palate import files
from palate.data.features import Features
from palate.data.interactions import Interactions
from palate.errors import DataError, NotFittedError, ParameterError
from palate.models.contract.abilities import ABILITIES
from palate.parallel import GRAIN, Workers
from palate.testing.base import Contract, able, every_score
from palate.testing.made import checkerboard, interactions, low_rank


class Learning(Contract):
    """Parameters, fits, threads, weights, starts, memory, files."""

    def test_the_class_says_what_it_is(self) -> None:
        cls = self.model
        assert cls.score_kind in ("rating", "probability", "order")
        assert cls.supports <= set(ABILITIES)
        assert ("predict" in cls.supports) == (cls.score_kind != "order")
        first, *rest = inspect.signature(cls).parameters.values()
        assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in rest), first
        assert {"store_history", "n_threads"} <= set(cls.parameter_names())
        assert repr(cls()) == f"{cls.__name__}()"

    def test_scikit_learn_clones_it(self) -> None:
        clone = pytest.importorskip("sklearn.base").clone
        assert clone(self.make()).get_params() == self.make().get_params()

    def test_the_constructor_only_stores_and_fit_returns_the_model(self, data: Interactions) -> None:
        m = self.model(**{self.model.parameter_names()[0]: "nonsense"})
        with pytest.raises(ParameterError, match=self.nonsense):
            m.fit(data)
        for ask in (lambda: m.recommend(100), lambda: m.score_rows(np.arange(2)), m.state, m.check_learned):
            with pytest.raises(NotFittedError, match="is not fitted yet"):
                ask()
        m = self.make()
        assert m.fit(data) is m
        assert m.history_ == [] or m.best_epoch_ >= 1

    def test_every_parameter_changes_the_result(self, data: Interactions) -> None:
        long = {**self.long}
        values, times = np.round(data.values), 40_000 * np.arange(len(data))  # stars, and some of the same day
        data = Interactions(data.user_index, data.item_index, values, times, data.users, data.items, data.rating_range)
        before = every_score(self.make(**long).fit(data))
        for name in set(self.model.parameter_names()) - {"n_threads", "store_history"}:
            if name in self.seen_elsewhere:
                continue
            beside = self.beside.get(name, {})
            base = every_score(self.make(**{**long, **beside}).fit(data)) if beside else before
            m = self.make(**{**long, **beside, name: self.another(name)})
            assert not np.array_equal(every_score(m.fit(data)), base), name

    @pytest.fixture
    def tasks(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
        """Make every task small, and count those of each place that gives some to threads: {where: the most}."""
        for field in fields(GRAIN):
            monkeypatch.setattr(GRAIN, field.name, 2)
        most: dict[str, int] = {}
        run = Workers.run

        def counted(self: Workers, tasks: Any) -> list[Any]:
            where = sys._getframe(1).f_code.co_qualname
            most[where] = max(most.get(where, 0), len(tasks))
            return run(self, tasks)

        monkeypatch.setattr(Workers, "run", counted)
        return most

    def test_threads_change_nothing(self, data: Interactions, request: pytest.FixtureRequest) -> None:
        """The same bits for any number of threads; and all parts done: as one task does them, but for rounding."""
        several = {"n_blocks": 3, "n_chains": 3}
        whole = self.make(**several).fit(data)
        scores, lists = every_score(whole), whole.recommend(data.users.values, 4)
        tasks = request.getfixturevalue("tasks")
        assert whole.set_params(n_threads=7).recommend(data.users.values, 4).equals(lists)
        alone = None
        for n_threads in (1, 2, 3, 7):
            m = self.make(**several, n_threads=n_threads).fit(data)
            learned = [every_score(m), m.recommend(data.users.values, 4)]
            if "recommend_for" in m.supports:
                learned.append(m.recommend_for(data, 4))
            alone = alone or learned
            self.same(learned[0], alone[0])
            if not self.model.own_blas_threads:
                assert all(lists.equals(others) for lists, others in zip(learned[1:], alone[1:], strict=True))
            np.testing.assert_allclose(learned[0], scores, rtol=1e-3, atol=1e-3)
        assert tasks
        assert {where: n for where, n in tasks.items() if n < 3} == {}

    def test_fitting_again_forgets_and_repeats(self, data: Interactions, fitted: Any) -> None:
        again = self.make().fit(low_rank(seed=5)).fit(data)
        np.testing.assert_array_equal(every_score(again), every_score(fitted))

    def test_a_failed_fit_leaves_the_model_as_it_was(self, data: Interactions, fitted: Any) -> None:
        before = every_score(fitted)
        with pytest.raises(DataError):
            fitted.fit(data, items={"item_id": ["no such id"]})
        np.testing.assert_array_equal(every_score(fitted), before)

    def test_users_and_items_without_rows_get_finite_scores(self, data: Interactions) -> None:
        m = self.make().fit(data.take(np.flatnonzero((data.user_index != 5) & (data.item_index != 7))))
        assert np.isfinite(every_score(m)).all()
        assert len(m.recommend(105, 30)) == 30

    def test_one_user_one_item_and_a_log_of_clicks(self) -> None:
        m = self.make(positive=None).fit(interactions(["Ann"], ["Tea"]))
        assert m.recommend("Ann", exclude_seen=False)["item_id"].to_list() == ["Tea"]
        assert len(m.recommend("Ann")) == 0
        clicks = self.make(positive=None).fit(interactions([1, 1, 2, 3], [1, 2, 2, 2]))
        assert len(clicks.recommend([1, 2, 3], 2)) == 0 + 1 + 1

    def test_equal_values_ties_and_equal_titles(self) -> None:
        data = interactions([1, 1, 2, 2, 3], [10, 11, 10, 11, 10], [4, 4, 4, 4, 4])
        m = self.make().fit(data, items={"item_id": [10, 11], "title": ["Twin", "Twin"]})
        assert np.isfinite(every_score(m)).all()
        assert m.recommend([1, 2, 3], 2, exclude_seen=False)["title"].to_list() == ["Twin"] * 6
        ties = self.make().fit(interactions([1, 2], [20, 10], [4, 4]))
        if self.model.parameter_names()[0] != "n_factors":
            tied = ties.recommend([1], 2, exclude_seen=False, allow=[10, 20])
            assert tied.height == 2

    def test_a_checkerboard_is_understood(self) -> None:
        if not self.learns_taste:
            pytest.skip(f"{self.model.key} learns nothing of taste")
        data = checkerboard(dislikes=self.model.score_kind == "rating")
        m = self.make(**self.taste)
        best = m.fit(data).recommend(list(range(20)), 1)
        assert best["item_id"].to_list() == [(u + 2) % 20 for u in range(20)]

    def test_weights_count_as_often_as_they_say(self, data: Interactions) -> None:
        twice = np.flatnonzero(data.item_index < 10)
        weights = np.where(data.item_index < 10, 2, 1).astype(np.float32)
        weighted = Interactions(
            data.user_index,
            data.item_index,
            data.values,
            data.times,
            data.users,
            data.items,
            data.rating_range,
            {},
            weights,
        )
        if "weights" not in self.model.supports:
            with pytest.raises(ParameterError, match="takes no sample weights; " + able("weights")):
                self.make().fit(weighted)
            return
        rows = np.concatenate([np.arange(len(data)), twice])
        changes = {"dtype": "float64", **self.weighing}
        weighing, twice_over = self.make(**changes).fit(weighted), self.make(**changes).fit(data.take(rows))
        if self.counts_cells:  # a pair that stands twice is no longer one cell; a weight is a confidence
            again = interactions(data.user_index, data.item_index, weights.tolist())
            twice_over = self.make(**changes, positive="values").fit(again)
            weighing = self.make(**changes, positive="any").fit(weighted)
        np.testing.assert_allclose(every_score(weighing), every_score(twice_over), rtol=1e-6, atol=1e-8)
        assert not np.allclose(every_score(weighing), every_score(self.make(**changes).fit(data)), atol=1e-3)
        if "explain" in self.model.supports:
            explanation = weighing.explain(100, 1020)
            assert explanation.parts["contribution"].sum() == pytest.approx(explanation.score, abs=1e-5)

    def test_a_start_is_gone_on_from(self, data: Interactions) -> None:
        later = low_rank(seed=3)
        if "warm_start" not in self.model.supports:
            with pytest.raises(ParameterError, match="starts from no fitted model; " + able("warm_start")):
                self.make().fit(data, start=self.make().fit(data))
            return
        changes = {**self.going_on}
        short = {"n_epochs": 1, "n_sweeps": 1, "n_burn_in": 0}
        long = self.make(n_epochs=40, **changes).fit(data)
        again = self.make(**short, **changes).fit(data, start=long)
        fresh = self.make(**short, **changes).fit(data)
        name = "objective" if "objective" in long.history_[0] else "loss"
        chance = self.chance  # a draw is not lower each time
        assert again.history_[-1][name] <= long.history_[-1][name] * chance < fresh.history_[-1][name]
        assert np.isfinite(every_score(self.make(**changes).fit(later, start=long))).all()
        texts = interactions(["a", "b", "a"], ["x", "y", "y"], [4, 5, 3])
        assert np.isfinite(every_score(self.make(**changes).fit(texts, start=long))).all()
        with pytest.raises(ParameterError, match="start must be a fitted"):
            self.make().fit(data, start=self.make())
        with pytest.raises(ParameterError, match="start has 4 factors, this model 5"):
            self.make(n_factors=5).fit(data, start=long)

    def test_what_a_model_lacks_it_says(self, data: Interactions, fitted: Any) -> None:
        calls: dict[str, Callable[[], Any]] = {
            "fold_in": lambda: fitted.fold_in(data),
            "recommend_for": lambda: fitted.recommend_for(data),
            "similar_items": lambda: fitted.similar_items(1003),
            "similar_users": lambda: fitted.similar_users(103),
            "explain": lambda: fitted.explain(103, 1003),
        }
        for ability, call in calls.items():
            if ability in fitted.supports:
                call()
            else:
                with pytest.raises(ParameterError, match=rf"^{type(fitted).__name__} {ABILITIES[ability]}; .* can$"):
                    call()
        features = Features.from_table({"user_id": data.users.values, "age": np.arange(40.0)}, "user")
        if "features" not in fitted.supports:
            with pytest.raises(ParameterError, match="takes no features; " + able("features")):
                self.make().fit(data, user_features=features)
        else:
            with pytest.raises(ParameterError, match="user_features must be Features, got DataFrame"):
                self.make().fit(data, user_features=pl.DataFrame({"user_id": [1]}))

    def test_memory_is_estimated_and_refused(
        self, data: Interactions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        m = self.make()
        needed = m.memory_estimate(data)
        assert needed > 16 * len(data)
        monkeypatch.setattr("palate.models.contract.memory.memory_limit", lambda: needed - 1)
        with pytest.raises(ParameterError, match=r"600 rows of 40 users and 30 items needs .* this machine has .*; .*"):
            m.fit(data)
        monkeypatch.setattr("palate.models.contract.memory.memory_limit", lambda: needed + 1)
        m.fit(data)
        assert "GB in training, and this machine has" in caplog.text
        with pytest.raises(DataError, match="interactions must be Interactions"):
            m.memory_estimate([1])

    def test_a_saved_model_answers_as_before(self, data: Interactions, fitted: Any, tmp_path: Path) -> None:
        files.save(fitted, tmp_path / "m")
        loaded = files.load(tmp_path / "m")
        assert type(loaded) is type(fitted)
        np.testing.assert_array_equal(every_score(loaded), every_score(fitted))
        assert loaded.recommend(data.users.values, 3).equals(fitted.recommend(data.users.values, 3))
        if "recommend_for" in fitted.supports:
            assert loaded.recommend_for(data, 3).equals(fitted.recommend_for(data, 3))
        if "explain" in fitted.supports:
            assert loaded.explain(103, 1003).parts.equals(fitted.explain(103, 1003).parts)
