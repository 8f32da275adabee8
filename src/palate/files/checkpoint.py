"""A chain's checkpoint as a file: a safetensors file as models are, which nothing but the same fit can read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from palate.atomic import replacing
from palate.errors import ModelFileError
from palate.files import strict_json
from palate.files.container import Container, pieces
from palate.models.bayes.checkpoints import Snapshot

FORMAT_VERSION = 1
ENTRY = "palate_checkpoint"


class Checkpoint:
    """Where a long fit keeps its state: ``model.checkpoint = Checkpoint("chain.ckpt")``, then ``fit`` as always.

    Where the file is there, ``fit`` goes on from it and ends with the very model that an uninterrupted fit would give;
    once it has ended the file is gone. An interruption leaves the last state that was written whole.

    Args:
        path: the file.
        seconds: the least time between two of them.
    """

    def __init__(self, path: str | Path, seconds: float = 60.0) -> None:
        self.path, self.seconds = Path(path), seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Return whether it is time for the next one."""
        return time.monotonic() - self._last >= self.seconds

    def save(self, snapshot: Snapshot) -> None:
        """Write a state in the place of the one before.

        Raises:
            OSError: the file cannot be written.
        """
        document = strict_json.dumps({"format_version": FORMAT_VERSION, **snapshot.values}, "the checkpoint").decode()
        with replacing(self.path) as file:
            for piece in pieces(snapshot.arrays, {ENTRY: document}):
                file.write(piece)
        self._last = time.monotonic()

    def load(self) -> Snapshot | None:
        """Return the state in the file, or None where there is no file.

        Raises:
            ModelFileError: it is no checkpoint, of another format, or damaged; names the file.
        """
        if not self.path.exists():
            return None
        try:
            container = Container.open(self.path)
            if ENTRY not in container.metadata:
                raise ModelFileError("it is no checkpoint", subject=self.path)
            container.check_seal()
            values: Any = strict_json.loads(container.metadata[ENTRY].encode(), "the checkpoint")
            if values.pop("format_version", None) != FORMAT_VERSION:
                words = f"its format is another than {FORMAT_VERSION}, which this Palate reads"
                raise ModelFileError(words, code="version", subject=self.path)
            return Snapshot(container.arrays(), values)
        except ModelFileError as error:
            raise error.within(f"cannot go on from {self.path}: ", subject=self.path) from None

    def clear(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
