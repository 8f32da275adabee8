"""The demo on real data, in its fast form; and the page's command."""

import json
import os
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from palate import MODELS, load
from palate.cli.demo import COMPARED


@pytest.mark.usefixtures("movielens")
def test_demo_fast_shows_the_whole_and_leaves_a_model(tmp_path):
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "palate", "demo", "--fast", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    text = done.stdout
    parts = ("1  The data", "For user 1: ease", "3  The original system", "For user 1: today's default", "palate serve")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)  # a list before the first figure
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("  palate ")) <= 80
    assert "baseline is better than mf in ndcg@10" in " ".join(text.split())
    assert load(tmp_path / "out" / "model.safetensors").recommend(1).height == 10


@pytest.mark.usefixtures("movielens")
def test_demo_json_is_one_object(tmp_path):
    command = [sys.executable, "-m", "palate", "demo", "--fast", "--json", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    record = json.loads(done.stdout)
    assert {row["model"] for row in record["comparison"]} == set(COMPARED)
    assert len(COMPARED) == 4
    assert set(COMPARED) <= set(MODELS)
    assert record["results"]["today's default"]["rmse"] < record["results"]["original, by validation"]["rmse"]


def test_serve_says_where_it_is_and_ends_with_ctrl_c(tmp_path, tiny_model_file):
    command = [sys.executable, "-m", "palate", "serve", str(tiny_model_file), "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = json.loads(server.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        with urlopen(url, timeout=20) as answer:
            assert answer.status == 200
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert "Traceback" not in server.stderr.read()
    finally:
        server.kill()
        server.stdout.close()
        server.stderr.close()
        server.wait()
