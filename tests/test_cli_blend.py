"""A blend on the command line: parts by name, their parameters, a config, a search, and a repeatable comparison."""

import json
import shlex

import pytest
import test_cli

import palate

here, run = test_cli.here, test_cli.run
BLEND = ("--model", "blend", "--set", "parts=knn,rp3beta")


def test_parts_are_named_and_their_parameters_set(here, run):
    words = ("train", "log.csv", *BLEND, "--set", "rp3beta.beta=0.25", "--positive", "4", "--out", "m.safetensors")
    code, out, err = run(*words)
    assert code == 0, err
    said = " ".join(out.split())
    assert "no epochs of its own; seed " in said
    assert "weights: knn " in said
    model = palate.load("m.safetensors")
    assert model.parts == "knn, rp3beta(beta=0.25)"
    assert model.fitted_parts[1].beta_ == 0.25
    assert run("recommend", "m.safetensors", "--user", "1", "-n", "2")[0] == 0
    code, _, err = run(*words[:2], *BLEND, "--set", "ease.reg=3")
    assert (code, "blend has no parameter 'ease__reg'" in " ".join(err.split())) == (2, True)


@pytest.mark.long
def test_a_search_tries_what_the_parts_have_and_leaves_out_what_is_set(here, run):
    words = ("tune", "log.csv", *BLEND, "--set", "knn.n_neighbors=5", "--positive", "4", "--metric", "ndcg@5")
    code, out, err = run(*words, "--trials", "2", "--out", "tuned", "--json")
    assert code == 0, err
    found = json.loads(out)["parameters"]
    assert "rp3beta__beta" in found
    assert "knn__n_neighbors" not in found
    config = json.loads((here / "tuned" / "config.json").read_text())
    assert config["parameters"]["parts"].startswith("knn(n_neighbors=5")
    assert palate.load("tuned/model.safetensors").parts == config["parameters"]["parts"]


@pytest.mark.long
def test_a_comparison_says_the_command_that_repeats_it(here, run):
    words = ("compare", "log.csv", "--models", "knn,blend", "--positive", "4", "--metrics", "ndcg@5")
    code, out, err = run(*words, "--set", "blend.parts=knn,rp3beta", "--set", "blend.rp3beta.beta=0.25", "--json")
    assert code == 0, err
    commands = {row["model"]: shlex.split(row["command"]) for row in json.loads(out)["table"]}
    assert "parts=knn, rp3beta(beta=0.25)" in commands["blend"]
    code, out, err = run(*commands["blend"][1:], "--json")
    assert code == 0, err
