"""Arrays and pickled maps that others made: NumPy's and plain ones are read, all else is refused."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools

import numpy as np
import pytest

from palate.errors import ModelFileError
from palate.files import foreign

# -- .npy files -----------------------------------------------------------------------------------------------------


def npy_bytes(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def with_header(header, data=b"\0" * 96, version=b"\x01\x00"):
    header = header.encode() + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


def shaped(shape, data=b"\0" * 96):
    return with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}", data)


NPY = {
    "x.npy is not a NumPy file": b"",
    "x.npy is not a NumPy fil": pickle.dumps([1.0]),
    "x.npy does not hold plain float32 or float64 numbers: its header is": npy_bytes(
        np.array([[{}]]), allow_pickle=True
    ),
    "x.npy does not hold plain float32 or float64": npy_bytes(np.zeros((2, 2), "f2")),
    "x.npy does not hold plain float32 or": npy_bytes(np.zeros((2, 2), ">f4")),
    "x.npy does not hold plain": npy_bytes(np.zeros((2, 2), [("a", "<f4")])),
    "x.npy does not hold": npy_bytes(np.zeros((2, 2)), version=(3, 0)),
    "x.npy does not": with_header("__import__('os').system('true')"),
    "its header is b'[(]{80}'": with_header("(" * 5000),
    r"x.npy has 96 bytes of numbers, its shape \[3, 9\] needs 108: truncated": shaped("(3, 9)"),
    r"x.npy has 96 bytes of numbers, its shape \[3, 7\] needs 84": shaped("(3, 7)"),
    r"its shape \[9223372036854775808, 9223372036854775808\] needs": shaped(
        "(9223372036854775808, 9223372036854775808)"
    ),
    "x.npy does no": shaped("(3 4)"),
    "x.npy does n": shaped("(07, 3)"),
    "x.npy does ": shaped("(24)"),
    "x.npy doe": with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 8), }" + " " * 20000),
    r"x.npy has the impossible shape \[0, 9223372036854775808\]": shaped("(0, 9223372036854775808)", b""),
    "x.npy has 0 dimensions, not 2": shaped("()", b"\0\0\0\0"),
    "x.npy has 3 dimensions, not 2": shaped("(2, 3, 4)"),
}


@pytest.mark.parametrize("words", NPY)
def test_hostile_npy_files_are_refused(tmp_path, words):
    (tmp_path / "x.npy").write_bytes(NPY[words])
    with pytest.raises(ModelFileError, match=words):
        foreign.read_npy(tmp_path / "x.npy", 2)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (5, 0)])
def test_numpys_own_files_are_read(tmp_path, dtype, order, shape):
    wanted = np.asarray(np.random.default_rng(0).normal(size=shape), dtype, order=order)
    np.save(tmp_path / "x.npy", wanted)
    found = foreign.read_npy(tmp_path / "x.npy", 2)
    assert found.flags.c_contiguous
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, wanted)
    np.save(tmp_path / "x.npy", wanted[:, 0] if shape[1] else wanted[0])
    assert foreign.read_npy(tmp_path / "x.npy", 1).ndim == 1


# -- pickles --------------------------------------------------------------------------------------------------------


class Command:
    """Pickles as a call of ``os.system``."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_calls_is_refused_and_nothing_is_called(tmp_path, protocol):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": Command(tmp_path / "called")}, protocol=protocol))
    with pytest.raises(
        ModelFileError, match=r"x.pkl refers to posix.system \(byte \d+\); only a dict of ints and strings"
    ):
        foreign.read_pickled_ids(tmp_path / "x.pkl", "user")
    assert not (tmp_path / "called").exists()


def test_a_map_with_numpy_integers_is_refused_with_the_line_that_mends_it(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({np.int64(1): 0}))
    with pytest.raises(
        ModelFileError, match=r"refers to numpy.*scalar .* write it anew .*: \{k if isinstance.*items\(\)\}"
    ):
        foreign.read_pickled_ids(tmp_path / "x.pkl", "user")
    ids = {np.int64(1): np.int64(0)}
    (tmp_path / "x.pkl").write_bytes(
        pickle.dumps({k if isinstance(k, str) else int(k): int(v) for k, v in ids.items()})
    )
    assert foreign.read_pickled_ids(tmp_path / "x.pkl", "user").values.to_list() == [1]


PICKLES = {
    r"x.pkl refers to collections.OrderedDict": pickle.dumps(collections.OrderedDict(a=0)),
    r"x.pkl refers to os.system \(byte 0\)": b"cos\nsystem\n(S'true'\ntR.",
    r"x.pkl refers to os.system \(byte 1\)": b"(ios\nsystem\n.",
    "x.pkl does PERSID": b"Pfile\n.",
    "x.pkl does BINPERSID": b"K\x01Q.",
    "x.pkl does EXT1": b"\x82\x01.",
    "x.pkl does REDUCE": b"K\x01K\x01R.",
    "expected 1099511627776 bytes in a bytearray8": b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".",
    "x.pkl is not a plain dict of ints and strings: memo slot 4294967295": b"}r\xff\xff\xff\xff.",
    "x.pkl is not a plain dict of ints and strings: memo slot 99999999": b"}p99999999\n.",
    "x.pkl is not a plain dict of ints and strings: memo slot -1": b"}p-1\n.",
    "x.pkl is not a valid pickle": b"",
    "x.pkl is not a valid pickl": b"\x00\x01\x02",
    "x.pkl is not a valid pick": pickle.dumps({"a": 0})[:-3],
    "x.pkl is not a valid pic": b"}h\x05.",
    "x.pkl is not a valid pi": b".",
    "x.pkl is not a valid p": b"}}K\x01s.",
    "x.pkl is not a valid ": b"s.",
    "x.pkl is not a valid pickle of a dict": b"}h\x05.",
    "x.pkl is not a valid pickle of a dict ": b"(}u.",
    "x.pkl is not a valid pickle of a dict f": b"}(K\x01u.",
    "x.pkl is not a valid pickle of a dict fr": b"}(K\x01K\x00.",
    "x.pkl is not a valid pickle of a dict fro": b"((d.",
    "x.pkl holds a int, not a dict": b"K\x01.",
    "x.pkl is not a valid pickle of a dict from ": b"}(K\x01K\x00s.",
    "x.pkl: an id is past 64 bits": b"}\x8a\x09" + (2**63).to_bytes(9, "little") + b"K\x00s.",
    "x.pkl: an id is past 64 bit": b"}K\x00\x8a\x09" + (2**64).to_bytes(9, "little") + b"s.",
    "x.pkl: an id is past 64 bi": b"}L" + b"9" * 4000 + b"L\nK\x00s.",
    "x.pkl is not a valid pickle: .*4300": b"}L" + b"9" * 5000 + b"L\nK\x00s.",
    "x.pkl: user ids repeat|twice|more than once": b"}(K\x01K\x00K\x01K\x01u.",
    "x.pkl: the indexes are not 0 to 1": b"}(K\x01K\x00K\x02K\x00u.",
    "x.pkl: the indexes are not 0 to ": b"}(K\x01X\x01\x00\x00\x00au.",
    "x.pkl: the ids must be all ints or all strings": b"}(I01\nK\x00u.",
    "x.pkl goes on after the end of its pickle": pickle.dumps({"a": 0}) + b"x",
    "x.pkl has 268,435,457 bytes; at most 268,435,456 are admitted": None,
}


@pytest.mark.parametrize("words", PICKLES)
def test_hostile_pickles_are_refused(tmp_path, words):
    path = tmp_path / "x.pkl"
    path.write_bytes(PICKLES[words] or b"")
    if PICKLES[words] is None:
        os.truncate(path, foreign.MAX_PICKLE + 1)  # a hole, no bytes on the disk
    with pytest.raises(ModelFileError, match=words):
        foreign.read_pickled_ids(path, "user")


def test_nothing_is_ever_unpickled(tmp_path, monkeypatch):
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, None)
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"a": 1, "b": 0}))
    assert foreign.read_pickled_ids(path, "user").values.to_list() == ["b", "a"]


def test_numbers_that_collide_in_a_dictionary_cost_nothing(tmp_path, monkeypatch):
    modulus = 2**61 - 1  # of Python's hash of whole numbers
    path = tmp_path / "x.pkl"
    pairs = b"".join(b"\x8a\x0a" + (k * modulus).to_bytes(10, "little") + b"K\x00" for k in range(100_000))
    path.write_bytes(b"\x80\x04}(" + pairs + b"u.")
    with pytest.raises(ModelFileError, match="an id is past 64 bits"):
        foreign.read_pickled_ids(path, "user")


def test_no_operation_builds_a_dictionary_of_what_is_read(tmp_path):
    """Within 64 bits numbers may collide too: the ids of one slot of a large table are read in one pass."""
    ids = {(k << 40) * 3: k for k in range(2000)}
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(ids))
    assert foreign.read_pickled_ids(path, "user").values.to_list() == list(ids)


@pytest.mark.parametrize("n", [2**64 - 1, 2**63, 2**40, 0])
def test_a_frame_of_any_length_is_no_reason_to_fail(tmp_path, n):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04\x95" + n.to_bytes(8, "little") + b"}(K\x07K\x00u.")
    assert foreign.read_pickled_ids(path, "user").values.to_list() == [7]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "ids",
    [{1: 1, 2: 0}, {"a": 2, "é🎬": 0, "x" * 300: 1}, {-(2**63): 1, 2**63 - 1: 0}, {k * 99: k for k in range(3000)}],
)
def test_plain_maps_of_every_protocol_are_read_in_index_order(tmp_path, protocol, ids):
    (tmp_path / "x.pkl").write_bytes(pickletools.optimize(pickle.dumps(ids, protocol=protocol)))
    wanted = sorted(ids, key=ids.get)
    assert foreign.read_pickled_ids(tmp_path / "x.pkl", "user").values.to_list() == wanted
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(ids, protocol=protocol))
    assert foreign.read_pickled_ids(tmp_path / "x.pkl", "user").values.to_list() == wanted
