"""A graph of a large catalogue's items (HNSW, Malkov & Yashunin 2018, by usearch) that finds who may score highest.

score(u, i) = mean + b_u + c_i + p_u . q_i orders items as the inner product of [p_u, 1] and [q_i, c_i] does. With one
more number, which brings all items to the length of the longest, it orders them as their cosine does (Bachrach et al.
2014), and a graph by cosines finds neighbors where one by inner products leads to the longest items over and over:

    x_i = [q_i, c_i, (M - |q_i|^2 - c_i^2)^(1/2)]        y_u = [p_u, 1, 0]        M the largest |q_i|^2 + c_i^2      (1)

The graph holds x in float16 (usearch's own int8 finds next to nothing of factors), is built when a version is added,
and mapped by every worker. It proposes; exact scores decide (`palate.serve.engine.candidates`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.atomic import check_target, sync_folder
from palate.errors import MissingExtraError, ModelFileError, missing_extra
from palate.models import Recommender
from palate.models.contract.scoring import FactorScorer
from palate.parallel import chunks
from palate.topk import ItemSide

log = logging.getLogger(__name__)

MANY = 200_000  # items from which on exact lists take longer, also of 32 users together: benchmarks/serve_candidates.py
CONNECTIVITY, EXPANSION = 16, 128  # links of an item, and items looked at for each
AT_ONCE = 1 << 14  # items added by one call
FILE = "items.usearch"


@dataclass(frozen=True, eq=False)
class Candidates:
    """Proposes items.

    Attributes:
        index: of usearch, mapped.
        n_items: how many items it has.
    """

    index: Any
    n_items: int

    def of(self, P: NDArray[Any], count: int) -> list[NDArray[np.int64]]:
        """Return about ``count`` items that may score highest for each row of factors, in no order.

        Args:
            P: (m, k) factors of users.
            count: how many; more are found the better for it.
        """
        asked = np.concatenate([P, np.ones((len(P), 1)), np.zeros((len(P), 1))], axis=1).astype(np.float32)
        count = min(count, self.n_items)
        return [self.index.search(y, count, threads=1).keys.astype(np.int64) for y in asked]


def build(model: Recommender, folder: Path, many: int = MANY) -> dict[str, Any] | None:
    """Write the graph of a model's items where there are many, and return what is known of its file; else None.

    Args:
        model: fitted; one that scores by weights from item to item has no graph.
        folder: of the version.
        many: from how many items on there is one.
    """
    among = _among(model)
    if among is None or len(among.c) < many:
        return None
    try:
        index = _index(among.Q.shape[1])
    except MissingExtraError as error:
        log.warning(
            "%s items: lists are exact, and slow; the graph that finds candidates %s", f"{len(among.c):,}", error
        )
        return None
    begun = time.monotonic()
    for part, x in _lengthened(among):
        index.add(np.arange(part.start, part.stop, dtype=np.uint64), x, threads=1)
    path = folder / FILE
    check_target(path)
    index.save(str(path))
    _sync(path)
    return {"seconds": round(time.monotonic() - begun, 1), "bytes": path.stat().st_size, "sha256": _sha256(path)}


def opened(folder: Path, facts: dict[str, Any] | None, model: Recommender) -> Candidates | None:
    """Return the graph of a version, mapped; None where it has none.

    Raises:
        ModelFileError: the file is not the one that was written.
        MissingExtraError: usearch is not installed any more.
    """
    if facts is None:
        return None
    path = folder / FILE
    try:
        whole = path.stat().st_size == facts["bytes"] and _sha256(path) == facts["sha256"]
    except OSError as error:
        raise ModelFileError.of_disk("cannot read", path, error) from error
    if not whole:
        raise ModelFileError.of(path, "does not fit its checksum: the file is damaged; activate the version again")
    index = _index(model.ranker.scorer.among.Q.shape[1] if isinstance(model.ranker.scorer, FactorScorer) else 0)
    index.view(str(path))
    return Candidates(index, len(model.items_))


def _among(model: Recommender) -> ItemSide | None:
    """Return the items as those scorers have them that score known users; None for other scorers."""
    if not model.lists_its_users:
        return None
    scorer = model.ranker.scorer
    return scorer.among if isinstance(scorer, FactorScorer) and scorer.among.Q.shape[1] else None


def _index(n_factors: int) -> Any:
    """Return an empty index.

    Raises:
        MissingExtraError: usearch is not installed.
    """
    try:
        from usearch.index import Index
    except ImportError:
        raise missing_extra("ann", "finding candidates among many items") from None
    sizes: dict[str, Any] = {"connectivity": CONNECTIVITY, "expansion_add": EXPANSION, "expansion_search": EXPANSION}
    return Index(ndim=n_factors + 2, metric="cos", dtype="f16", enable_key_lookups=False, **sizes)


def _lengthened(among: ItemSide) -> Any:
    """Yield slices of the items with their x of eq. 1."""
    longest = among.longest**2
    for part in chunks(len(among.c), AT_ONCE):
        Q, c = among.Q32[part], among.c32[part, None]
        lengths = np.square(Q, dtype=np.float64).sum(axis=1, keepdims=True) + np.square(c, dtype=np.float64)
        yield part, np.concatenate([Q, c, np.sqrt(np.maximum(longest - lengths, 0))], axis=1, dtype=np.float32)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)
