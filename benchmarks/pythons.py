"""Other Pythons of this machine: on the PATH, or kept by pyenv, whose shims run only versions that are switched on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

ASK = "import sys; print(sys.executable, *sys.version_info[:2])"


def interpreter(minor: str) -> str | None:
    """Return the path of a Python that runs and is of a version such as "3.12", None where there is none."""
    for switched_on in ({}, *({"PYENV_VERSION": one} for one in _of_pyenv(minor))):
        variables = {**os.environ, **switched_on}
        try:
            done = subprocess.run(
                [f"python{minor}", "-c", ASK], env=variables, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            return None
        path, *found = done.stdout.rsplit(maxsplit=2) if done.returncode == 0 else [""]
        if ".".join(found) == minor:
            return path
    return None


def _of_pyenv(minor: str) -> Iterator[str]:
    """Yield the versions of one minor that pyenv has, the newest first."""
    if shutil.which("pyenv"):
        told = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False)
        yield from (one for one in reversed(told.stdout.split()) if one.startswith(f"{minor}."))
