"""``palate scenarios`` and ``palate experiments``: presets and arms from their first day to the last."""

from __future__ import annotations

import io
import json
import math
import re
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from palate.cli import app
from palate.errors import ConflictError, NotFoundError, PalateError, ParameterError
from palate.store import items, open_store
from palate.store.records import Event, Place, ShownList, Thing


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with open_store(url) as store:
        items.upsert(store, store.namespace(), [Thing("tea", {"year": 1990})])
    return url


def run(*words, **more):
    return CliRunner().invoke(app, [*map(str, words)], **more)


def scenarios(url, *words, **more):
    done = run("scenarios", *words, "--store", url, **more)
    assert done.exit_code == 0, done.output
    return done


def test_a_scenario_from_the_first_to_its_end(url, tmp_path):
    assert "there is no scenario" in scenarios(url, "list").stderr
    shown = scenarios(url, "set", "home", '{"where": ["year>=1990"], "n": 5}').stdout
    assert shown.startswith("home, revision 1 of 20")
    assert '{"where": ["year>=1990"], "n": 5}' in shown
    (tmp_path / "home.json").write_text('{"n": 7}')
    assert json.loads(scenarios(url, "set", "home", tmp_path / "home.json", "--json").stdout)["revision"] == 2
    scenarios(url, "set", "home", "-", input='{"n": 8}')
    (one,) = json.loads(scenarios(url, "list", "--json").stdout)["scenarios"]
    assert (one["name"], one["revision"], one["preset"]) == ("home", 3, {"n": 8})
    assert "home, revision 3" in scenarios(url, "list").stdout
    assert "revision 4" in scenarios(url, "delete", "home").stdout
    revisions = json.loads(scenarios(url, "revisions", "home", "--json").stdout)["scenarios"]
    assert [one["preset"] for one in revisions] == [None, {"n": 8}, {"n": 7}, {"where": ["year>=1990"], "n": 5}]


@pytest.mark.parametrize(
    ("words", "kind", "match"),
    [
        (("set", "home", "{n: 5}"), ParameterError, "the preset is no JSON"),
        (("set", "home", "nowhere.json"), PalateError, "neither JSON nor a file that can be read: nowhere.json"),
        (("set", "home", '{"m": 5}'), ParameterError, "no field 'm'"),
        (("set", "home", '{"where": ["colour=red"]}'), ParameterError, "colour"),
        (("set", "home", '{"model": 3}'), NotFoundError, "no model version 3"),
        (("set", "Home!", '{"n": 5}'), ParameterError, "small letters"),
        (("delete", "home"), NotFoundError, "no scenario 'home'"),
        (("revisions", "home"), NotFoundError, "no scenario 'home'"),
    ],
)
def test_what_is_no_scenario_is_refused(url, words, kind, match):
    with pytest.raises(kind, match=match):
        raise run("scenarios", *words, "--store", url).exception


def log_lists(url, people):
    """Log two lists of each person, by their arms; most people of the second arm click."""
    with open_store(url) as store:
        ns = store.namespace()
        from palate.store import experiments

        with store.read() as conn:
            (found,) = experiments.listed(conn, ns, running=True)
        for at, user in enumerate(people):
            arm = found.arm_of(user)
            shown = [
                ShownList(
                    f"{2 * at + twice:032x}", user, 1_700_000_000_000_000, "model", None, (Place("tea", 1.0),),
                    arm=arm.name, experiment=found.name,
                )
                for twice in range(2)
            ]  # fmt: skip
            store.writer.lists(ns, shown).result(5)
            if arm.name == "bold" and at % 4:
                event = Event(user, "tea", "click", list_id=shown[0].list_id, place=1)
                assert store.writer.feedback(ns, [event]).result(5)[0].error is None


def test_an_experiment_from_its_start_to_its_report(url):
    scenarios(url, "set", "bold", '{"n": 5}')
    assert "there is no experiment" in run("experiments", "list", "--store", url).stderr
    arms = ("--arm", "as-is=0.5:default", "--arm", "bold=0.5:bold")
    plan = ("--metric", "clicks", "--effect", 0.5, "--rate", 0.1)
    done = run("experiments", "start", "boldness", *arms, *plan, "--store", url)
    assert done.exit_code == 0, done.output
    assert "as-is 50% by default, bold 50% by bold" in done.stdout
    assert "decided by clicks per list, after so many lists: as-is" in done.stdout
    log_lists(url, [f"p{at}" for at in range(80)])
    shown = run("experiments", "report", "boldness", "--store", url).stdout
    found = re.search(r"bold against as-is, clicks per list: \+(0\.\d+)", shown)
    assert found is not None, shown
    assert 0.25 < float(found[1]) < 0.5  # whom an arm gets, and so who of it clicks, is chance
    assert "In clicks per list bold brings more than as-is" in shown
    ended = json.loads(run("experiments", "end", "boldness", "--store", url, "--json").stdout)
    assert ended["ended"] is not None
    made = json.loads(run("experiments", "report", "boldness", "--store", url, "--json").stdout)
    assert len(made["experiment"]["looks"]) == 1
    assert sum(arm["lists"] for arm in made["report"]["arms"]) == 160
    assert "boldness on default, started" in run("experiments", "list", "--store", url).stdout
    assert len(json.loads(run("experiments", "list", "--store", url, "--json").stdout)["experiments"]) == 1
    with pytest.raises(ConflictError, match="has ended already"):
        raise run("experiments", "end", "boldness", "--store", url).exception


def test_the_size_is_planned_from_past_lists(url):
    scenarios(url, "set", "bold", '{"n": 5}')
    arms = ("--arm", "as-is=0.5:default", "--arm", "bold=0.5:bold", "--store", url)
    with pytest.raises(PalateError, match=r"cannot be counted from its lists of the last 28 days: .* say the rate"):
        raise run("experiments", "start", "one", *arms, "--effect", 0.1).exception
    with open_store(url) as store:
        from palate.store.times import now

        ns = store.namespace()
        for at in range(10):
            shown = ShownList(f"{at:032x}", f"p{at % 5}", now(), "model", None, (Place("tea", 1.0),))
            store.writer.lists(ns, [shown]).result(5)
            if at % 2:
                store.writer.feedback(ns, [Event(f"p{at % 5}", "tea", "click", list_id=shown.list_id)]).result(5)
    made = json.loads(run("experiments", "start", "one", *arms, "--metric", "clicks", "--effect", 0.1, "--json").stdout)
    assert (made["plan"]["rate"], made["plan"]["lists_per_person"]) == (0.5, 2.0)
    assert min(made["plan"]["lists"]) > 100


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--arm", "a=x:default", "--arm", "b=0.5:default"), 2, "--arm takes NAME=SHARE:SCENARIO"),
        (("--arm", "a=0.5:default"), 1, "2 to 20"),
        (("--arm", "a=0.9:default", "--arm", "b=0.5:default"), 1, "at most 1 together"),
        (("--arm", "a=0.5:default", "--arm", "b=0.5:nowhere"), 1, "no scenario 'nowhere'"),
        (("--arm", "a=0.5:default", "--arm", "b=0.5"), 1, "the scenario of an arm"),
        (("--arm", "a=0.5:default", "--arm", "b=0.5:default", "--rate", 0.1), 2, "name --effect"),
    ],
)
def test_experiments_that_cannot_be_are_refused(url, words, code, said):
    done = run("experiments", "start", "x", *words, "--store", url)
    assert done.exit_code == code
    assert said in done.output + str(done.exception)


def test_the_table_of_a_report_names_its_arms_in_80_columns():
    from rich.console import Console

    from palate.cli.experiments import _show_report

    def arm(name, *of):
        figure = SimpleNamespace(value=of[0], low=of[1], high=of[2])
        return SimpleNamespace(name=name, share=0.5, people=69, lists=73, clicks=figure, positives=figure)

    arms = (arm("as-is", 0.5616, 0.3889, 0.7297), arm("bold", *[math.nan] * 3))
    made = SimpleNamespace(arms=arms, differences=(), warnings=(), verdict="Too early to tell.")
    out = Console(width=80, record=True, file=io.StringIO())
    _show_report(made, out)
    shown = out.export_text()
    assert "as-is" in shown
    assert "bold" in shown
    assert "nan" not in shown
