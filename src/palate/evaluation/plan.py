"""What a comparison is of, as JSON values, and the folder that keeps it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.card import card
from palate.data.dataset import Dataset
from palate.data.fingerprint import fingerprint
from palate.data.interactions import Interactions
from palate.data.splits.split import Split
from palate.errors import DataError
from palate.evaluation.comparison import Comparison
from palate.models.contract.answers import id_list
from palate.parallel import check_threads


def machine() -> dict[str, Any]:
    """Return the processor's name, the cores that this process may use, and the memory in GB as far as known."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = None
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    return {"cpu": cpu or platform.processor() or platform.machine(), "cores": check_threads(None), "memory_gb": memory}


def prepared(out: Path, plan: Mapping[str, Any]) -> Path:
    """Return the folder of finished rows, made.

    Raises:
        DataError: the folder is of something else, or cannot be written.
    """
    rows = out / "rows"
    try:
        if (out / "run.json").exists():
            before = Comparison.open(out).plan
            for name in ("split", "metrics", "positive", "part", "random_state", "attributes"):
                if before.get(name) != plan[name]:
                    raise DataError.of(
                        out,
                        f"holds a comparison with another {name} ({before.get(name)}, now {plan[name]}): "
                        "choose another folder, or remove that one",
                        code="other_data",
                    )
            if before["data"]["fingerprint"] != plan["data"]["fingerprint"]:
                raise DataError.of(
                    out,
                    "holds a comparison of other data: choose another folder, or remove that one",
                    code="other_data",
                )
        elif out.is_dir() and any(out.iterdir()) and not rows.is_dir():
            raise DataError.of(out, "holds other files: choose an empty folder for the results", code="other_data")
        rows.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError.of_disk("cannot write results to", out, error) from None
    return rows


def data_of(dataset: Dataset, words: Sequence[str]) -> dict[str, Any]:
    """Return name, fingerprint, sizes and card of a data set; ``words`` are how the command line names it."""
    data = dataset.interactions
    return {
        "name": dataset.name,
        "fingerprint": fingerprint(data),
        "words": list(words),
        "n_rows": len(data),
        "n_users": data.n_users,
        "n_items": data.n_items,
        "rating_range": None if data.rating_range is None else list(data.rating_range),
        "card": vars(card(dataset)),
    }


def split_of(fold: Split, data: Interactions) -> dict[str, Any]:
    """Return the facts of a fold, and the sentence that says them."""
    facts = fold.describe(data)
    return {**vars(facts), "says": facts.says}


def part_of(part: NDArray[np.bool_] | None, allow: Any, deny: Any, where: Any) -> dict[str, Any] | None:
    """Return the part of the catalogue that lists are drawn from as JSON values, or None for all of it."""
    if part is None:
        return None
    conditions = [] if where is None else [where] if isinstance(where, str | pl.Expr) else list(where)
    ids = {name: None if given is None else id_list(given) for name, given in (("allow", allow), ("deny", deny))}
    return {"n_items": int(part.sum()), **ids, "where": [str(condition) for condition in conditions]}
