"""Who runs a job: a process of a machine, as a text that tells whether it is still there.

The number of a process is given again, and is another one in a container: the text holds when the process began, and
in which space of numbers it has its own. Of a process elsewhere nobody here can tell; its beat does.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

GONE = frozenset("ZX")  # states of a process that has ended: nobody has asked for its result yet


def here() -> str:
    """Return who this process is."""
    return json.dumps({"machine": _machine(), "process": os.getpid(), "began": _began(os.getpid())})


def is_gone(owner: str) -> bool | None:
    """Return whether an owner has ended; None where that cannot be told from here."""
    with suppress(ValueError, KeyError, TypeError):
        said = json.loads(owner)
        machine, process, began = said["machine"], int(said["process"]), said["began"]
        if machine == _machine() and sys.platform != "win32":  # there a signal 0 would end it
            if not _is_there(process):
                return True
            return (
                began != _began(process) if began else None
            )  # a system that does not say: its number may be given again
    return None


def words(owner: str) -> str:
    """Return an owner as people read it."""
    with suppress(ValueError, KeyError, TypeError):
        said = json.loads(owner)
        return f"process {said['process']} on {str(said['machine']).partition(' ')[0]}"
    return "another process"


@cache
def _machine() -> str:
    space = ""
    with suppress(OSError):  # of Linux alone
        space = f" {Path('/proc/self/ns/pid').readlink()}"
    return f"{socket.gethostname()}{space}"


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return _stat(process)[:1] not in GONE


def _began(process: int) -> str:
    """Return when a process began, in the clock of the system; empty where it does not say."""
    parts = _stat(process).split()
    return parts[19] if len(parts) > 19 else ""


def _stat(process: int) -> str:
    """Return what Linux says of a process, from its state on; its name before may hold anything."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].strip()
    except OSError:
        return ""
