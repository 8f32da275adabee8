"""What a namespace should hold, in plain Python: lists and dictionaries, written from the rules, importing no store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

KINDS = {"rating": True, "click": False, "hide": False}  # and whether an event of this kind needs a value
POSITIVE = {"rating": lambda value: value >= 4, "click": lambda _: True, "hide": lambda _: False}


@dataclass(frozen=True)
class Row:
    """An event in the log."""

    event_id: str
    user: str
    item: str | None
    kind: str
    value: float | None
    time: int | None  # None: when it was received
    withdraws: str | None
    received: int | None = None  # None: now
    list_id: str | None = None


@dataclass(frozen=True)
class Shown:
    """A list that was shown."""

    list_id: str
    user: str | None
    items: tuple[str, ...]
    time: int
    scenario: tuple[str, int] | None
    experiment: str | None


@dataclass
class ModelledNamespace:
    """The state: whoever writes to the store calls the method of the same name here."""

    users: dict[str, tuple[dict[str, Any], bool]] = field(default_factory=dict)
    items: dict[str, tuple[dict[str, Any], bool]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    merged: dict[str, str] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    log: list[Row] = field(default_factory=list)
    cleaned: bool = False  # counts a day are not taken back by cleaning
    lists: list[Shown] = field(default_factory=list)
    scenarios: dict[str, list[Any]] = field(default_factory=dict)  # revisions of each, None where it was deleted
    experiments: dict[str, tuple[str, str, bool]] = field(default_factory=dict)  # scenario, that of an arm, runs

    def account(self, user: str) -> str:
        return self.merged.get(user, user)

    def upsert_user(self, user, attributes, hidden):
        was = self.users.get(user, ({}, False))[1]
        self.users[user] = (attributes, was if hidden is None else hidden)

    def upsert_item(self, item, attributes, hidden):
        was = self.items.get(item, ({}, False))[1] and item not in self.deleted
        self.items[item] = (attributes, was if hidden is None else hidden)
        self.deleted.discard(item)

    def hide_item(self, item, hidden):
        if item in self.items and item not in self.deleted:
            self.items[item] = (self.items[item][0], hidden)

    def delete_item(self, item):
        if item in self.items and item not in self.deleted:
            self.items[item] = ({}, True)
            self.deleted.add(item)

    def add(self, row: Row, made: bool) -> str:
        """Take an event, and return "new", "known" or "refused"."""
        row = replace(row, user=self.account(row.user))
        before = next((old for old in self.log if old.event_id == row.event_id), None)
        if before is not None and not made:
            said = replace(before, time=row.time if row.time is None else before.time, received=row.received)
            return "known" if said == row else "refused"
        if not self.is_allowed(row):
            return "refused"
        self.meet(row)
        self.log.append(row)
        return "new"

    def is_allowed(self, row: Row) -> bool:
        if row.kind == "undo":
            target = next((old for old in self.log if old.event_id == row.withdraws), None)
            return target is not None and target.user == row.user and target.kind != "undo"
        if row.list_id is not None and all(row.list_id != one.list_id for one in self.lists):
            return False
        return row.kind in KINDS and (row.value is not None or not KINDS[row.kind])

    def meet(self, row: Row) -> None:
        self.users.setdefault(row.user, ({}, False))
        if row.item is not None:
            self.items.setdefault(row.item, ({}, False))

    def merge(self, visitor, account) -> str:
        """Return "done", or "refused" where the two cannot be one."""
        account = self.account(account)
        if visitor == account:
            return "refused"
        if visitor in self.merged:
            return "done" if self.merged[visitor] == account else "refused"
        for user in (visitor, account):
            self.users.setdefault(user, ({}, False))
        self.merged = {who: account if into == visitor else into for who, into in self.merged.items()}
        self.merged[visitor] = account
        self.log = [replace(row, user=account) if row.user == visitor else row for row in self.log]
        self.lists = [replace(one, user=account) if one.user == visitor else one for one in self.lists]
        return "done"

    def forget(self, user) -> None:
        gone = {user} | {who for who, into in self.merged.items() if into == user}
        self.log = [row for row in self.log if row.user not in gone]
        self.lists = [one for one in self.lists if one.user not in gone]
        self.merged = {who: into for who, into in self.merged.items() if who not in gone}
        self.users = {who: known for who, known in self.users.items() if who not in gone}
        self.forgotten |= gone

    def clean(self, before: int) -> None:
        """Leave out what was received before a time."""
        kept = [row for row in self.log if row.received is None or row.received >= before]
        self.cleaned |= len(kept) < len(self.log)
        self.log = kept

    def clean_lists(self, before: int) -> None:
        """Leave out what was shown before a time, but not the lists of an experiment that runs."""
        self.lists = [
            one for one in self.lists if one.time >= before or (one.experiment and self.experiments[one.experiment][2])
        ]

    def show(self, one: Shown) -> None:
        user = None if one.user is None else self.account(one.user)
        if user is not None:
            self.users.setdefault(one.user, ({}, False))
        self.lists.append(replace(one, user=user))

    def put_scenario(self, name, preset) -> None:
        revisions = self.scenarios.setdefault(name, [])
        if not revisions or revisions[-1] != preset:
            revisions.append(preset)

    def current(self) -> dict[str, Any]:
        return {name: revisions[-1] for name, revisions in self.scenarios.items() if revisions[-1] is not None}

    def delete_scenario(self, name) -> str:
        if name not in self.current():
            return "absent"
        if any(runs and name in (on, arm) for on, arm, runs in self.experiments.values()):
            return "refused"
        self.scenarios[name].append(None)
        return "done"

    def start_experiment(self, name, scenario, arm) -> str:
        if not {scenario, arm} <= {"default", *self.current()}:
            return "absent"
        if name in self.experiments or any(runs and on == scenario for on, _, runs in self.experiments.values()):
            return "refused"
        self.experiments[name] = (scenario, arm, True)
        return "done"

    def end_experiment(self, name) -> str:
        if name not in self.experiments:
            return "absent"
        *rest, runs = self.experiments[name]
        self.experiments[name] = (*rest, False)
        return "done" if runs else "refused"

    def came(self) -> dict[tuple[str, str], int]:
        """Return how many clicks came of the items of lists."""
        clicks: dict[tuple[str, str], int] = {}
        for row in self.counting():
            if row.list_id is not None and row.kind != "hide":
                clicks[row.list_id, row.item] = clicks.get((row.list_id, row.item), 0) + 1
        return clicks

    def counting(self) -> list[Row]:
        """Return the events that nobody withdrew, without undos."""
        undone = {row.withdraws for row in self.log if row.kind == "undo"}
        return [row for row in self.log if row.kind != "undo" and row.event_id not in undone]

    def popular(self) -> dict[str, int]:
        """Return how many positive events each item that may be shown has."""
        counts: dict[str, int] = {}
        for row in self.counting():
            if not self.items[row.item][1] and POSITIVE[row.kind](row.value):
                counts[row.item] = counts.get(row.item, 0) + 1
        return counts
