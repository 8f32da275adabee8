"""What a model file does not hold and serving needs, in a second file beside it: made once, mapped by every worker.

``prepared-SEAL.safetensors``, SEAL being the first digits of the model file's own checksum, so that a prepared file
belongs to one model file and no other, and both can be replaced one after the other. It holds the order of popularity,
the item table as columns, the order of ids that do not ascend, and what the ranker derives
(`palate.models.contract.derived`); arrays that lie in the model file already are named, not written again. The metadata
entry ``prepared`` is JSON: format_version, model (the whole seal), sha256 of each array, and how they are put together.

A model that is loaded with its prepared file computes nothing and copies nothing. All values were checked when it was
prepared, and checksums tell that they are still the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.atomic import replacing
from palate.data.ids import Ids
from palate.data.texts import Texts
from palate.errors import ModelFileError
from palate.files import model_file, strict_json
from palate.files.container import DTYPES, SEAL, Container, pieces
from palate.files.table_arrays import integers_laid_out, laid_out, layout_of, texts_laid_out
from palate.models import Recommender
from palate.models.contract.derived import derive, give

FORMAT_VERSION = 1
SIDES = ("users", "items")
ITEM_TABLE = ("item_table",)  # of the model file: JSON, which stands in the prepared file as columns


def prepare(path: Path) -> Recommender:
    """Write the prepared file of a model file, which is checked first; return its model.

    Raises:
        ModelFileError: the model file is missing, damaged or hostile, or the disk cannot be written.
    """
    try:
        container = Container.open(path)
        model = model_file.model_in(container)
        arrays, parts = _laid_out(model, container.arrays())
        header = {
            "format_version": FORMAT_VERSION,
            "model": container.metadata[SEAL],
            "sha256": {name: model_file.sha256(array) for name, array in arrays.items()},
            **parts,
        }
        with replacing(prepared_path(path, container)) as file:
            for piece in pieces(arrays, {"prepared": strict_json.dumps(header, "the header").decode()}):
                file.write(piece)
    except ModelFileError as error:
        raise error.within(f"{path} is refused: ", subject=path) from None
    except FileNotFoundError:
        raise ModelFileError(f"there is no file {path}", code="not_found", subject=path) from None
    except OSError as error:
        raise ModelFileError.of_disk("cannot prepare", path, error) from error
    return model


def load_prepared(path: Path) -> Recommender:
    """Return the model of a file that was prepared: all of it mapped, all checksums verified.

    Raises:
        ModelFileError: the file or its prepared one is missing, damaged, or of another Palate.
    """
    try:
        return _load(path)
    except ModelFileError as error:
        raise error.within(f"{path} is refused: ", subject=path) from None
    except FileNotFoundError as error:
        raise ModelFileError(f"there is no file {error.filename}", code="not_found", subject=path) from None
    except OSError as error:
        raise ModelFileError.of_disk("cannot read", path, error) from error


def prepared_path(path: Path, container: Container) -> Path:
    """Return where the prepared file of a model file, whose seal was checked, lies."""
    return path.with_name(f"prepared-{container.metadata[SEAL][:16]}.safetensors")


def prepared_of(path: Path) -> Path:
    """Return where the prepared file of a model file lies, or would.

    Raises:
        ModelFileError: it is no model file.
        OSError: it cannot be read.
    """
    container = Container.open(path)
    container.check_seal()
    return prepared_path(path, container)


def _load(path: Path) -> Recommender:
    container = Container.open(path)
    header, cls, arrays = model_file.opened(container, unread=ITEM_TABLE)
    parts, prepared = _opened(prepared_path(path, container), container.metadata[SEAL])
    arrays |= prepared
    container.let_go()  # the checksums touched every page; a worker is to hold those that it reads
    table = pl.DataFrame({name: layout_of(facts, arrays).column(name) for name, facts in parts["columns"].items()})
    columns = {"users": None, "items": table["item_id"]}
    ids = tuple(_ids(arrays, side, header[side], parts["orders"][side], columns[side]) for side in SIDES)
    model = cls.from_state(model_file.state_of(header, cls, arrays, (ids[0], ids[1]), table))
    for name, one in _derived_of(model):
        give(one, parts[name], arrays)
    model.file_ = container.mapped
    return model


def _opened(path: Path, seal: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays of a prepared file, by their names in there, checksums verified."""
    container = Container.open(path)
    container.check_seal()
    header = strict_json.loads(container.metadata.get("prepared", "{}").encode(), "the 'prepared' header")
    if header.get("format_version") != FORMAT_VERSION or header.get("model") != seal:
        raise ModelFileError(
            f"{path.name} was prepared by another Palate or of another model file: prepare the model again",
            code="version",
            subject=path,
        )
    arrays = container.arrays()
    for name, array in arrays.items():
        if model_file.sha256(array) != header["sha256"].get(name):
            raise ModelFileError.of(f"array {name} of {path.name}", "does not fit its checksum: the file is damaged")
    container.let_go()
    return header, arrays


def _ids(arrays: dict[str, NDArray[Any]], side: str, kind: str, order: str | None, column: pl.Series | None) -> Ids:
    values = arrays[f"{side}.ids"] if kind == "integer" else Texts(arrays[f"{side}.text"], arrays[f"{side}.offsets"])
    return Ids.mapped(values, side[:-1], order=None if order is None else arrays[order], column=column)


class _Keeper:
    """Collects the arrays of a prepared file; what lies in the model file already is only named."""

    def __init__(self, there: dict[str, NDArray[Any]]) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.alive: list[NDArray[Any]] = []
        self.there = {_place(array): name for name, array in there.items() if array.size}

    def __call__(self, array: NDArray[Any]) -> str:
        """Return the name of an array, kept now or there before."""
        name = self.there.get(_place(array))
        if name is None:
            name = f"prepared.{len(self.arrays)}"
            self.arrays[name] = _stored(array)
            self.there[_place(array)] = name
            self.alive.append(array)  # or another array may take its place in memory
        return name


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    """Return the same bytes in a dtype that files hold, and that lets them start where their numbers may."""
    array = np.ascontiguousarray(array)
    if array.dtype.newbyteorder("<").str in DTYPES.values():
        return array
    return np.frombuffer(array.tobytes() + bytes(-array.nbytes % 8), "<i8")


def _place(array: NDArray[Any]) -> tuple[Any, ...]:
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str


def _laid_out(model: Recommender, there: dict[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays of a prepared file, and the parts of its header that say how they are put together."""
    keep = _Keeper(there)
    orders = {}
    for side, ids in (("users", model.users_), ("items", model.items_)):
        order = ids.sorted_positions()
        orders[side] = None if (order[1:] > order[:-1]).all() else keep(order)
    table = model.item_table_
    item_id = (
        integers_laid_out("items.ids", len(table))
        if model.items_.kind == "integer"
        else texts_laid_out(Texts(there["items.text"], there["items.offsets"]), "items.text", keep)
    )
    columns = {name: laid_out(table[name], keep) for name in table.columns if name != "item_id"}
    return keep.arrays, {
        "orders": orders,
        "columns": {"item_id": item_id, **columns},
        **{name: derive(one, keep) for name, one in _derived_of(model)},
    }


def _derived_of(model: Recommender) -> list[tuple[str, Recommender]]:
    """Return the model and its parts, by the names of the entries that say what is derived of them."""
    return [("derived", model), *((f"derived.{part.key}", part) for part in model.fitted_parts)]
