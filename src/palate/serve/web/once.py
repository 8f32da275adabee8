"""What holds once: tokens that were used, and sessions that were ended, until they would end by themselves.

Each is an empty file in the store's folder, which all workers share; its name is when it is of no use any more and a
digest. Making a file that is there already fails, so of two that come at the same moment one wins.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from palate.errors import UnavailableError


class Once:
    """Remembers what was used.

    Args:
        folder: where; made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def use(self, what: bytes, ends: int, now: float) -> bool:
        """Return whether something is used for the first time; it is remembered until it ends, seconds since 1970.

        Raises:
            UnavailableError: it cannot be written down.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._forget(now)
            return self._is_new(self._path(what, ends))
        except OSError as error:
            raise UnavailableError.of(self._folder.name, f"cannot be written: {error.strerror}") from error

    def is_used(self, what: bytes, ends: int) -> bool:
        """Return whether something was used."""
        return self._path(what, ends).exists()

    def _is_new(self, path: Path) -> bool:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    def _path(self, what: bytes, ends: int) -> Path:
        return self._folder / f"{ends}-{hashlib.sha256(what).hexdigest()[:32]}"

    def _forget(self, now: float) -> None:
        for path in self._folder.iterdir():
            ends = path.name.partition("-")[0]
            if ends.isdigit() and int(ends) < now:
                path.unlink(missing_ok=True)
