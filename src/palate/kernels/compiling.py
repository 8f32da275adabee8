"""`njit` whose kept code is named by what it was compiled for, so that processes may write to one folder at once.

Numba numbers the files of a function's versions, one for each combination of types. Two processes that compile two
versions at the same moment both take the next free number, and the index of one then points to the code of the other:
a later call ends in a TypeError, or in wrong numbers. Here a file's name is the digest of the types, the processor, the
function's code and its source: whoever writes such a file writes the same. What is left to a race is an index without
the other's entry, and that version is compiled once more. No lock is needed, which shared disks often lack.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import IndexDataCacheFile


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return Numba's decorator of these options, which keeps compiled code as the module says.

    >>> @njit(nogil=True, cache=True)
    ... def twice(x):
    ...     return 2 * x
    """
    compiled = numba.njit(**options)

    def decorated(function: Callable[..., Any]) -> Any:
        dispatcher = compiled(function)
        cache = getattr(dispatcher, "_cache", None)  # none where Numba is told not to compile
        if cache is not None and cache.cache_path is not None:
            stamp = cache._impl.locator.get_source_stamp()
            cache._cache_file = KernelFiles(cache.cache_path, cache._impl.filename_base, stamp)
        return dispatcher

    return decorated


class KernelFiles(IndexDataCacheFile):
    """The index and the files of one function's versions.

    Args:
        cache_path: the folder.
        filename_base: how the names of this function's files begin.
        source_stamp: of the source file: time and size.
    """

    def name_of(self, key: Any) -> str:
        """Return the name of the file of a version; key: types, processor and code."""
        digest = sha256(repr((self._version, self._source_stamp, key)).encode()).hexdigest()[:24]
        return f"{Path(self._index_name).stem}.{digest}.nbc"

    def save(self, key: Any, data: Any) -> None:
        """Write a version, then its entry, so that no entry is without its file."""
        name = self.name_of(key)
        self._save_data(name, data)
        entries = self._load_index()
        if not entries and Path(self._index_path).exists():  # an index of an older source
            self._remove_others(name)
        self._save_index({**entries, key: name})

    def _remove_others(self, name: str) -> None:
        """Remove the files of older sources. A version that another process has just written is compiled once more."""
        for path in Path(self._cache_path).glob(f"{Path(self._index_name).stem}.*.nbc"):
            if path.name != name:
                with suppress(OSError):
                    path.unlink()
