"""Learning goes on: a model trained on the store's log, judged against the one that runs, and put in its place.

rule          the rule of the gate, fixed beforehand
settings      what a retraining is told: `checked` fills what is not said
memory        what it will hold, before anything is read
days          the newest days of the log, and the rows before them
served        the running model, measured as it answers
gate          the candidate against the running model on days that neither has seen
checks        finite, coverage, overlap with the running lists
verdict       what the gate says, as it is kept with the version
trainer       `retrain`: all of it, in the order above
overruling    a person says otherwise, by name

`python -m palate.retraining --namespace NAME --job NUMBER` runs a job of the kind "retrain" (`palate.store.working`).
Whatever happens to that process, the version that is active goes on answering: a version is written whole beside the
others (`palate.store.versions`), and made active in one transaction at the very end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palate.retraining.overruling import overrule as overrule
    from palate.retraining.rule import GateRule as GateRule
    from palate.retraining.settings import KIND as KIND
    from palate.retraining.settings import Retraining as Retraining
    from palate.retraining.settings import checked as checked
    from palate.retraining.trainer import retrain as retrain
    from palate.retraining.verdict import Verdict as Verdict

HOMES = {
    "KIND": "settings",
    "GateRule": "rule",
    "Retraining": "settings",
    "Verdict": "verdict",
    "checked": "settings",
    "overrule": "overruling",
    "retrain": "trainer",
}
__all__ = ["KIND", "GateRule", "Retraining", "Verdict", "checked", "overrule", "retrain"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in HOMES:
        raise AttributeError(f"module 'palate.retraining' has no attribute '{name}'")
    return getattr(import_module(f"palate.retraining.{HOMES[name]}"), name)
