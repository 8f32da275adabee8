"""An environment of other libraries, and the record of what those compiled here were built with.

Nothing comes from pip's cache: it keeps wheels built here under a key that knows neither flags nor processor, so that a
LIBMF built once without AVX would be measured for ever.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import processor


@dataclass(frozen=True)
class Environment:
    """Pinned packages in a folder of their own.

    Attributes:
        folder: where.
        pinned: "name==version" each.
        built_here: of these, the names that are compiled here, for this processor; all others may be wheels.
        flags: for their compiler.
    """

    folder: Path
    pinned: tuple[str, ...]
    built_here: tuple[str, ...] = ()
    flags: str = ""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def _stamp(self) -> Path:
        return self.folder / "installed.json"

    def install_command(self) -> list[str]:
        """Return pip's command line."""
        words = [str(self.python), "-m", "pip", "install", "--quiet", "--no-cache-dir"]
        source = ["--no-binary", ",".join(self.built_here)] if self.built_here else ["--only-binary", ":all:"]
        return [*words, *source, *self.pinned]

    def made(self, base: Callable[[], str] = lambda: sys.executable) -> Path:
        """Return the interpreter, after making the environment where there is none for these packages and this machine.

        Args:
            base: gives the Python to make it of; asked only where it has to be made.
        """
        wanted = self.description()
        if self.record() != wanted:
            print(f"making {self.folder}: {self.built_with(wanted) or 'wheels only'}", file=sys.stderr)
            subprocess.run([base(), "-m", "venv", "--clear", self.folder], check=True)
            flags = {"CFLAGS": self.flags, "CXXFLAGS": self.flags} if self.flags else {}
            subprocess.run(self.install_command(), check=True, env={**os.environ, **flags})
            self._stamp.write_text(json.dumps(wanted, indent=1))
        return self.python

    def description(self) -> dict[str, Any]:
        """Return what the environment depends on."""
        found: dict[str, Any] = {"pinned": list(self.pinned), "built_here": list(self.built_here)}
        if self.built_here:
            found |= {"flags": self.flags, "compiler": compiler(), "processor": processor()}
        return found

    def record(self) -> dict[str, Any] | None:
        """Return the description that the environment was made by, None where there is none."""
        return json.loads(self._stamp.read_text()) if self._stamp.exists() else None

    def version_of(self, name: str) -> str:
        """Return a package's pinned version, and what it was built with where it was compiled here."""
        version = next(pin.partition("==")[2] for pin in self.pinned if pin.startswith(f"{name}=="))
        record = self.record()
        return f"{version} ({self.built_with(record)})" if record and name in self.built_here else version

    @staticmethod
    def built_with(record: dict[str, Any]) -> str:
        """Return in words what the packages of a record were built with, "" where all are wheels."""
        if not record["built_here"]:
            return ""
        return f"built here by {record['compiler']} with `{record['flags']}`"


def compiler() -> str:
    """Return the first line of what the C compiler that Python's builds use says of itself."""
    command = shlex.split(os.environ.get("CC", "cc"))
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit(f"no C compiler: {command[0]} does not run; peers are compiled for this machine") from None
    return done.stdout.splitlines()[0].strip() if done.stdout else f"{command[0]} of {platform.machine()}"
