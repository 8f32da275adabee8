"""The demo on real data, in its fast form; and the page's command."""

import json
import os
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from palate import MODELS, load
from palate.cli import main
from palate.cli.demo import COMPARED
from palate.errors import PalateError


@pytest.mark.usefixtures("movielens")
def test_demo_fast_shows_the_whole_and_leaves_a_model(tmp_path):
    """What is for people goes to stderr, where stdout is one object."""
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "palate", "demo", "--fast", "--json", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    text = done.stderr
    parts = ("1  The data", "For user 1: ease", "3  The original system", "For user 1: today's default", "palate serve")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)  # a list before the first figure
    assert "\x1b" not in text
    shown = [line for line in text.splitlines() if not line.startswith("  palate ") and " 1/" not in line]
    assert max(map(len, shown)) <= 80
    assert "ease is better than mf in ndcg@10" in " ".join(text.split())
    assert load(tmp_path / "out" / "model.safetensors").recommend(1).height == 10
    record = json.loads(done.stdout)
    assert {row["model"] for row in record["comparison"]} == set(COMPARED)
    assert len(COMPARED) == 4
    assert set(COMPARED) <= set(MODELS)
    assert record["results"]["today's default"]["rmse"] < record["results"]["original, by validation"]["rmse"]


@pytest.mark.usefixtures("movielens")
def test_demo_tells_people_on_stdout(tmp_path, monkeypatch, capsys):
    """As far as the first list; what follows goes through the same console."""

    def enough(*args, **options):
        raise PalateError("enough was seen")

    monkeypatch.setattr("palate.reproduction.run_steps", enough)
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--fast", "--out", str(tmp_path)])
    out, err = capsys.readouterr()
    assert stop.value.code == 1
    assert "enough was seen" in err
    assert "For user 1: ease" in out
    assert "For user 1: ease" not in err


@pytest.mark.parametrize("words", [(), pytest.param(("--gradio",), marks=pytest.mark.long)], ids=["service", "gradio"])
def test_serve_says_where_it_is_and_ends_with_ctrl_c(tiny_model_file, words):
    command = [sys.executable, "-m", "palate", "serve", str(tiny_model_file), "--port", "0", "--json", *words]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = json.loads(server.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        with urlopen(url, timeout=120) as answer:  # the socket listens before its worker has imported all
            assert answer.status == 200
        server.send_signal(signal.SIGINT)
        assert server.wait(120) == 0
        assert "Traceback" not in server.stderr.read()
    finally:
        server.kill()
        server.stdout.close()
        server.stderr.close()
        server.wait()
