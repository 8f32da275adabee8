"""Random damage and random malice: a model file is refused, or gives a model that answers; nothing else happens."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from model_files import Parts, assert_same_model, number_model, sealed, text_model

from palate import files
from palate.errors import ModelFileError

pytestmark = pytest.mark.no_cover  # other tests see these lines, in less time


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def valid(folder):
    """Return the paths of a file with integer ids and of one with text ids."""
    paths = folder / "numbers", folder / "texts"
    files.save(number_model(), paths[0])
    files.save(text_model(), paths[1])
    return paths


damages = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 10**9), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.integers(0, 10**9), st.just(0)),
        st.tuples(st.just("zero"), st.integers(0, 10**9), st.integers(1, 999)),
        st.tuples(st.just("insert"), st.integers(0, 10**9), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=3,
)


def damaged(data, damage):
    for kind, place, number in damage:
        place %= max(len(data), 1)
        if kind == "flip" and data:
            data = data[:place] + bytes([data[place] ^ number]) + data[place + 1 :]
        elif kind == "cut":
            data = data[:place]
        elif kind == "zero":
            data = data[:place] + b"\0" * len(data[place : place + number]) + data[place + number :]
        elif kind == "insert":
            data = data[:place] + bytes([number]) + data[place:]
    return data


fuzz = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(damage=damages, which=st.integers(0, 1))
@example(damage=[("flip", 3, 1)], which=0)
@example(damage=[("cut", 0, 0)], which=0)
def test_random_damage_is_refused_or_changes_nothing(valid, folder, damage, which):
    original = valid[which].read_bytes()
    data = damaged(original, damage)
    path = folder / "damaged"
    path.write_bytes(data)
    if data == original:
        assert_same_model(files.load(path), files.load(valid[which]))
    else:
        with pytest.raises(ModelFileError, match="is refused: "):
            files.load(path)


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["mf", "text", "integer", "F32", "I64", [0, 8], 2**63, "\ud800", [1, 5]]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


def places(document):
    """Return every (container, key) of a JSON document."""
    found = []
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        found.append((document, key))
        if isinstance(value, dict | list):
            found += places(value)
    return found


@fuzz
@given(data=st.data(), which=st.integers(0, 1), what=st.sampled_from(["palate", "table", "items", "arrays"]))
def test_random_malice_with_true_checksums_is_refused_or_gives_a_model_that_answers(valid, folder, data, which, what):
    parts = Parts.of(valid[which])
    table, document = parts.table(), parts.items_json()
    if what == "arrays":
        array = parts.arrays[
            data.draw(st.sampled_from(sorted(name for name in parts.arrays if parts.arrays[name].size)))
        ]
        raw = array.reshape(-1).view(np.uint8)
        for place, byte in data.draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3)):
            raw[place % len(raw)] = byte
    else:
        everywhere = places({"palate": parts.palate, "table": table, "items": document}[what])
        container, key = everywhere[data.draw(st.integers(0, len(everywhere) - 1))]
        container[key] = data.draw(anything)
    if what == "items":
        parts.set_items_json(document)
        table = parts.table()
    if what in ("items", "arrays"):
        parts.sum_up()
    body = b"".join(array.tobytes() for array in parts.arrays.values())
    path = folder / "malice"
    path.write_bytes(sealed({"palate": json.dumps(parts.palate)}, table, body))
    with contextlib.suppress(ModelFileError):
        model = files.load(path)
        assert len(model.recommend(model.users_.values, 2)) <= 2 * len(model.users_)
        files.save(model, folder / "saved-again")
