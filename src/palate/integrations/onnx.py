"""Factor models as ONNX graphs: ids in, the best items out, in any runtime that reads ONNX.

    S = P[user] @ Q.T + (b[user] + c + mean);  S[left_out] = -inf;  scores, places = TopK(S, n)

The graph speaks the caller's ids: inputs ``user`` (m,) and ``left_out`` (m, l), outputs ``items`` (m, n) and ``scores``
(m, n). Items stand in it in the order of popularity, and TopK takes the first of equal scores: that is Palate's rule.
Numbers are of 32 bits, Palate decides in 64: items whose scores differ by less than that may change places (`check`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.atomic import replacing
from palate.data.ids import Id, Ids
from palate.errors import ModelFileError, ParameterError, missing_extra
from palate.models import Recommender
from palate.models.contract.parameters import check_whole
from palate.models.contract.scoring import FactorScorer
from palate.sparse import Rows

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.capi import onnxruntime_pybind11_state as raised
except ImportError:
    raise missing_extra("onnx", "a model as an ONNX graph") from None

OPSETS = {"": 17, "ai.onnx.ml": 3}  # read by every runtime of the last years
IR_VERSION = 8
MOST_BYTES = 2**31 - 2**24  # one file of protobuf holds 2 GiB
# of a file that is no graph, is damaged, or asks for what this onnxruntime does not have
NO_GRAPH = (raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.InvalidProtobuf, raised.NotImplemented)
CHECKED = 1000  # users whose lists `check` compares


def export(model: Recommender, path: str | Path, n: int = 10) -> Path:
    """Write a fitted factor model as an ONNX graph; return its path.

    Who is not known to the model gets the popular items, with scores of NaN. Where fewer than ``n`` items are left,
    the rest has a score of -inf. ``left_out`` holds ids, such as the items a user had; rows are filled up with ids
    that no item has, and its width may be 0.

    Args:
        model: fitted, one that scores by factors.
        path: of the file to write; one that is there is replaced.
        n: how many items a list has; where the model has fewer, all of them.

    Raises:
        NotFittedError: before ``fit``.
        ParameterError: n is below 1, the model has no factors, or these are too large for one file.
        ModelFileError: the file cannot be written.
    """
    check_whole("n", n, low=1)
    graph = _graph(model, _factors_of(model), min(n, len(model.items_)))
    path = Path(path)
    try:
        with replacing(path) as file:
            file.write(graph.SerializeToString())
    except OSError as error:
        raise ModelFileError.of_disk("cannot write", path, error) from error
    return path


@dataclass(frozen=True)
class Agreement:
    """How the lists of a graph agree with the model's own.

    Attributes:
        users: whose lists were compared.
        same: lists with the same items in the same order.
        rounded: lists in which items changed places whose scores differ by no more than rounding to 32 bits does.
        different: all others.
        largest: difference of a score.
    """

    users: int
    same: int
    rounded: int
    different: int
    largest: float


def check(model: Recommender, path: str | Path, users: Iterable[Id] | None = None) -> Agreement:
    """Return how the lists of an exported graph, computed by onnxruntime, agree with the model's own.

    Args:
        model: that was exported.
        path: of the graph.
        users: ids of users of training; without them 1,000, spread evenly.

    Raises:
        NotFittedError: before ``fit``.
        UnknownIdError: one of the users is unknown.
        ParameterError: the model has no factors.
        ModelFileError: the file is no graph of this model, or cannot be read.
    """
    scorer = _factors_of(model)
    if users is None:
        spread = np.linspace(0, len(model.users_) - 1, min(CHECKED, len(model.users_)))
        index = spread.round().astype(np.int32)
    else:
        index = model.users_.index(users)
    session = _session(Path(path), model)
    n = session.get_outputs()[0].shape[1]
    excluded = [] if model.seen_ is None else [model.seen_]
    ours, scores = model.rank_index(index, n, excluded=excluded)
    had = None if model.seen_ is None else model.seen_.take(index)
    given = {"user": _texts(model.users_.at(index)), "left_out": left_out(model.items_, had, len(index))}
    ids, theirs = session.run(["items", "scores"], given)
    places = model.items_.index(ids.ravel().tolist(), on_unknown="mark").reshape(ids.shape)
    return _agreement(scorer, index, (ours, scores), (np.where(np.isneginf(theirs), -1, places), theirs))


def left_out(items: Ids, had: Rows | None, m: int) -> NDArray[Any]:
    """Return the ids of what each of m users had as the graph takes them, filled up with an id that no item has."""
    width = 0 if had is None or not len(had.indices) else int(np.diff(had.indptr).max())
    filler: Id = _no_id(items)
    out = np.full((m, width), filler, np.int64 if items.kind == "integer" else object)
    if had is not None and width:
        rows = had.row_of_cells()
        out[rows, np.arange(len(rows)) - had.indptr[rows]] = _texts(items.at(had.indices))
    return out


def _no_id(items: Ids) -> Id:
    """Return an id of the right type that no item has."""
    if items.kind == "text":
        return ""  # an empty text is no id, but a missing one
    return next(k for k in range(-1, -len(items) - 2, -1) if items.index([k], on_unknown="mark")[0] < 0)


def _factors_of(model: Recommender) -> FactorScorer:
    scorer = model.ranker.scorer
    if not isinstance(scorer, FactorScorer):
        raise ParameterError.of(
            model.key,
            "scores by weights between items, and has no factors to write as a graph: export a model of factors, such "
            "as als, ials, mf, bpr, warp or bayes",
            code="not_offered",
        )
    n_bytes = 4 * (scorer.P.size + scorer.among.Q.size)
    if n_bytes > MOST_BYTES:
        raise ParameterError.of(
            model.key,
            f"has factors of {n_bytes / 2**30:.1f} GiB, and one ONNX file holds 2: write them with palate.export, or "
            "train with fewer n_factors",
            code="too_large",
        )
    return scorer


def _graph(model: Recommender, scorer: FactorScorer, n: int) -> Any:
    """Return the graph as onnx has it: the last user stands for everybody unknown, the last item for every odd id."""
    order = model.item_order.order
    n_users, n_items = len(model.users_), len(model.items_)
    numbers = {
        "P": _with_last(scorer.P, 0.0),
        "b": _with_last(scorer.b[:, None], 0.0),
        "Qt": np.ascontiguousarray(scorer.among.Q[order].T, np.float32),
        "c": np.asarray(scorer.among.c[order] + scorer.among.mean, np.float32),
        "ids": _texts(model.items_.at(order)),
        "n": np.array([n]),
        "unknown": np.array([[n_users]]),
        "column": np.array([1]),
        "zero": np.array([0]),
        "end": np.array([n_items]),
        "nothing": np.zeros((1, 1), np.float32),
        "nan": np.full((1, 1), np.nan, np.float32),
        "closed": np.full((1, 1), -np.inf, np.float32),
        "spare": np.array([0, 0, 0, 1]),
    }
    nodes = [
        _positions("user", "u", _texts(model.users_.at(np.arange(n_users))), n_users),
        _positions("left_out", "l", numbers["ids"], n_items),
        helper.make_node("Gather", ["P", "u"], ["p"], axis=0),
        helper.make_node("Gather", ["b", "u"], ["bias"], axis=0),
        helper.make_node("MatMul", ["p", "Qt"], ["dots"]),
        helper.make_node("Add", ["dots", "c"], ["of_items"]),
        helper.make_node("Add", ["of_items", "bias"], ["of_all"]),
        helper.make_node("Unsqueeze", ["u", "column"], ["u1"]),
        helper.make_node("Equal", ["u1", "unknown"], ["nobody"]),
        helper.make_node("Where", ["nobody", "nothing", "of_all"], ["S"]),
        helper.make_node("Pad", ["S", "spare"], ["wide"]),
        helper.make_node("Shape", ["l"], ["shape"]),
        helper.make_node("Expand", ["closed", "shape"], ["infinite"]),
        helper.make_node("ScatterElements", ["wide", "l", "infinite"], ["marked"], axis=1),
        helper.make_node("Slice", ["marked", "zero", "end", "column"], ["left"]),
        helper.make_node("TopK", ["left", "n"], ["best", "places"], axis=1),
        helper.make_node("Gather", ["ids", "places"], ["items"], axis=0),
        helper.make_node("IsInf", ["best"], ["none_left"]),
        helper.make_node("Not", ["none_left"], ["some_left"]),
        helper.make_node("And", ["nobody", "some_left"], ["unscored"]),
        helper.make_node("Where", ["unscored", "nan", "best"], ["scores"]),
    ]
    return _model_of(model, nodes, numbers, n)


def _model_of(model: Recommender, nodes: list[Any], numbers: dict[str, NDArray[Any]], n: int) -> Any:
    """Return the graph with its inputs and outputs, and what a reader wants to know of it."""
    user, item = (_kind(ids) for ids in (model.users_, model.items_))
    graph = helper.make_graph(
        nodes,
        "palate",
        [
            helper.make_tensor_value_info("user", user, ["m"]),
            helper.make_tensor_value_info("left_out", item, ["m", "l"]),
        ],
        [
            helper.make_tensor_value_info("items", item, ["m", n]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["m", n]),
        ],
        [numpy_helper.from_array(array, name) for name, array in numbers.items()],
    )
    opsets = [helper.make_opsetid(domain, number) for domain, number in OPSETS.items()]
    made = helper.make_model(
        graph,
        producer_name="palate",
        producer_version=version("palate"),
        ir_version=IR_VERSION,
        opset_imports=opsets,
        doc_string=__doc__,
    )
    helper.set_model_props(made, _facts(model))
    onnx.checker.check_model(made)
    return made


def _facts(model: Recommender) -> dict[str, str]:
    facts = {"users": len(model.users_), "items": len(model.items_), "parameters": model.get_params()}
    return {"model": model.key, **{name: json.dumps(value, default=str) for name, value in facts.items()}}


def _positions(given: str, made: str, ids: NDArray[Any], unknown: int) -> Any:
    """Return the node that turns ids into positions, and all that it does not know into one behind the last."""
    keys: dict[str, Any] = {"keys_int64s": ids} if ids.dtype == np.int64 else {"keys_strings": ids.tolist()}
    values: dict[str, Any] = {"values_int64s": np.arange(len(ids)), "default_int64": unknown}
    return helper.make_node("LabelEncoder", [given], [made], domain="ai.onnx.ml", **keys, **values)


def _with_last(side: NDArray[Any], value: float) -> NDArray[np.float32]:
    return np.concatenate([side, np.full((1, side.shape[1]), value)]).astype(np.float32)


def _texts(ids: Any) -> NDArray[Any]:
    """Return ids as onnx takes them: int64, or Python's texts."""
    return np.array(ids.to_list(), np.int64 if ids.dtype.is_integer() else object)


def _kind(ids: Ids) -> int:
    return int(TensorProto.INT64 if ids.kind == "integer" else TensorProto.STRING)


def _session(path: Path, model: Recommender) -> Any:
    """Return a graph ready to run.

    Raises:
        ModelFileError: it cannot be read, or is of another model.
    """
    if not path.is_file():
        raise ModelFileError(f"there is no file {path}", code="not_found", subject=path)
    try:
        with path.open("rb") as file:
            file.read(1)  # what onnxruntime says of a file that may not be read does not name the cause
    except OSError as error:
        raise ModelFileError.of_disk("cannot read", path, error) from error
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except NO_GRAPH as error:
        raise ModelFileError.of(path, f"is no ONNX graph that onnxruntime reads: {error}", code="damaged") from None
    if session.get_modelmeta().custom_metadata_map != _facts(model):
        raise ModelFileError.of(path, f"is no graph of this {model.key} model: export it again", code="other_data")
    return session


def _agreement(
    scorer: FactorScorer,
    users: NDArray[np.int32],
    ours: tuple[NDArray[np.int32], NDArray[np.float64]],
    theirs: tuple[NDArray[np.int32], NDArray[np.float32]],
) -> Agreement:
    """Return how two sets of lists agree: places may change where our own scores differ by rounding alone."""
    (items, scores), (others, given) = ours, theirs
    same = (items == others).all(axis=1)
    row, rank = np.nonzero((items >= 0) & (others >= 0))
    own = np.full(items.shape, np.nan)
    own[row, rank] = scorer.pairs(users[row], others[row, rank])
    near = np.isclose(scores, own, rtol=0, atol=_margins(scorer, users)[:, None], equal_nan=True).all(axis=1)
    near &= ((items >= 0) == (others >= 0)).all(axis=1)
    rounded = near & ~same
    largest = float(np.abs(given[row, rank] - own[row, rank]).max(initial=0.0))
    return Agreement(len(users), int(same.sum()), int(rounded.sum()), int((~same & ~rounded).sum()), largest)


def _margins(scorer: FactorScorer, users: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return by how much two scores of 32 bits can both be off, for each user."""
    among, k = scorer.among, scorer.P.shape[1]
    lengths = np.sqrt(np.square(scorer.P[users], dtype=np.float64).sum(axis=1) + 1)
    biases = np.abs(scorer.b[users]) + abs(among.mean)
    margins: NDArray[np.float64] = 2 * (k + 5) * np.finfo(np.float32).eps * (lengths * among.longest + biases)
    return margins
