"""Model files: one safetensors file a model, no pickle, nothing evaluated.

The metadata entry ``palate`` is JSON: format_version, palate_version, model (its key), parameters, learned (scalars
and history), users and items ("integer" or "text" ids), seen (whether training rows were kept), sha256 of each
array, and, of a model that learned from a store, log: store, namespace, trained_to, newest_event, read; of a model made
of others, parts: model, parameters and learned of each. The arrays:

    learned.NAME                      the learned arrays, shapes as in the class
    parts.KEY.NAME                    those of each part
    users.ids, items.ids              integer ids, int64; or, for text ids,
    users.text, users.offsets, …      all ids end to end as UTF-8 bytes, and (n + 1) int64 positions where each starts
    seen.indptr, .indices, .values    what each user had in training, int64, int32, float32
    seen.weights                      its sample weights, float32, where there were some
    rated.counts, rated.means         without training rows: how often each item was rated, int64, and the mean value,
                                      float64; files of the first versions lack them
    item_table                        JSON bytes {"columns": [{"name", "dtype", "values"}, …]}, without item_id

Every checksum is verified in ``load``: one pass finds a damaged page before the first answer does,
and brings into memory what serving needs anyway. Checksums find accidents; against malice every value is checked, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.atomic import replacing
from palate.data.ids import Ids
from palate.data.texts import Texts
from palate.errors import DataError, ModelFileError
from palate.files import strict_json
from palate.files.checks import SEEN, check_names, class_of, log_of, model_of, plain_state
from palate.files.container import SEAL, Container, bytes_of, pieces
from palate.files.header import HEADER, told_of
from palate.files.item_json import item_table_from_json, item_table_to_json
from palate.files.parquet_parts import is_folder_of_model
from palate.files.partitioned import load_folder
from palate.models import ModelState, Recommender
from palate.models.contract.state import Rated
from palate.sparse import Rows
from palate.terminal import command

FORMAT_VERSION = 1

LEARNED = "learned."

_HEADER = {**HEADER, "seen": bool, "sha256": dict}
_PART = {"model": str, "parameters": dict, "learned": dict}


def save(model: Recommender, path: str | Path) -> None:
    """Write a fitted model to a file; an interruption leaves what stood there before.

    Args:
        model: any fitted model.
        path: the file, usually ``*.safetensors``.

    Raises:
        NotFittedError: before ``fit``.
        ModelFileError: no model, one that holds NaN or what a file cannot hold, or the file cannot be written.
    """
    if not isinstance(model, Recommender):
        raise ModelFileError(
            f"a fitted model is saved, such as EASE().fit(interactions); got {type(model).__name__}", subject="model"
        )
    target = _named(path)
    state = plain_state(model.state())
    arrays = _arrays_of(state)
    sums = {name: sha256(array) for name, array in arrays.items()}
    header = {**told_of(state, FORMAT_VERSION), **_told_of_parts(state), "seen": state.seen is not None, "sha256": sums}
    metadata = {"palate": strict_json.dumps(header, "the header").decode()}
    try:
        with replacing(target) as file:
            for piece in pieces(arrays, metadata):
                file.write(piece)
    except OSError as error:
        raise ModelFileError.of_disk("cannot save", path, error) from error


def load(path: str | Path, *, copy: bool = False) -> Recommender:
    """Return the model of a file; its arrays are read-only views of the mapped file, shared between processes.

    A folder of partitioned Parquet, as Spark writes models that are too large for one file, is read into memory.

    Do not write over a mapped file in place: a program that does (cp, an editor) changes the model, or ends the process
    with a bus error where the file becomes shorter. A later call of the model that finds its file changed raises
    ModelFileError. `save` and mv put a new file in the place of the old one, which is safe.

    Args:
        path: what `save` wrote, or such a folder.
        copy: read the whole file into memory instead, where nothing that happens to the file can touch the model; costs
            its size in each process.

    Raises:
        ModelFileError: the file is missing, damaged, hostile or too new; says which check failed.
    """
    path = _named(path)
    if is_folder_of_model(path):
        return load_folder(path)
    try:
        return model_in(Container.open(path, copy=copy))
    except ModelFileError as error:
        raise error.within(f"{path} is refused: ", subject=path) from None
    except FileNotFoundError:
        made = command("palate", "train", "DATA", "--out", path)
        raise ModelFileError(
            f"there is no model file {path}; `{made}` makes one", code="not_found", subject=path
        ) from None
    except OSError as error:
        raise ModelFileError.of_disk("cannot read", path, error) from error


def _named(path: object) -> Path:
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        shown = "a name with the character NUL" if isinstance(path, str) else type(path).__name__
        raise ModelFileError(
            f"a model file is given by its name, such as 'model.safetensors'; got {shown}", value=shown, subject="path"
        )
    return Path(path)


def model_in(container: Container) -> Recommender:
    """Return the model of an opened file, every value checked.

    Raises:
        ModelFileError: it is no model file, or is damaged or hostile.
    """
    header, cls, arrays = opened(container)
    users, items = (_ids_of(arrays, side, header[side]) for side in ("users", "items"))
    model = model_of(state_of(header, cls, arrays, (users, items), item_table_of(arrays, items)))
    model.file_ = container.mapped
    return model


def opened(
    container: Container, unread: tuple[str, ...] = ()
) -> tuple[dict[str, Any], type[Recommender], dict[str, NDArray[Any]]]:
    """Return the header of a model file, its model's class and its arrays, all checksums verified but of those unread.

    Raises:
        ModelFileError: it is no model file, or is damaged.
    """
    header = _header_of(container)
    cls = class_of(header["model"])
    arrays = container.arrays()
    _check_arrays(arrays, header, cls, unread)
    return header, cls, arrays


def state_of(
    header: Mapping[str, Any],
    cls: type[Recommender],
    arrays: Mapping[str, NDArray[Any]],
    ids: tuple[Ids, Ids],
    item_table: pl.DataFrame,
) -> ModelState:
    """Return the state that a model file describes, not checked yet."""
    whole = ModelState(
        key=header["model"],
        parameters=header["parameters"],
        learned=header["learned"],
        arrays={name: arrays[f"{LEARNED}{name}"] for name in _learned_in(arrays, cls, LEARNED)},
        users=ids[0],
        items=ids[1],
        seen=_seen_of(arrays) if header["seen"] else None,
        item_table=item_table,
        rated=Rated(arrays["rated.counts"], arrays["rated.means"]) if "rated.counts" in arrays else None,
        log=log_of(header["log"]) if "log" in header else None,
    )
    return replace(whole, parts=tuple(_part_of(whole, told, arrays) for told in header.get("parts", ())))


def _part_of(whole: ModelState, told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ModelState:
    """Return the state of a part: of the same ids, rows and items."""
    key = told["model"]
    names = _learned_in(arrays, class_of(key), _prefix(key))
    learned = {"key": key, "parameters": told["parameters"], "learned": told["learned"]}
    return replace(whole, **learned, arrays={name: arrays[f"{_prefix(key)}{name}"] for name in names})


def _prefix(key: str) -> str:
    return f"parts.{key}."


def _told_of_parts(state: ModelState) -> dict[str, Any]:
    told = [{"model": p.key, "parameters": p.parameters, "learned": p.learned} for p in state.parts]
    return {"parts": told} if told else {}


def item_table_of(arrays: Mapping[str, NDArray[Any]], items: Ids) -> pl.DataFrame:
    """Return the item table that a model file holds."""
    return item_table_from_json(arrays["item_table"].tobytes(), items)


def _arrays_of(state: ModelState) -> dict[str, NDArray[Any]]:
    arrays = {f"{LEARNED}{name}": array for name, array in state.arrays.items()}
    for part in state.parts:
        arrays |= {f"{_prefix(part.key)}{name}": array for name, array in part.arrays.items()}
    for side, ids in (("users", state.users), ("items", state.items)):
        if ids.kind == "integer":
            arrays[f"{side}.ids"] = ids.values.to_numpy()
        else:
            texts = [text.encode() for text in ids.values]
            arrays[f"{side}.text"] = np.frombuffer(b"".join(texts), np.uint8)
            arrays[f"{side}.offsets"] = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    if state.seen is not None:
        arrays |= {f"seen.{part}": getattr(state.seen, part) for part in SEEN}
        if state.seen.weights is not None:
            arrays["seen.weights"] = state.seen.weights
    elif state.rated is not None:
        arrays |= {"rated.counts": state.rated.counts, "rated.means": state.rated.means}
    arrays["item_table"] = np.frombuffer(item_table_to_json(state.item_table), np.uint8)
    return arrays


def _header_of(container: Container) -> dict[str, Any]:
    """Return the parsed ``palate`` header, its version, checksum, keys and types checked."""
    if "palate" not in container.metadata:
        raise ModelFileError("a safetensors file, but no Palate model: its metadata lacks 'palate'", subject="palate")
    header = strict_json.loads(container.metadata["palate"].encode(), "the 'palate' header")
    if not isinstance(header, dict) or type(header.get("format_version")) is not int:
        raise ModelFileError.of("the 'palate' header", "gives no format_version", code="version")
    version = header["format_version"]
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"made by a newer Palate: format version {version}, this one reads up to {FORMAT_VERSION}; "
            "pip install --upgrade palate",
            code="version",
            subject="palate",
        )
    if version < 1:
        raise ModelFileError(f"unknown format version {version}", code="version", subject="palate")
    container.check_seal()
    for what, given, known in (
        ("metadata", container.metadata, {"palate", SEAL}),
        ("'palate' header", header, set(_HEADER) | ({"log", "parts"} & set(header))),
    ):
        check_names(f"the {what}", "key", set(given), known)
    for key, kind in _HEADER.items():
        if type(header[key]) is not kind:
            raise ModelFileError.of(f"the 'palate' header's {key}", f"is no {kind.__name__}")
    for side in ("users", "items"):
        if header[side] not in ("integer", "text"):
            raise ModelFileError.of(f"the 'palate' header's {side}", "must be 'integer' or 'text'")
    if "parts" in header:
        _check_parts(header["parts"])
    return header


def _check_parts(parts: Any) -> None:
    """Refuse parts that are not a list of models of different keys, each with its parameters and what it learned."""
    good = isinstance(parts, list) and all(isinstance(p, dict) and set(p) == set(_PART) for p in parts)
    good = good and all(type(part[name]) is kind for part in parts for name, kind in _PART.items())
    if not good or len({part["model"] for part in parts}) < len(parts):
        words = "must be a list of different models, each with model, parameters and learned"
        raise ModelFileError.of("the 'palate' header's parts", words)


def _check_arrays(
    arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], cls: type[Recommender], unread: tuple[str, ...]
) -> None:
    """Refuse arrays beyond or short of what the header announces, and any that does not fit its checksum."""
    wanted = {f"{LEARNED}{name}" for name in _learned_in(arrays, cls, LEARNED)} | {"item_table"}
    for part in header.get("parts", ()):
        prefix = _prefix(part["model"])
        wanted |= {f"{prefix}{name}" for name in _learned_in(arrays, class_of(part["model"]), prefix)}
    for side in ("users", "items"):
        wanted |= {f"{side}.ids"} if header[side] == "integer" else {f"{side}.text", f"{side}.offsets"}
    if header["seen"]:
        wanted |= {f"seen.{part}" for part in SEEN} | ({"seen.weights"} & set(arrays))
    elif "rated.counts" in arrays:
        wanted |= {"rated.counts", "rated.means"}
    check_names("the file", "array", set(arrays), wanted)
    check_names("the header's sha256", "array", set(header["sha256"]), wanted)
    for name, array in arrays.items():
        if name not in unread and sha256(array) != header["sha256"][name]:
            raise ModelFileError.of(f"array {name}", "does not fit its checksum: the file is damaged")


def _learned_in(arrays: Mapping[str, NDArray[Any]], cls: type[Recommender], prefix: str) -> list[str]:
    """Return the names of what was learned, without that which the file is older than."""
    shapes = cls.learned_.kind.ARRAYS.items()
    return [name for name, shape in shapes if not shape.may_lack or f"{prefix}{name}" in arrays]


def _seen_of(arrays: Mapping[str, NDArray[Any]]) -> Rows:
    indptr, indices, values = (arrays[f"seen.{part}"] for part in SEEN)
    return Rows(indptr, indices, values, arrays.get("seen.weights"))


def sha256(array: NDArray[Any]) -> str:
    """Return the checksum of an array's bytes."""
    return hashlib.sha256(bytes_of(array)).hexdigest()


def _ids_of(arrays: Mapping[str, NDArray[Any]], side: str, kind: str) -> Ids:
    """Return the ids of one side: integers as they are, or text cut at its offsets."""
    try:
        if kind == "integer":
            return Ids(_row(arrays, f"{side}.ids", np.int64), side[:-1])
        text, offsets = _row(arrays, f"{side}.text", np.uint8), _row(arrays, f"{side}.offsets", np.int64)
        if not len(offsets) or offsets[0] or offsets[-1] != len(text) or (offsets[1:] < offsets[:-1]).any():
            raise ModelFileError.of(f"{side}.offsets", f"does not rise from 0 to the {len(text)} bytes of text")
        texts = Texts(text, offsets)
        if not texts.is_utf8():
            raise ModelFileError.of(f"{side}.text", "is not UTF-8 text")
        return Ids(texts, side[:-1])
    except DataError as error:
        raise error.within("", kind=ModelFileError) from None


def _row(arrays: Mapping[str, NDArray[Any]], name: str, dtype: Any) -> NDArray[Any]:
    array = arrays[name]
    if array.dtype != dtype or array.ndim != 1:
        row = f"one row of {np.dtype(dtype)}, not {array.ndim} dimensions of {array.dtype}"
        raise ModelFileError.of(name, f"must be {row}")
    return array
