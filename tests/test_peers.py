"""The environments of the libraries measured beside ours: built without pip's cache, and recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """The module, with all that it runs kept instead of run."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import peer_environment

    monkeypatch.setattr(peer_environment, "compiler", lambda: "cc 12.2.0")
    monkeypatch.setattr(peer_environment, "processor", lambda: "a processor")
    ran = []

    def run(words, **options):
        ran.append(([str(word) for word in words], options.get("env") or {}))
        (tmp_path / "env").mkdir(exist_ok=True)

    monkeypatch.setattr(peer_environment.subprocess, "run", run)
    yield peer_environment.Environment, tmp_path / "env", ran
    for name in ("peer_environment", "peers", "bayes_peers", "common"):
        sys.modules.pop(name, None)


def test_what_is_compiled_here_comes_from_no_cache_and_says_its_flags(environment):
    make, folder, ran = environment
    one = make(folder, ("implicit==1", "libmf==0.9.2"), ("libmf",), "-O3 -mavx")
    assert one.version_of("libmf") == "0.9.2"  # not made yet
    assert one.made(lambda: "a-python") == folder / "bin" / "python"
    (venv, _), (install, variables) = ran
    assert venv == ["a-python", "-m", "venv", "--clear", str(folder)]
    assert install == [
        str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-binary", "libmf",
        "implicit==1", "libmf==0.9.2",
    ]  # fmt: skip
    assert variables["CFLAGS"] == variables["CXXFLAGS"] == "-O3 -mavx"
    assert one.version_of("libmf") == "0.9.2 (built here by cc 12.2.0 with `-O3 -mavx`)"
    assert one.version_of("implicit") == "1"


def test_an_environment_is_made_again_for_other_packages_flags_compilers_or_processors(environment):
    make, folder, ran = environment
    one = make(folder, ("libmf==0.9.2",), ("libmf",), "-O3")
    one.made()
    assert len(ran) == 2
    one.made()
    assert len(ran) == 2
    for name in ("compiler", "processor", "flags", "pinned"):
        stamp = folder / "installed.json"
        stamp.write_text(json.dumps({**json.loads(stamp.read_text()), name: "another"}))
        before = len(ran)
        one.made()
        assert len(ran) == before + 2, name


def test_wheels_alone_are_wheels_alone(environment):
    make, folder, ran = environment
    one = make(folder, ("myfm==0.5.0",))
    one.made()
    assert "--no-cache-dir" in ran[1][0]
    assert ran[1][0][-3:] == ["--only-binary", ":all:", "myfm==0.5.0"]
    assert one.version_of("myfm") == "0.5.0"


def test_every_environment_of_the_benchmarks_is_made_like_this(environment):
    import bayes_peers
    import peers

    assert peers.ENVIRONMENT.built_here == ("lightfm-next", "libmf")
    assert "-mavx -DUSEAVX" in peers.ENVIRONMENT.flags
    assert bayes_peers.ENVIRONMENT.built_here == ()
    for script in BENCHMARKS.glob("*.py"):
        assert '"pip"' not in script.read_text() or script.name == "peer_environment.py", script.name


def test_without_a_compiler_a_sentence_says_so(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("CC", "no-such-compiler")
    code = "import peer_environment; peer_environment.compiler()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=BENCHMARKS)
    assert "no C compiler: no-such-compiler does not run" in done.stderr
