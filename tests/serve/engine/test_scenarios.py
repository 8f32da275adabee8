"""Presets, several versions at once, arms and rotation: what lists are made by, and what is logged of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from palate.errors import ModelFileError, NotFoundError, ParameterError
from palate.serve.engine import Ask, Batcher, Engine
from palate.serve.engine.people import moment_of
from palate.serve.engine.scenarios import VersionLoadingError
from palate.store import experiments, lists, scenarios, versions
from palate.store.experiments import Arm
from palate.store.feedback import merge
from palate.store.presets import Preset, Rotation
from palate.store.showings import showings
from palate.store.versions import folders

DAY = 86_400_000_000


def names(answer):
    return [place.item for place in answer.places]


def put(world, name, **said):
    return scenarios.put(world.store, world.ns, name, Preset(**said))


def kept(world, answer):
    with world.store.read() as conn:
        return lists.get(conn, world.ns, answer.list_id)


def add(world, key):
    return versions.add(world.store, world.ns, world.models(key)[1])


# -- presets ----------------------------------------------------------------------------------------------------------


def test_a_preset_says_what_the_request_leaves_open_and_the_log_names_its_revision(world):
    world.use("ials")
    put(world, "late", where=("year>=2000",), n=4, exclude=("i11",), boosts=(("genres=even", 2.0),), seen=True)
    said = {"where": ("year>=2000",), "n": 4, "exclude": ("i11",), "boosts": (("genres=even", 2.0),), "seen": True}
    answer, plain = world.ask(scenario="late"), world.ask(**said)
    assert names(answer) == names(plain)
    assert [place.score for place in answer.places] == [place.score for place in plain.places]
    assert (answer.scenario, plain.scenario) == (("late", 1), None)
    shown = kept(world, answer)
    assert (shown.scenario, shown.experiment, shown.arm) == (("late", 1), None, None)
    assert shown.request == {"n": 10, "scenario": "late"}


def test_what_the_request_says_itself_wins_and_conditions_add_up(world):
    world.use("ials")
    put(world, "late", where=("year>=2000",), n=4, seen=True, exclude=("i11",))
    answer = world.ask(scenario="late", n=10, given=frozenset({"n", "seen"}), where=("year<2015",), exclude=("i12",))
    expected = world.items(n=10, where=("year>=2000", "year<2015"), exclude=("i11", "i12"))
    assert names(answer) == expected
    assert names(world.ask(scenario="late", n=3)) == world.items(
        n=3, where=("year>=2000",), exclude=("i11",), seen=True
    )
    assert kept(world, answer).request["given"] == ["n", "seen"]


def test_a_scenario_named_default_is_that_of_requests_which_name_none(world):
    world.use("ials")
    before = world.items()
    assert names(world.ask(scenario="default")) == before
    put(world, "default", n=2)
    assert names(world.ask()) == before[:2] == names(world.ask(scenario="default"))
    assert world.ask().scenario == ("default", 1)
    assert names(world.ask(n=10, given=frozenset({"n"}))) == before
    scenarios.delete(world.store, world.ns, "default")
    assert (names(world.ask()), world.ask().scenario) == (before, None)


def test_a_change_holds_from_the_next_request_on_in_every_worker(world):
    world.use("ials")
    other = Engine(world.store)
    try:
        other.refresh()
        for n in (3, 5):
            put(world, "home", n=n)
            (answer,) = other.answer([Ask(ns=world.ns, user="u1", scenario="home")])
            assert len(answer.places) == len(world.ask(scenario="home").places) == n
        assert answer.scenario == ("home", 2)
    finally:
        other.close()


def test_a_scenario_that_is_not_there_is_told_with_those_that_are(world):
    world.use("ials")
    put(world, "home", n=3)
    answers = world.engine.answer(
        [Ask(ns=world.ns, user="u1", scenario="hom"), Ask(ns=world.ns, user="u1", scenario="home")]
    )
    assert isinstance(answers[0], ParameterError)
    assert "no scenario 'hom'; did you mean 'home'" in str(answers[0])
    assert len(answers[1].places) == 3


def test_too_many_boosts_together_are_refused(world):
    world.use("ials")
    boost = ("genres=even", 2.0)
    put(world, "home", boosts=(boost,) * 5)
    with pytest.raises(ParameterError, match=r"at most 8, those of the scenario \(5\) among them, got 9"):
        world.ask(scenario="home", boosts=(boost,) * 4)


def test_sessions_and_nobody_have_presets_too_but_nothing_of_their_own(world):
    world.use("ials")
    put(world, "home", n=3, not_mine=True)
    assert len(world.ask(None, session=(("i1", None),), scenario="home").places) == 3
    mine = {f"i{k}" for k in range(1, 30, 3)}
    assert mine & set(world.items("u1", n=30, seen=True))
    assert not mine & set(names(world.ask("u1", n=30, seen=True, scenario="home")))


def test_following_pages_keep_to_the_revision_that_the_list_was_made_by(world):
    world.use("ials")
    whole = world.items(n=20, where=("year>=2000",))
    put(world, "late", where=("year>=2000",), n=4)
    first = world.ask(scenario="late")
    put(world, "late", where=("year<2000",))
    page = world.engine.following(world.ns, first.list_id, 5, 4)
    assert names(first) + names(page) == whole[:8]
    assert (page.scenario, page.withheld) == (("late", 1), 0)


def test_a_presets_share_of_places_is_its_own(world):
    from palate.store import items
    from palate.store.records import Thing

    world.use("ials")
    items.upsert(world.store, world.ns, [Thing(f"new{k}", {}) for k in range(9)])
    put(world, "new", new_items_share=0.5, n=6)
    assert [place.source for place in world.ask(scenario="new").places] == ["model", "new"] * 3
    assert {place.source for place in world.ask().places[:9]} == {"model"}


# -- several versions -------------------------------------------------------------------------------------------------


def test_presets_answer_by_their_own_versions_side_by_side(world):
    world.use("ease")
    ease = world.items()
    world.use("ials")
    ials = world.items()
    put(world, "one", model=1)
    put(world, "ease", model="ease")
    put(world, "two", model=2)
    world.engine.refresh()
    asks = [Ask(ns=world.ns, user="u1", scenario=name) for name in ("one", "two", "ease", None)]
    answers = world.engine.answer(asks)
    assert [answer.version for answer in answers] == [1, 2, 1, 2]
    assert [names(answer) for answer in answers] == [ease, ials, ease, ials]
    assert [kept(world, answer).version for answer in answers] == [1, 2, 1, 2]
    assert ease != ials


def test_a_key_of_a_model_means_its_newest_version(world):
    world.use("ials")
    assert add(world, "ease") == 2
    put(world, "home", model="ease")
    world.engine.refresh()
    assert world.ask(scenario="home").version == 2
    assert add(world, "ease") == 3
    world.engine.refresh()
    assert world.ask(scenario="home").version == 3
    assert (world.ask().version, len(scenarios_of(world)._tenants)) == (1, 1)


def scenarios_of(world):
    return world.engine._scenarios[world.ns.key]


class Held:
    """Loads versions by number when it may; fails when it is told to."""

    def __init__(self):
        self.may, self.error = threading.Event(), None
        self.load_active, self.renewed = versions.load_active, versions.renewed

    def load(self, store, ns, number):
        assert self.may.wait(10)
        if self.error is not None:
            raise self.error
        return versions.load(store, ns, number)


@pytest.fixture
def held(world):
    """A way of loading that waits, in the world's engine."""
    world.engine.close()
    loads = Held()
    world.engine = Engine(world.store, versions=loads)
    yield loads
    loads.may.set()


def test_a_scenario_stays_at_its_revision_until_the_version_of_the_next_is_loaded(world, held):
    world.use("ials")
    add(world, "ease")
    put(world, "home", n=3)
    assert world.ask(scenario="home").scenario == ("home", 1)
    put(world, "home", n=5, model=2)
    answer = world.ask(scenario="home")
    assert (answer.scenario, answer.version, len(answer.places)) == (("home", 1), 1, 3)
    held.may.set()
    world.engine.refresh()
    answer = world.ask(scenario="home")
    assert (answer.scenario, answer.version, len(answer.places)) == (("home", 2), 2, 5)


def test_requests_of_a_new_scenario_wait_for_its_version(world, held):
    world.use("ials")
    add(world, "ease")
    put(world, "home", model=2)
    with pytest.raises(VersionLoadingError, match="'home' is answered by model version 2, which is being loaded"):
        world.ask(scenario="home")
    assert world.ask().version == 1
    held.may.set()
    world.engine.refresh()
    assert world.ask(scenario="home").version == 2


def test_a_worker_lets_such_a_request_wait_while_others_are_answered(world, held):
    world.use("ials")
    add(world, "ease")
    put(world, "home", model=2)
    batcher = Batcher(world.engine)

    async def ask():
        waits = asyncio.create_task(batcher.answer(Ask(ns=world.ns, user="u1", scenario="home")))
        other = await batcher.answer(Ask(ns=world.ns, user="u1"))
        assert not waits.done()
        held.may.set()
        return other.version, (await waits).version

    assert asyncio.run(ask()) == (1, 2)
    batcher.close()


def test_a_version_that_cannot_be_loaded_leaves_the_active_one_and_is_tried_again(world, held):
    world.use("ials")
    add(world, "ease")
    held.error = ModelFileError("the file is damaged")
    held.may.set()
    put(world, "home", model=2, n=3)
    world.engine.refresh()
    answer = world.ask(scenario="home")
    assert (answer.version, answer.scenario, len(answer.places)) == (1, ("home", 1), 3)
    held.error = None
    scenarios_of(world)._tenants[2]._again = 0.0  # five seconds later
    world.engine.refresh()
    assert world.ask(scenario="home").version == 2


def test_a_version_that_stops_being_active_goes_on_where_a_preset_names_it(world):
    world.use("ials")
    put(world, "home", model=1)
    assert world.ask(scenario="home").version == 1
    assert scenarios_of(world)._tenants == {}
    world.use("ease")
    assert (world.ask(scenario="home").version, world.ask().version) == (1, 2)
    scenarios.delete(world.store, world.ns, "home")
    assert world.ask().version == 2
    assert scenarios_of(world)._tenants == {}


def test_feedback_and_items_reach_all_versions_at_once(world):
    from palate.store import items
    from palate.store.records import Thing

    world.use("ease")
    world.use("ials")
    put(world, "one", model=1)
    world.engine.refresh()
    first = names(world.ask(scenario="one"))
    items.upsert(world.store, world.ns, [Thing(first[0], {}, hidden=True)])
    world.events("u1", (first[1], "click", None))
    assert not set(first[:2]) & set(names(world.ask(scenario="one", n=30)))


def test_versions_that_presets_name_keep_their_files(world):
    for key in ("ease", "ials", "als"):
        world.use(key)
    put(world, "one", model=1)
    put(world, "two", model="ials")
    assert add(world, "popularity") == 4
    assert versions.prune(world.store, world.ns, keep=1) == []
    scenarios.delete(world.store, world.ns, "one")
    assert versions.prune(world.store, world.ns, keep=1) == [1]
    with world.store.read() as conn:
        assert versions.wanted_by(conn, world.ns, None) is None
        assert versions.wanted_by(conn, world.ns, "ials") == versions.wanted_by(conn, world.ns, 2) == 2
        for model, match in ((1, "model version 1 is removed"), (9, "no model version 9"), ("ease", "no version of")):
            with pytest.raises(NotFoundError, match=match):
                versions.wanted_by(conn, world.ns, model)


def test_a_preset_of_a_version_that_is_gone_is_answered_by_the_active_one(world, caplog):
    world.use("ease")
    put(world, "one", model=1)
    world.use("ials")
    folders.remove(folders.folder_of(world.store, world.ns, 1))
    other = Engine(world.store)
    try:
        other.refresh()
        (answer,) = other.answer([Ask(ns=world.ns, user="u1", scenario="one")])
        assert (answer.version, answer.scenario) == (2, ("one", 1))
        assert "model version 1 cannot be loaded" in caplog.text
    finally:
        other.close()


# -- experiments ------------------------------------------------------------------------------------------------------


def arms(*rows):
    return tuple(Arm(*row) for row in rows)


def test_people_are_shared_among_arms_and_stay_there(world):
    world.use("ials")
    put(world, "short", n=2)
    put(world, "long", n=6)
    experiments.start(world.store, world.ns, "length", "default", arms(("a", 0.3, "short"), ("b", 0.3, "long")))
    people = [f"p{k}" for k in range(300)]
    answers = world.engine.answer([Ask(ns=world.ns, user=user) for user in people])
    of = {arm: [a for a in answers if a.arm == arm] for arm in ("a", "b", None)}
    assert {arm: len(found) for arm, found in of.items()} == pytest.approx({"a": 90, "b": 90, None: 120}, abs=30)
    assert {len(answer.places) for answer in of["a"]} == {2}
    assert {answer.scenario for answer in of["b"]} == {("long", 1)}
    assert {(answer.scenario, answer.experiment, len(answer.places)) for answer in of[None]} == {(None, None, 10)}
    again = world.engine.answer([Ask(ns=world.ns, user=user) for user in people])
    assert [answer.arm for answer in again] == [answer.arm for answer in answers]
    shown = kept(world, of["a"][0])
    assert (shown.experiment, shown.arm, shown.scenario) == ("length", "a", ("short", 1))
    assert world.ask(None, session=(("i1", None),)).arm is None
    assert world.ask(None).experiment is None
    experiments.end(world.store, world.ns, "length")
    assert {answer.arm for answer in world.engine.answer([Ask(ns=world.ns, user=user) for user in people])} == {None}


def test_a_merged_visitor_is_in_the_arm_of_the_account(world):
    world.use("ials")
    put(world, "short", n=2)
    made = experiments.start(
        world.store, world.ns, "length", "default", arms(("a", 0.5, "default"), ("b", 0.5, "short"))
    )
    of = {arm: next(f"p{k}" for k in range(99) if made.arm_of(f"p{k}").name == arm) for arm in ("a", "b")}
    world.rate(of["a"], i1=5)
    world.rate(of["b"], i2=5)
    assert world.ask(of["a"]).arm == "a"
    merge(world.store, world.ns, of["a"], of["b"])
    assert world.ask(of["a"]).arm == world.ask(of["b"]).arm == "b"


def test_an_arm_of_the_default_scenario_needs_no_preset(world):
    world.use("ials")
    put(world, "short", n=2)
    experiments.start(world.store, world.ns, "length", "default", arms(("a", 0.5, "default"), ("b", 0.5, "short")))
    answers = world.engine.answer([Ask(ns=world.ns, user=f"p{k}") for k in range(40)])
    assert {(a.arm, a.experiment, a.scenario, len(a.places)) for a in answers} == {
        ("a", "length", None, 10),
        ("b", "length", ("short", 1), 2),
    }


def test_a_namespace_without_scenarios_pays_nothing_for_them(world, monkeypatch):
    world.use("ials")
    world.ask()

    def never(*_):
        raise AssertionError("asked")

    monkeypatch.setattr("palate.serve.engine.scenarios.scenarios.listed", never)
    monkeypatch.setattr("palate.serve.engine.scenarios.Scenarios.through", never)
    monkeypatch.setattr("palate.serve.engine.rotating.showings", never)
    assert world.ask().scenario is None


# -- rotation ---------------------------------------------------------------------------------------------------------


def test_what_was_shown_in_vain_goes_down_for_a_while(world):
    world.use("ials")
    now = world.engine.clock()
    world.engine.clock = lambda: now - 10 * DAY  # lists that are too old to count
    whole = world.items(n=30)
    put(world, "home", n=4, rotation=Rotation(shown=2, days=3))
    world.engine.clock = lambda: now
    seen = [names(world.ask(scenario="home")) for _ in range(4)]
    assert seen == [whole[:4], whole[:4], whole[4:8], whole[4:8]]
    assert names(world.ask(n=4)) == whole[:4]  # who asks without the preset gets what is best
    assert names(world.ask("u3", scenario="home")) == names(world.ask("u3", n=4))
    assert names(world.ask(scenario="home", n=30)) == whole[8:] + whole[:8]
    now += 4 * DAY
    assert names(world.ask(scenario="home")) == whole[:4]


def test_what_somebody_does_with_an_item_begins_its_count_anew(world):
    world.use("ials")
    first, second = world.items(n=2)
    put(world, "home", n=2, rotation=Rotation(shown=2, days=3), seen=True)
    world.engine.following(world.ns, world.ask(scenario="home").list_id, 3, 2)
    world.events("u1", (first, "click", None), (second, "impression", None))
    world.ask(scenario="home", include=(first, second))
    with world.store.read() as conn:
        key = moment_of(conn, world.ns, ["u1"]).stands["u1"].key
        counted = showings(conn, world.ns, key, 0)
        later = showings(conn, world.ns, key, world.engine.clock())
    assert {item: times for item, (times, _) in counted.items() if item in (first, second)} == {first: 1, second: 2}
    assert (len(counted), later) == (6, {})
