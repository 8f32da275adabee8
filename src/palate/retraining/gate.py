"""The gate: the candidate against the running model, by `palate.evaluation.compare`, on days that neither has seen.

The difference is that of the metric's means over the same people, with a bootstrap interval over these people. The
candidate is trained up to the cut. The running model is measured as it is where it is older than the cut; else its
settings are trained to the cut, too, so that neither knows the days. Where no version answers, the popular items do.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palate.data.dataset import Dataset
from palate.errors import DataError
from palate.evaluation import Comparison, compare
from palate.metrics import label_of
from palate.models import MODELS, Recommender
from palate.progress import ProgressCallback
from palate.retraining.days import Days, TooFew, days_of
from palate.retraining.rule import GateRule
from palate.retraining.served import Running, served
from palate.retraining.settings import settings_of
from palate.retraining.verdict import Against, Verdict
from palate.store.conditions import clauses_of
from palate.store.kinds import Kinds, kinds_of
from palate.store.rule import view_of
from palate.store.source import dataset

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store
    from palate.store.versions import Loaded

CANDIDATE, RUNNING = "candidate", "running"


@dataclass(frozen=True, eq=False)
class Gate:
    """What a candidate is judged by.

    Attributes:
        store, ns: where.
        rule: fixed beforehand.
        running: the version that answers, or None.
    """

    store: Store
    ns: Namespace
    rule: GateRule
    running: Loaded | None

    def judge(self, candidate: Recommender, whole: Dataset, progress: ProgressCallback) -> Verdict:
        """Return what is to be said of a candidate.

        Args:
            candidate: not fitted; it is trained up to the cut.
            whole: all of the log, as the candidate sees it.
            progress: called with each step.

        Raises:
            DataError: the candidate, or the running model's settings, cannot be trained to the cut.
            ParameterError: one of the two does not have the metric.
        """
        days = days_of(self.store, self.ns, whole, view_of(candidate), self.rule.days)
        if isinstance(days, Days) and days.people < self.rule.fewest:
            days = TooFew(f"{days.people} people are in the newest {self.rule.days:g} days")
        if isinstance(days, TooFew):
            return self._not_judged(days)
        against, other = self._other(candidate, days)
        if other is None:
            return self._said("accepted", f"no version answers yet, and popular items have no {self.rule.metric}")
        with self.store.read() as conn:
            positive = self._positive(kinds_of(conn, self.ns), candidate)
        found = compare(
            {CANDIDATE: candidate, RUNNING: other},
            days.data,
            days.split,
            [self.rule.metric],
            positive=positive,
            groups=(),
            progress=progress,
        )
        return self._weighed(found, against, days)

    # -- the running model --------------------------------------------------------------------------------------------

    def _other(self, candidate: Recommender, days: Days) -> tuple[Against, Recommender | None]:
        """Return what of the running model is measured, and how."""
        if self.running is None:
            return "popular", MODELS["popularity"]() if self.rule.is_of_lists else None
        model, newest = self.running.model, self.running.newest_event
        same_view = view_of(model) == view_of(candidate)
        if newest is not None and newest <= days.cut:
            return "as it is", served(Running(model, self._seen_by(model, days)))
        fresh = MODELS[model.key](**settings_of(model))
        if same_view:
            return "its settings", fresh
        log = self._seen_by(model, days)
        return "its settings", served(Running(fresh.fit(log, progress=None), log))

    def _seen_by(self, model: Recommender, days: Days) -> Dataset:
        return dataset(self.store, self.ns, view_of(model), until=days.cut)

    def _positive(self, kinds: Kinds, candidate: Recommender) -> float | None:
        """Return which ratings are relevant in lists: those that the event kind calls positive, by one number."""
        if self.rule.positive is not None or view_of(candidate) == "clicks":
            return self.rule.positive
        given = [kind for kind in kinds.every if kind.rating == "value" and kind.positive is not None]
        clauses = [clause for kind in given for clause in clauses_of(kind.name, kind.positive or "")]
        return clauses[0][1] if len(clauses) == 1 and clauses[0][0] is operator.ge else None

    # -- the verdict --------------------------------------------------------------------------------------------------

    def _not_judged(self, days: TooFew) -> Verdict:
        if self.running is None:
            return self._said("accepted", f"no version answers yet, and nothing could be judged: {days.why}")
        return self._said(
            "refused",
            f"nothing could be judged: {days.why}, and the rule asks for {self.rule.fewest} people; "
            "more days, or fewer people, make another rule",
        )

    def _said(self, decision: Any, why: str, **more: Any) -> Verdict:
        number = None if self.running is None else self.running.number
        return Verdict(decision=decision, why=why, rule=self.rule.as_dict(), running=number, **more)

    def _weighed(self, found: Comparison, against: Against, days: Days) -> Verdict:
        """Return the verdict of a comparison."""
        if found.failures:
            first = found.failures[0]
            raise DataError.of(f"the {first['model']} model", f"cannot be judged: {first['error']}", code="failed_runs")
        tests = found.tests(level=self.rule.level)
        if tests.is_empty():
            lacking = [name for name in (CANDIDATE, RUNNING) if found.details[name]["skipped"]]
            raise DataError.of(
                f"the {' and the '.join(lacking)} model",
                f"has no {label_of(self.rule.metric)}: give the rule a metric that both have, such as ndcg@10",
                code="not_offered",
            )
        row, table = tests.row(0, named=True), found.table(level=self.rule.level)
        values = {name: float(value) for name, value in table.select("model", "mean").rows()}
        sign = self.rule.sign
        low, high = sorted((sign * row["low"], sign * row["high"]))
        difference = {"value": sign * row["difference"], "low": low, "high": high, "p": row["p"]}
        refused = (high if self.rule.test == "not_worse" else low) < self.rule.margin
        return self._said(
            "refused" if refused else "accepted",
            self._words(values, difference, against, days, refused=refused),
            against=against,
            days=days.as_dict(),
            values=values,
            difference=difference,
        )

    def _words(
        self, values: dict[str, float], difference: dict[str, float], against: Against, days: Days, *, refused: bool
    ) -> str:
        label, margin, rule = label_of(self.rule.metric), self.rule.margin, self.rule
        other = {
            "as it is": "the running model",
            "its settings": "the running model's settings, trained to the same day,",
            "popular": "the popular items",
        }[against]
        by = abs(difference["value"])
        word = "better" if difference["value"] >= 0 else "worse"
        text = (
            f"{label} {values[CANDIDATE]:.4f} against {values[RUNNING]:.4f} of {other} for {days.people:,} people of "
            f"the newest {rule.days:g} days: {word} by {by:.4f} ({rule.level:.0%} interval {difference['low']:+.4f} to "
            f"{difference['high']:+.4f})"
        )
        if not refused:
            return text
        part = "all of it lies" if rule.test == "not_worse" else "not all of it lies above, but some"
        short = margin - (difference["high"] if rule.test == "not_worse" else difference["low"])
        return f"{text}; {part} below the margin of {margin:+g}, by {short:.4f}"
