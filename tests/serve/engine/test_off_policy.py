"""What a policy that was not run would have brought: as a function, on the command line, and as a job over HTTP."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest
from in_process import serving
from shown_lists import KNOWN, SOFTMAX, click, shown
from typer.testing import CliRunner

from palate.cli import app
from palate.errors import NotFoundError, ParameterError
from palate.experiments.explore import Explore
from palate.serve import learning, off_policy
from palate.serve.off_policy import Question, answered
from palate.store import jobs, keys, open_store, outcomes, scenarios, versions, working
from palate.store.presets import Preset, Rotation


@pytest.fixture(scope="module")
def logged_files(tmp_path_factory, models, make_world):
    """A store with 240 lists of 40 people, drawn by softmax, and clicks."""
    models("ease")  # trained before any list is shown
    folder = tmp_path_factory.mktemp("logged")
    with open_store(f"sqlite:///{folder / 'shop.db'}") as store:
        world = make_world(store, models)
        world.use()
        answers = shown(world, Preset(explore=SOFTMAX, n=5), times=6)
        click(world, zip(KNOWN * 6, answers, strict=True))
        world.engine.close()
    return folder


@pytest.fixture
def logged(logged_files, models, tmp_path, make_world):
    """That store, to be changed, with an engine."""
    shutil.copytree(logged_files, tmp_path, dirs_exist_ok=True)
    with open_store(f"sqlite:///{tmp_path / 'shop.db'}") as store:
        made = make_world(store, models)
        yield made
        made.engine.close()


def test_the_policy_that_ran_brings_what_it_brought(logged):
    found = answered(logged.store, logged.ns, Question(scenario="now"))
    frame = _frame(logged)
    assert found.clicks.logged.value == pytest.approx(frame["clicks"].sum() / 240)
    assert found.replayed == found.clicks.lists == 240
    assert (found.clicks.people, found.left_out) == (40, {})
    for name in ("ips", "snips", "whole_list"):
        assert found.clicks[name].value.value == pytest.approx(found.clicks.logged.value, rel=1e-6)
        assert found.clicks[name].effective == pytest.approx(240)
        assert abs(found.clicks[name].gain.value) < 1e-6
    assert found.clicks["dr"].value.low < found.clicks.logged.value < found.clicks["dr"].value.high
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False)) == found.as_dict()


def _frame(world):
    with world.store.read() as conn:
        return outcomes.frame(conn, world.ns)


def test_another_policy_is_estimated_and_a_far_one_refused(logged):
    warmer = answered(
        logged.store, logged.ns, Question(preset=Preset(explore=Explore(policy="softmax", temperature=1.6, depth=12)))
    )
    assert warmer.clicks["snips"].refused is None
    assert 100 < warmer.clicks["snips"].effective < 240
    assert warmer.clicks["snips"].value.low < warmer.clicks.logged.value < warmer.clicks["snips"].value.high
    far = answered(logged.store, logged.ns, Question(preset=Preset(where=("year<1993",), seen=True)))
    assert "Too little overlap" in far.clicks["snips"].refused


def test_lists_that_teach_nothing_are_left_out_and_counted(logged):
    logged.ask("u1", n=5)  # without the scenario: nothing is left to chance
    logged.ask(None, session=(("i1", 5.0),), scenario="now")
    found = answered(logged.store, logged.ns, Question(scenario="now", most=200))
    assert found.left_out == {"nobody": 1, "certain": 1, "drawn_out": 40}
    assert found.replayed == 200
    assert "1 list of nobody, of whom nothing was known; 1 list in which nothing was left to chance" in found.notes[1]


def test_lists_of_one_scenario_or_span_alone(logged):
    scenarios.put(logged.store, logged.ns, "old", Preset(explore=SOFTMAX))
    answer = logged.ask("u1", scenario="old")
    assert answered(logged.store, logged.ns, Question(scenario="now", lists_of="now")).replayed == 240
    (time,) = _frame(logged).filter(pl.col("list_id") == answer.list_id)["time"].unique()
    assert answered(logged.store, logged.ns, Question(scenario="now", since=time)).replayed == 1
    assert answered(logged.store, logged.ns, Question(scenario="now", until=time)).replayed == 240


def test_without_chance_nothing_is_learned(world):
    world.use()
    shown(world, Preset(n=5), times=3)
    found = answered(world.store, world.ns, Question(preset=Preset(diversity=0.9)))
    assert "Nothing was left to chance in these lists" in found.clicks["ips"].refused
    same = answered(world.store, world.ns, Question(scenario="now"))
    assert same.clicks["ips"].refused is None


def test_lists_that_a_version_may_have_learned_from_are_left_out(logged):
    _, path = logged.models("ease")
    number = versions.add(logged.store, logged.ns, path)
    later = answered(logged.store, logged.ns, Question(scenario="now", model=number))
    assert later.version == number  # trained before the lists were shown: it cannot have learned from them
    with logged.store.write() as conn:
        from sqlalchemy import update

        from palate.store.schema import versions as table

        conn.execute(update(table).where(table.c.number == number).values(newest_event=2 * 10**15))
    with pytest.raises(
        NotFoundError, match="no list to learn from: 240 lists shown before the version's newest training"
    ):
        answered(logged.store, logged.ns, Question(scenario="now", model=number))


def test_rotation_is_left_out_and_said(logged):
    found = answered(
        logged.store, logged.ns, Question(preset=Preset(explore=SOFTMAX, rotation=Rotation(shown=2, days=3)))
    )
    assert any("Rotation is left out" in note for note in found.notes)
    assert found.clicks["ips"].effective > 239


def test_requests_that_a_preset_cannot_answer_are_counted(logged):
    boosts = tuple((f"year>={1990 + k}", 1.1) for k in range(8))
    logged.ask("u1", scenario="now", boosts=(("genres=odd", 1.2),))
    found = answered(logged.store, logged.ns, Question(preset=Preset(boosts=boosts, explore=SOFTMAX)))
    assert found.left_out == {"failed": 1}


@pytest.mark.parametrize(
    ("question", "error", "words"),
    [
        ({}, ParameterError, "ask about a scenario or about a preset, one of the two"),
        ({"scenario": "a", "preset": {}}, ParameterError, "one of the two"),
        ({"scenario": "gone"}, NotFoundError, "gone"),
        ({"preset": {"model": 99}}, NotFoundError, "99"),
        ({"preset": {}, "model": "slim"}, NotFoundError, "no version of the model 'slim'"),
        ({"preset": {"explore": {"policy": "thompson"}}}, ParameterError, "'thompson' shows draws that a model keeps"),
        ({"preset": {}, "most": 0}, ParameterError, "most must be a whole number from 1 to 200,000, got 0"),
        ({"preset": {}, "since": "may"}, ParameterError, "since must be microseconds since 1970, got 'may'"),
        ({"preset": {}, "lists_of": 3}, ParameterError, "lists_of must be a name, got 3"),
        ({"preset": {}, "stop": 3}, ParameterError, "stop"),
        ({"preset": {}}, NotFoundError, "there is no list to learn from, of those asked for"),
    ],
)
def test_a_wrong_question_is_refused(world, question, error, words):
    world.use()
    with pytest.raises(error, match=words):
        answered(world.store, world.ns, Question.of(question))


def test_without_a_model_there_is_nothing_to_replay_by(world):
    with pytest.raises(NotFoundError, match="has no model version to replay lists by"):
        answered(world.store, world.ns, Question(preset=Preset()))


def test_a_question_is_json():
    question = Question(preset=Preset(explore=SOFTMAX, boosts=(("year>=2000", 2.0),)), model="ease", since=7)
    assert Question.of(json.loads(json.dumps(question.as_dict()))) == question


# -- on the command line --------------------------------------------------------------------------------------------


def run(world, *words):
    return CliRunner().invoke(app, ["off-policy", "--store", str(world.store.engine.url), *words])


def test_the_command_tells_estimates_and_what_they_rest_on(logged):
    done = run(logged, "--preset", json.dumps({"explore": {"policy": "softmax", "temperature": 1.6, "depth": 12}}))
    assert done.exit_code == 0, done.output
    for words in (
        "240 lists of 40 people",
        "clicks per list",
        "positives per list",
        "SNIPS",
        "doubly robust",
        "whole lists",
    ):
        assert words in done.output
    assert "and on nothing else in the list" in " ".join(done.output.split())


def test_the_command_tells_a_refusal_in_words(logged):
    done = run(logged, "--preset", '{"where": ["year<1993"], "seen": true}')
    assert done.exit_code == 0, done.output
    assert "Too little overlap" in done.output


def test_the_command_gives_json_and_reads_a_preset_from_a_file(logged, tmp_path):
    file = tmp_path / "preset.json"
    file.write_text(json.dumps({"explore": SOFTMAX.as_dict()}))
    done = run(logged, "--preset", str(file), "--lists-of", "now", "--until", "2999-01-01", "--most", "100", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["replayed"], said["left_out"]) == (100, {"drawn_out": 140})
    assert [one["name"] for one in said["clicks"]["estimates"]] == ["ips", "snips", "dr", "whole_list"]
    assert said["clicks"]["overlap"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "ask about a scenario or about a preset"),
        (("--scenario", "now", "--preset", "{}"), "--scenario has a preset already: leave out --preset"),
        (("--preset", "{"), "--preset does not hold JSON"),
        (("--preset", "gone.json"), "cannot read gone.json"),
        (("--preset", "{}", "--model", "99"), "99"),
        (("--preset", "{}", "--since", "2999-01-01"), "there is no list to learn from"),
    ],
)
def test_the_command_refuses_in_words(logged, words, sentence):
    done = run(logged, *words)
    assert done.exit_code != 0
    assert sentence in " ".join(f"{done.output} {done.exception}".split())


def test_a_file_that_is_no_text_is_refused(logged, tmp_path):
    (tmp_path / "preset.bin").write_bytes(b"\xff\xfe\x00")
    done = run(logged, "--preset", str(tmp_path / "preset.bin"))
    assert "does not hold text" in f"{done.output} {done.exception}"


# -- as a job -------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(logged, tmp_path):
    """An admin of a service over the store, which runs no jobs itself."""
    secret = keys.create(logged.store, logged.ns, "admin")[1]
    with serving(tmp_path / "shop.db") as there:
        there.headers["authorization"] = f"Bearer {secret}"
        yield there


def test_a_question_over_http_is_a_job_whose_outcome_tells(logged, client):
    preset = {"explore": SOFTMAX.as_dict()}
    asked = {"preset": preset, "lists_of": "now", "since": "2020-01-01T00:00:00Z", "most": 150}
    started = client.post("/v1/off-policy", json=asked)
    assert started.status_code == 202, started.text
    job = learning.JobSaid.model_validate_json(started.content)
    assert (job.kind, job.state, job.settings["since"]) == ("off-policy", "waiting", 1577836800000000)
    assert client.post("/v1/off-policy", json=asked).status_code == 409
    with jobs.running(logged.store, logged.ns, job.job) as run_:
        off_policy.run_job(run_)
    (done,) = client.get("/v1/jobs", params={"job": job.job}).json()["jobs"]
    assert (done["state"], done["outcome"]["replayed"]) == ("done", 150)
    assert done["outcome"]["clicks"]["estimates"][0]["refused"] is None
    assert "replaying 150 lists" in done["log"]


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({}, 422, "ask about a scenario or about a preset"),
        ({"preset": {"diversty": 1}}, 422, "diversty"),
        ({"scenario": "gone"}, 404, "gone"),
        ({"preset": {}, "model": 99}, 404, "99"),
        ({"preset": {}, "most": 0}, 422, "most"),
    ],
)
def test_wrong_questions_over_http_are_refused_before_a_job_is_made(logged, client, asked, status, words):
    done = client.post("/v1/off-policy", json=asked)
    assert done.status_code == status, done.text
    assert words in done.text
    with logged.store.read() as conn:
        assert jobs.listed(conn, logged.ns) == []


@pytest.mark.long
def test_the_process_of_a_job(logged):
    details = Question(scenario="now", most=50).as_dict()
    number = jobs.only_one(logged.store, logged.ns, off_policy.KIND, details, held=True)
    process = working.launch(logged.store, logged.ns, number, "palate.serve.off_policy")
    working.ended(logged.store, logged.ns, number, process)
    with logged.store.read() as conn:
        job = jobs.get(conn, logged.ns, number)
    assert (job.state, job.outcome["replayed"]) == ("done", 50), job.log
