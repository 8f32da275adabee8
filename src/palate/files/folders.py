"""A model as a folder of files for other tools, and back.

Layout "palate":

    user_factors.npy, item_factors.npy    the learned arrays, row k belongs to the k-th id (biases likewise)
    users.json, items.json                the ids, a list in index order
    items.parquet                         the item table, in index order
    seen.parquet                          user_index, item_index, value of the training part, where it was kept
    meta.json                             the model's key, parameters, learned scalars and history

Layout "original", the files that the system Palate began as wrote and reads: user_embeddings.npy, item_embeddings.npy,
and user_to_index.pkl, movie_to_index.pkl, plain dicts from id to row.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import polars as pl

from palate.atomic import replacing
from palate.data.ids import Ids
from palate.data.items import item_table
from palate.data.reading.bounds import check_bounds
from palate.errors import DataError, ModelFileError, ParameterError
from palate.files import strict_json
from palate.files.checks import check_whole, class_of, model_of, plain_state
from palate.files.foreign import ids_from, read_npy, read_pickled_ids, size_of
from palate.models import MatrixFactorization, ModelState, Recommender
from palate.models.ridge.priors import LearnedPriors
from palate.models.sgd.mf import MFLearned
from palate.models.sgd.training import SGDCourse
from palate.sparse import Rows

FORMAT_VERSION = 1
Writer = Callable[[BinaryIO], Any]

_META = {
    "format_version": int,
    "palate_version": str,
    "model": str,
    "parameters": dict,
    "learned": dict,
    "seen": bool,
}


def export(model: Recommender, folder: str | Path, layout: Literal["palate", "original"] = "palate") -> list[Path]:
    """Write a fitted model as files for other tools; return their paths.

    Args:
        model: any fitted model; for the original layout a factor model without biases.
        folder: made where it is not there; files of the same names are replaced.
        layout: "palate" or "original", see the module.

    Raises:
        NotFittedError: before ``fit``.
        ParameterError: no such layout.
        ModelFileError: the layout cannot hold the model, the model holds NaN, or a file cannot be written.
    """
    if layout not in ("palate", "original"):
        raise ParameterError.outside("layout", "'palate' or 'original'", layout)
    check_whole(model, "a folder of arrays")
    state = plain_state(model.state())
    writers = _palate_files(state) if layout == "palate" else _original_files(state)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, write in writers.items():
            with replacing(folder / name) as file:
                write(file)
    except OSError as error:
        raise ModelFileError.of_disk("cannot export to", folder, error) from error
    return [folder / name for name in writers]


def import_folder(folder: str | Path, rating_range: tuple[float, float] | None = None) -> Recommender:
    """Return the model of an exported folder, of either layout.

    Args:
        folder: what `export` or the original system wrote.
        rating_range: lowest and highest rating; needed for the original layout, which does not say it.

    Raises:
        ModelFileError: a file is missing, faulty, hostile, or out of step with the others; says which.
        ParameterError: rating_range is needed, or is no range.
    """
    folder = Path(folder)
    if rating_range is not None:
        rating_range = _range(rating_range)
    if not folder.is_dir():
        raise ModelFileError(f"there is no folder {folder}", code="not_found", subject=folder)
    is_palate, is_original = (folder / "meta.json").exists(), (folder / "user_embeddings.npy").exists()
    if is_palate == is_original:
        layout = "both layouts" if is_palate else "neither meta.json nor user_embeddings.npy"
        raise ModelFileError.of(
            folder, f"holds {layout}; it must be what `palate export`, or the original system, wrote"
        )
    try:
        state = _palate_state(folder) if is_palate else _original_state(folder, rating_range)
        if rating_range is not None:
            state = replace(state, learned={**state.learned, "rating_range_": list(rating_range)})
        return model_of(state)
    except ModelFileError as error:
        raise error.within(f"{folder} is refused: ", subject=folder) from None
    except FileNotFoundError as error:
        raise ModelFileError.of(folder, f"lacks the file {Path(str(error.filename)).name}", code="not_found") from None
    except OSError as error:
        raise ModelFileError.of_disk("cannot read", error.filename or folder, error) from error


# -- layout "palate" ------------------------------------------------------------------------------------------------


def _palate_files(state: ModelState) -> dict[str, Writer]:
    """Return each file's name and writer; meta.json comes last, so that a folder with it is whole."""
    meta = {
        "format_version": FORMAT_VERSION,
        "palate_version": version("palate"),
        "model": state.key,
        "parameters": state.parameters,
        "learned": state.learned,
        "seen": state.seen is not None,
    }
    files: dict[str, Writer] = {_npy(name): _saver(array) for name, array in state.arrays.items()}
    for name, ids in (("users.json", state.users), ("items.json", state.items)):
        files[name] = _bytes_writer(strict_json.dumps(ids.values.to_list(), name))
    files["items.parquet"] = state.item_table.write_parquet
    if state.seen is not None:
        files["seen.parquet"] = _seen_table(state.seen).write_parquet
    files["meta.json"] = _bytes_writer(strict_json.dumps(meta, "meta.json"))
    return files


def _palate_state(folder: Path) -> ModelState:
    meta = _read_json(folder / "meta.json")
    if not isinstance(meta, dict) or type(meta.get("format_version")) is not int:
        raise ModelFileError.of("meta.json", "gives no format_version", code="version")
    if meta["format_version"] != FORMAT_VERSION:
        raise ModelFileError.of(
            "meta.json",
            f"has format version {meta['format_version']}, this Palate reads {FORMAT_VERSION}; "
            "pip install --upgrade palate",
            code="version",
        )
    odd = [key for key in meta.keys() | _META.keys() if type(meta.get(key)) is not _META.get(key)]
    if odd:
        raise ModelFileError.of("meta.json", f": '{min(odd)[:40]}' is missing, unknown, or of a wrong type")
    cls = class_of(meta["model"])
    users, items = (_read_ids(folder / f"{what}s.json", what) for what in ("user", "item"))
    arrays = {
        name: read_npy(folder / _npy(name), len(shape.axes), shape.dtypes)
        for name, shape in cls.learned_.kind.ARRAYS.items()
    }
    return ModelState(
        key=meta["model"],
        parameters=meta["parameters"],
        learned=meta["learned"],
        arrays=arrays,
        users=users,
        items=items,
        seen=_read_seen(folder / "seen.parquet", len(users)) if meta["seen"] else None,
        item_table=_read_parquet(folder / "items.parquet"),
    )


def _npy(attribute: str) -> str:
    return f"{attribute.strip('_')}.npy"


def _saver(array: Any) -> Writer:
    return lambda file: np.save(file, array, allow_pickle=False)


def _bytes_writer(data: bytes) -> Writer:
    return lambda file: file.write(data)


def _seen_table(seen: Rows) -> pl.DataFrame:
    return pl.DataFrame({"user_index": seen.row_of_cells(), "item_index": seen.indices, "value": seen.values})


def _read_seen(path: Path, n_users: int) -> Rows:
    table = _read_parquet(path)
    wanted = {"user_index": pl.Int32, "item_index": pl.Int32, "value": pl.Float32}
    if table.schema != wanted or any(table.null_count().row(0)):
        raise ModelFileError.of(path.name, f"must hold {', '.join(wanted)} (Int32, Int32, Float32), nothing missing")
    user_index, item_index, values = (table[name].to_numpy() for name in wanted)
    if len(table) and (user_index[0] < 0 or user_index[-1] >= n_users or (user_index[1:] < user_index[:-1]).any()):
        raise ModelFileError.of(path.name, f": user_index does not rise within 0 to {n_users - 1}")
    return Rows.of_sizes(np.bincount(user_index, minlength=n_users), item_index, values)


def _read_ids(path: Path, what: str) -> Ids:
    values = _read_json(path)
    if not isinstance(values, list):
        raise ModelFileError.of(path.name, "must be a list of ids in index order")
    return ids_from(values, path.name, what)


def _read_json(path: Path) -> Any:
    size_of(path)
    return strict_json.loads(path.read_bytes(), path.name)


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        size_of(path)
        check_bounds(path)
        return pl.read_parquet(path.read_bytes())
    except DataError as error:
        raise error.within(f"{path.name} is not a valid Parquet file: ", kind=ModelFileError) from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # a damaged page makes Polars panic
        raise ModelFileError.of(path.name, f"is not a valid Parquet file: {error}") from None


# -- layout "original" ----------------------------------------------------------------------------------------------


def _original_files(state: ModelState) -> dict[str, Writer]:
    if state.key != MatrixFactorization.key or set(state.arrays) != set(MatrixFactorization.learned_.kind.ARRAYS):
        raise ModelFileError.of(
            "the original layout", f"holds user and item factors; a '{state.key}' model has other parts"
        )
    biases = state.arrays["user_biases_"], state.arrays["item_biases_"]
    if state.learned["mean_"] != 0 or any(array.any() for array in biases):
        raise ModelFileError.of(
            "the original layout",
            "has no place for the mean and the biases, and scores without them would be wrong; "
            "export with layout='palate', or train with biases=False",
        )
    files: dict[str, Writer] = {}
    for side, other, ids in (("user", "user", state.users), ("item", "movie", state.items)):
        files[f"{side}_embeddings.npy"] = _saver(state.arrays[f"{side}_factors_"])
        index = {item: row for row, item in enumerate(ids.values.to_list())}
        files[f"{other}_to_index.pkl"] = _bytes_writer(pickle.dumps(index, protocol=4))
    return files


def _original_state(folder: Path, rating_range: tuple[float, float] | None) -> ModelState:
    if rating_range is None:
        raise ParameterError(
            f"{folder} has the original layout, which does not say the range of the ratings: give "
            "rating_range=(lowest, highest), such as (1, 5); on the command line, --rating-range 1:5",
            subject="layout",
        )
    P, Q = (read_npy(folder / f"{side}_embeddings.npy", 2) for side in ("user", "item"))
    users = read_pickled_ids(folder / "user_to_index.pkl", "user")
    items = read_pickled_ids(folder / "movie_to_index.pkl", "item")
    for name, ids, factors in (("user", users, P), ("item", items, Q)):
        if len(ids) != len(factors):
            raise ModelFileError.of(
                f"{name}_embeddings.npy", f"has {len(factors)} rows for {len(ids)} ids: out of step"
            )
    if P.shape[1] != Q.shape[1] or P.dtype != Q.dtype or not P.shape[1]:
        raise ModelFileError(
            f"the embeddings differ in length or dtype: {P.shape[1]} {P.dtype}, {Q.shape[1]} {Q.dtype}",
            subject="embeddings",
        )
    model = MatrixFactorization.original().set_params(n_factors=P.shape[1], dtype=P.dtype.name, store_history=False)
    b, c = (np.zeros(len(ids), P.dtype) for ids in (users, items))
    priors = LearnedPriors.of((None, None), (None, None), P.shape[1], P.dtype)
    course = SGDCourse(  # neither epoch nor seed is known
        history=[], refit_history=[], best_epoch=0, epoch_chosen_on="unknown", interrupted=False, seed=0
    )
    used = {name: float(model.get_params()[name]) for name in ("learning_rate", "reg", "reg_biases", "init_scale")}
    learned = MFLearned(P, Q, b, c, 0.0, priors, course, **used, reg_users=0.0, reg_items=0.0)
    return ModelState(
        key=model.key,
        parameters=model.get_params(),
        learned={"rating_range_": list(rating_range), **{name: learned.read(name) for name in learned.SCALARS}},
        arrays={name: learned.read(name) for name in learned.ARRAYS},
        users=users,
        items=items,
        seen=None,
        item_table=item_table(items),
    )


def _range(given: Any) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in given)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ParameterError.of(
            "rating_range", f"must be (lowest, highest), such as (1, 5); got {given!r}", value=given
        )
    return low, high
