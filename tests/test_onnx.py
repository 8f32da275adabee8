"""Factor models as ONNX graphs, run by onnxruntime: the same lists, by the caller's ids, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from small_models import make
from synthetic import low_rank

import palate
from palate import Interactions
from palate.errors import MissingExtraError, ModelFileError, ParameterError, UnknownIdError
from palate.integrations import onnx as ours
from palate.integrations.onnx import check, export, left_out


def texts(data):
    """Return the same rows with ids of text."""
    table = data.to_table()
    return Interactions.from_table(table.with_columns(pl.col("user_id", "item_id").cast(pl.String)))


@pytest.fixture(scope="module")
def data():
    return low_rank(n_users=60, n_items=40)


@pytest.fixture(scope="module")
def als(data):
    return make("als").fit(data)


@pytest.fixture
def graph(als, tmp_path):
    return export(als, tmp_path / "als.onnx", n=7)


def run(path, users, closed=None, dtype=np.int64):
    closed = np.empty((len(users), 0), dtype) if closed is None else np.array(closed, dtype)
    session = onnxruntime.InferenceSession(str(path))
    return session.run(["items", "scores"], {"user": np.array(users, dtype), "left_out": closed})


# of models that score alike one is tried with every `make test`: each learner's kernels take seconds to load
SOON, LATER = ("popularity", "baseline", "als"), ("mf", "bayes", "ials", "bpr", "warp")


@pytest.mark.parametrize("key", [*SOON, *(pytest.param(key, marks=pytest.mark.long) for key in LATER)])
def test_every_model_of_factors_lists_the_same(key, data, tmp_path):
    model = make(key).fit(data)
    agreement = check(model, export(model, tmp_path / "m.onnx"))
    assert agreement.users == 60
    assert agreement.same + agreement.rounded == 60
    assert agreement.same >= 55
    assert agreement.largest < 1e-5


def test_ids_of_text_go_in_and_come_out(data, tmp_path):
    model = make("als").fit(texts(data))
    path = export(model, tmp_path / "m.onnx", n=3)
    assert check(model, path).different == 0
    user = model.users_.values[0]
    closed = model.recommend(user, 2, exclude_seen=False)["item_id"].to_list()
    items, scores = run(path, [user], [closed], object)
    want = model.recommend(user, 3, exclude_seen=False, deny=closed)
    assert items[0].tolist() == want["item_id"].to_list()
    np.testing.assert_allclose(scores[0], want["score"].to_numpy(), rtol=1e-5)


def test_left_out_ids_may_repeat_and_be_unknown(als, graph):
    user = als.users_.values[5]
    best = als.recommend(user, 7, exclude_seen=False)["item_id"].to_list()
    items, _ = run(graph, [user], [[best[0], best[0], -99, 10**12]])
    assert items[0].tolist()[:6] == best[1:]


def test_who_is_unknown_gets_the_popular_items_without_a_score(als, graph):
    want = als.recommend([-5], 7, on_unknown="popular")["item_id"].to_list()
    items, scores = run(graph, [-5, als.users_.values[0]], [[want[0]], [want[0]]])
    assert items[0].tolist()[:6] == want[1:]
    assert np.isnan(scores[0]).all()
    assert np.isfinite(scores[1]).all()


def test_where_too_few_items_are_left_the_rest_is_marked(als, graph):
    closed = als.items_.values.to_list()[2:]
    items, scores = run(graph, [als.users_.values[0], -5], [closed, closed])
    assert {*items[0].tolist()[:2]} == {*als.items_.values.to_list()[:2]}
    assert np.isfinite(scores[0][:2]).all()
    assert np.isneginf(scores[:, 2:]).all()


def test_a_list_is_no_longer_than_the_catalogue(als, tmp_path):
    path = export(als, tmp_path / "m.onnx", n=1000)
    assert run(path, [als.users_.values[0]])[0].shape == (1, 40)


def test_equal_scores_stand_in_the_order_of_popularity(tmp_path):
    rows = {"user": [1, 1, 1, 2, 2, 3], "item": [3, 8, 5, 8, 5, 5], "rating": [4.0] * 6}
    model = make("baseline").fit(Interactions.from_table(rows))  # of equal ratings: all scores are equal
    path = export(model, tmp_path / "m.onnx", n=3)
    assert run(path, [1])[0].tolist() == [[5, 8, 3]] == [model.recommend(1, 3, exclude_seen=False)["item_id"].to_list()]


def test_the_file_says_whose_it_is(graph):
    read = onnx.load(graph)
    onnx.checker.check_model(read, full_check=True)
    facts = {entry.key: entry.value for entry in read.metadata_props}
    assert (read.producer_name, facts["model"], facts["items"]) == ("palate", "als", "40")


def test_people_may_be_chosen_and_must_be_known(als, graph):
    assert check(als, graph, als.users_.values.to_list()[:3]).users == 3
    with pytest.raises(UnknownIdError):
        check(als, graph, [-7])


def test_a_graph_that_is_off_is_found_out(als, graph, tmp_path):
    read = onnx.load(graph)
    (factors,) = [one for one in read.graph.initializer if one.name == "Qt"]
    values = onnx.numpy_helper.to_array(factors)[:, ::-1]
    factors.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values), "Qt"))
    onnx.save(read, tmp_path / "off.onnx")
    assert check(als, tmp_path / "off.onnx").different > 30


def test_what_is_refused(als, graph, data, tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match="scores by weights between items"):
        export(make("ease").fit(data), tmp_path / "e.onnx")
    with pytest.raises(ParameterError, match="n must be"):
        export(als, tmp_path / "n.onnx", n=0)
    with pytest.raises(ModelFileError, match="cannot write"):
        export(als, tmp_path / "no" / "folder.onnx")
    with pytest.raises(ModelFileError, match="there is no file"):
        check(als, tmp_path / "none.onnx")
    with pytest.raises(ModelFileError, match="is no graph of this mf model"):
        check(make("mf").fit(data), graph)
    monkeypatch.setattr(ours, "MOST_BYTES", 100)
    with pytest.raises(ParameterError, match="one ONNX file holds 2"):
        export(als, tmp_path / "large.onnx")


def newer(content):
    """Return a graph of a format that this onnxruntime does not know."""
    read = onnx.ModelProto.FromString(content)
    read.opset_import[0].version = 999
    return read.SerializeToString()


def with_a_step_of_nobody(content):
    read = onnx.ModelProto.FromString(content)
    read.graph.node[-1].op_type = "NoSuchStep"
    return read.SerializeToString()


@pytest.mark.parametrize(
    "change",
    [lambda _: b"", lambda _: b"no graph", lambda content: content[: len(content) // 2], newer, with_a_step_of_nobody],
    ids=["empty", "text", "cut off", "newer", "an unknown step"],
)
def test_a_file_that_onnxruntime_does_not_read_is_named(als, graph, tmp_path, change):
    (tmp_path / "odd.onnx").write_bytes(change(graph.read_bytes()))
    with pytest.raises(ModelFileError, match=r"odd\.onnx is no ONNX graph that onnxruntime reads"):
        check(als, tmp_path / "odd.onnx")


def test_a_fault_of_another_kind_is_not_taken_for_a_damaged_file(als, graph, monkeypatch):
    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr(ours.onnxruntime, "InferenceSession", fails)
    with pytest.raises(MemoryError):
        check(als, graph)


@pytest.mark.skipif(not Path("/proc/self/mem").is_file(), reason="no file here refuses everybody, root as well")
def test_a_file_that_cannot_be_read_says_why(als):
    with pytest.raises(ModelFileError, match="cannot read /proc/self/mem"):
        check(als, "/proc/self/mem")


def test_the_filler_is_no_item(als):
    nobody_had = left_out(als.items_, None, 2)
    assert nobody_had.shape == (2, 0)
    assert ours._no_id(Interactions.from_table({"user": [1, 1], "item": [-1, -2]}).items) == -3
    assert ours._no_id(Interactions.from_table({"user": ["a"], "item": ["x"]}).items) == ""


def test_without_onnx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "palate.integrations.onnx")
    with pytest.raises(MissingExtraError, match=r"pip install 'palate\[onnx\]'"):
        __import__("palate.integrations.onnx")


@pytest.mark.long
def test_movielens_lists_are_the_same(tmp_path):
    """All 943 people; each list of ten."""
    model = palate.ALS(random_state=0).fit(palate.load_movielens("100k"))
    agreement = check(model, export(model, tmp_path / "m.onnx"))
    assert (agreement.users, agreement.different) == (943, 0)
    assert agreement.same > 930
