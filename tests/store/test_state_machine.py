"""Whatever is written in whatever order, the store holds what a plain model holds: Hypothesis looks for an order in
which it does not, over both databases."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from store.modelled_store import ModelledNamespace, Row, Shown

from palate.errors import ConflictError, DataError, NotFoundError, ParameterError
from palate.store import (
    Event,
    ShownList,
    Thing,
    cleaning,
    experiments,
    feedback,
    forgetting,
    items,
    open_store,
    outcomes,
    popular,
    scenarios,
    users,
)
from palate.store.bulk.exporting import export
from palate.store.bulk.importing import import_into
from palate.store.experiments import Arm
from palate.store.presets import Preset
from palate.store.records import Place
from palate.store.rows import user_keys
from palate.store.times import now

PEOPLE, GOODS, IDS = ("ann", "bob", "007", "v 1"), ("tea", "milk", "a/b"), ("e1", "e2", "e3")
DAY = 86_400_000_000
NUMBERS = itertools.count()
attributes = st.dictionaries(st.sampled_from(["title", "n"]), st.sampled_from(["Tea", 1, True, ["a"]]), max_size=2)
people, goods = st.sampled_from(PEOPLE), st.sampled_from(GOODS)
names = st.sampled_from(["default", "home"])
hidden = st.sampled_from([None, True, False])
kinds = st.sampled_from(["rating", "click", "hide", "viewed"])
values = st.sampled_from([None, 1.0, 4.0, 5.0])
ids = st.one_of(st.none(), st.sampled_from(IDS))
events = st.builds(
    lambda user, item, kind, value, time, event_id: Event(user, item, kind, value, time, event_id),
    *(people, goods, kinds, values, st.sampled_from([None, DAY, 2 * DAY]), ids),
)
undos = st.builds(
    lambda user, of, event_id: Event(user, None, "undo", None, None, event_id, withdraws=of),
    people,
    st.sampled_from(IDS),
    ids,
)


class StoreMachine(RuleBasedStateMachine):
    """One namespace of a store and its model."""

    url: str
    folder: str

    @initialize()
    def begin(self):
        self.store = open_store(self.url, folder=self.folder)
        self.ns = self.store.create_namespace(f"n{next(NUMBERS)}")
        self.model = ModelledNamespace()
        self.counters: dict[str, int] = {}

    @rule(user=people, given=attributes, is_hidden=hidden)
    def write_a_user(self, user, given, is_hidden):
        users.upsert(self.store, self.ns, [Thing(user, given, is_hidden)])
        self.model.upsert_user(user, given, is_hidden)

    @rule(item=goods, given=attributes, is_hidden=hidden)
    def write_an_item(self, item, given, is_hidden):
        items.upsert(self.store, self.ns, [Thing(item, given, is_hidden)])
        self.model.upsert_item(item, given, is_hidden)

    @rule(item=goods, is_hidden=st.booleans())
    def hide_an_item(self, item, is_hidden):
        items.hide(self.store, self.ns, [item], is_hidden)
        self.model.hide_item(item, is_hidden)

    @rule(item=goods)
    def delete_an_item(self, item):
        items.delete_items(self.store, self.ns, [item])
        self.model.delete_item(item)

    @rule(sent=st.lists(st.one_of(events, undos), min_size=1, max_size=4))
    def send_feedback(self, sent):
        receipts = feedback.add(self.store, self.ns, sent)
        for event, receipt in zip(sent, receipts, strict=True):
            row = Row(receipt.event_id, event.user, event.item, event.kind, event.value, event.time, event.withdraws)
            old = event.time is not None and event.user in self.model.forgotten  # all times here are long ago
            known = not receipt.made_id and any(row.event_id == one.event_id for one in self.model.log)
            expected = "refused" if old and not known else self.model.add(row, receipt.made_id)
            assert (receipt.status, receipt.made_id) == (expected, event.event_id is None), (event, receipt)

    @rule(
        sent=st.lists(events.filter(lambda e: e.kind in ("click", "hide")), min_size=1, max_size=3),
        days=st.integers(0, 2),
    )
    def import_a_file(self, sent, days):
        received = now() - days * DAY
        made = [
            Row(e.event_id or f"f{next(NUMBERS)}", e.user, e.item, e.kind, e.value, e.time or DAY, None, received)
            for e in sent
        ]
        rows = list({row.event_id: row for row in made}.values())
        path = f"{self.folder}.jsonl"
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - no fixture here
            for row in rows:
                file.write(json.dumps({name: value for name, value in vars(row).items() if value is not None}) + "\n")
        became = ["gone" if row.user in self.model.forgotten else self.model.add(row, made=False) for row in rows]
        try:
            done = import_into(self.store, self.ns, path, skip_faulty=True, time_unit="us")
        except DataError:  # no row is left
            assert "new" not in became
        else:
            assert (done.events.new, done.events.forgotten <= became.count("gone")) == (became.count("new"), True)

    @rule(visitor=people, account=people)
    def merge_two(self, visitor, account):
        if visitor == account:
            return
        try:
            feedback.merge(self.store, self.ns, visitor, account)
            done = "done"
        except (ConflictError, ParameterError):
            done = "refused"
        assert done == self.model.merge(visitor, account)

    @rule(user=people)
    def forget_somebody(self, user):
        forgetting.forget(self.store, self.ns, user, scrub_now=False)
        self.model.forget(user)
        self.counters = {}

    @rule(days=st.sampled_from([0.5, 1.5]))
    def clean(self, days):
        moment = now()
        cleaning.clean(self.store, keep_events=days, ns=self.ns, now=moment)
        self.model.clean(moment - int(days * DAY))

    @rule(name=names, n=st.integers(1, 2))
    def put_a_scenario(self, name, n):
        made = scenarios.put(self.store, self.ns, name, Preset(n=n))
        self.model.put_scenario(name, n)
        assert made.revision == len(self.model.scenarios[name])

    @rule(name=names)
    def delete_a_scenario(self, name):
        assert became(scenarios.delete, self.store, self.ns, name) == self.model.delete_scenario(name)

    @rule(name=st.sampled_from(["x1", "x2"]), scenario=names, arm=names)
    def start_an_experiment(self, name, scenario, arm):
        arms = (Arm("usual", 0.5, scenario), Arm("other", 0.5, arm))
        done = became(experiments.start, self.store, self.ns, name, scenario, arms)
        assert done == self.model.start_experiment(name, scenario, arm)

    @rule(name=st.sampled_from(["x1", "x2"]))
    def end_an_experiment(self, name):
        assert became(experiments.end, self.store, self.ns, name) == self.model.end_experiment(name)

    @rule(
        user=st.one_of(st.none(), people),
        shown=st.sets(goods, max_size=2),
        days=st.integers(0, 2),
        in_one=st.booleans(),
    )
    def show_a_list(self, user, shown, days, in_one):
        name = next(iter(self.model.scenarios), None)
        scenario = None if name is None else (name, len(self.model.scenarios[name]))
        experiment = next(iter(self.model.experiments), None) if in_one else None
        one = Shown(f"{next(NUMBERS):032x}", user, tuple(shown), now() - days * DAY, scenario, experiment)
        places = tuple(Place(item, 1.0, 0.5) for item in one.items)
        more = {"scenario": scenario, "experiment": experiment, "arm": experiment and "usual"}
        made = ShownList(one.list_id, user, one.time, "model", None, places, **more)
        self.store.writer.lists(self.ns, [made]).result()
        self.model.show(one)

    @rule(user=people, item=goods, kind=st.sampled_from(["click", "hide"]), data=st.data())
    def click_in_a_list(self, user, item, kind, data):
        if self.model.lists:
            list_id = data.draw(st.sampled_from(self.model.lists)).list_id
            sent = Event(user, item, kind, event_id=f"l{next(NUMBERS)}", list_id=list_id)
            feedback.add(self.store, self.ns, [sent])
            self.model.add(Row(sent.event_id, user, item, kind, None, None, None, None, list_id), made=False)

    @rule(days=st.sampled_from([0.5, 1.5]))
    def clean_lists(self, days):
        moment = now()
        cleaning.clean(self.store, keep_lists=days, ns=self.ns, now=moment)
        self.model.clean_lists(moment - int(days * DAY))

    @rule()
    def reopen(self):
        self.store.close()
        self.store = open_store(self.url, folder=self.folder)

    @invariant()
    def the_log_is_the_models(self):
        with self.store.read() as connection:
            rows = [event for _, event in feedback.log(connection, self.ns)]
            of = {user: feedback.of_user(connection, self.ns, user) for user in PEOPLE}
        there = {event.event_id for event in rows}
        assert [_said(event) for event in rows] == [
            (r.event_id, r.user, r.item, r.kind, r.value, r.withdraws if r.withdraws in there else None)
            for r in self.model.log
        ]
        assert all(row.time in (None, event.time) for row, event in zip(self.model.log, rows, strict=True))
        for user in PEOPLE:
            counting = [row.event_id for row in self.model.counting() if row.user == self.model.account(user)]
            assert [event.event_id for event in of[user]] == counting

    @invariant()
    def users_and_items_are_the_models(self):
        with self.store.read() as connection:
            people, goods = users.get(connection, self.ns, PEOPLE), items.get(connection, self.ns, GOODS)
            keys = user_keys(connection, self.ns, PEOPLE)
        assert {one.id: (one.attributes, one.hidden) for one in people.values()} == self.model.users
        living = {item: known for item, known in self.model.items.items() if item not in self.model.deleted}
        assert {one.id: (one.attributes, one.hidden) for one in goods.values()} == living
        for visitor, account in self.model.merged.items():
            assert keys[visitor] == keys[account]
        assert len(set(keys.values())) == len(set(map(self.model.account, self.model.users)))

    @invariant()
    def counters_never_fall_and_point_to_the_newest_event(self):
        counters = self.store.counters(self.ns, PEOPLE).users
        for user, (counter, _) in counters.items():
            assert counter >= self.counters.get(user, 0)
        self.counters = {user: counter for user, (counter, _) in counters.items()}

    @invariant()
    def scenarios_and_experiments_are_the_models(self):
        with self.store.read() as connection:
            current = {each.name: each.preset.n for each in scenarios.listed(connection, self.ns)}
            running = {each.name for each in experiments.listed(connection, self.ns, running=True)}
        assert current == self.model.current()
        assert running == {name for name, (*_, runs) in self.model.experiments.items() if runs}

    @invariant()
    def what_was_shown_and_came_of_it_is_the_models(self):
        with self.store.read() as connection:
            lists = outcomes.list_frame(connection, self.ns)
            places = outcomes.frame(connection, self.ns)
        made_by = lists.select("list_id", "user", "scenario", "revision", "experiment").rows()
        assert made_by == [
            (one.list_id, one.user, *(one.scenario or (None, None)), one.experiment) for one in self.model.lists
        ]
        came = self.model.came()
        assert places.select("list_id", "item", "clicks").rows() == [
            (one.list_id, item, came.get((one.list_id, item), 0)) for one in self.model.lists for item in one.items
        ]

    @invariant()
    def what_is_popular_is_counted_right(self):
        if self.model.cleaned:
            return
        with self.store.read() as connection:
            counted = {one.id: one.score for one in popular.popular(connection, self.ns)}
        assert counted == self.model.popular()

    def teardown(self):
        if not hasattr(self, "model"):
            return
        if not self.model.cleaned:  # an undo of what was cleaned withdraws nothing, and is no event to import
            export(self.store, self.ns, f"{self.folder}-first", "jsonl")
            copy = self.store.create_namespace(f"{self.ns.name}-copy")
            import_into(self.store, copy, f"{self.folder}-first")
            export(self.store, copy, f"{self.folder}-second", "jsonl")
            for name in ("users", "items", "events"):
                first, second = (_bytes(f"{self.folder}-{which}/{name}.jsonl") for which in ("first", "second"))
                assert first == second
        self.store.close()


def became(call, *given):
    """Return "done", "refused" or "absent"."""
    try:
        call(*given)
    except ConflictError:
        return "refused"
    except NotFoundError:
        return "absent"
    return "done"


def _said(event):
    return event.event_id, event.user, event.item, event.kind, event.value, event.withdraws


def _bytes(path):
    with open(path, "rb") as file:  # noqa: PTH123 - no fixture here
        return file.read()


def machine(url, folder):
    return type("Machine", (StoreMachine,), {"url": url, "folder": str(folder)})


HEALTH = list(HealthCheck)  # a busy machine is no fault of the store
QUICK = settings(phases=[Phase.generate], deadline=None, derandomize=True, database=None, suppress_health_check=HEALTH)
EXAMPLES = {"sqlite": (8, 15), "postgresql": (4, 8)}  # and steps of each; PostgreSQL takes ten times as long
LONG = settings(max_examples=300, stateful_step_count=50, deadline=None, suppress_health_check=HEALTH)


def test_the_store_holds_what_a_plain_model_holds(store_url, tmp_path):
    examples, steps = EXAMPLES[store_url.split(":")[0].split("+")[0]]
    quick = settings(QUICK, max_examples=examples, stateful_step_count=steps)
    run_state_machine_as_test(machine(store_url, tmp_path / "files"), settings=quick)


@pytest.mark.long
def test_the_store_holds_what_a_plain_model_holds_for_long(store_url, tmp_path):
    run_state_machine_as_test(machine(store_url, tmp_path / "files"), settings=LONG)
