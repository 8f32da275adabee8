from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.data.ids import Ids
from palate.data.texts import Texts
from palate.errors import DataError, UnknownIdError

WORDS = st.text(st.sampled_from("abé€😀"), max_size=4)


def texts_of(words):
    encoded = [word.encode() for word in words]
    return Texts(np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64))


@given(st.lists(WORDS, max_size=12), st.booleans())
def test_texts_are_those_given_and_their_order_is_that_of_python(words, ordered):
    words = sorted(words) if ordered else words
    texts = texts_of(words)
    assert [texts[at] for at in range(len(texts))] == texts.to_series().to_list() == words
    assert texts.ascending() == all(a < b for a, b in itertools.pairwise(words))
    assert texts.is_utf8()


def test_order_is_compared_across_blocks(monkeypatch):
    monkeypatch.setattr("palate.data.texts.BLOCK", 3)
    words = [f"{n:03}" for n in range(20)]
    assert texts_of(words).ascending()
    for at in range(19):
        assert not texts_of([*words[:at], words[at + 1], words[at], *words[at + 2 :]]).ascending()


@pytest.mark.parametrize("cuts", [[0, 1, 2], [0, 2, 1 + 2]])
def test_a_text_cut_within_a_character_is_no_utf8(cuts):
    raw = np.frombuffer("é€".encode(), np.uint8)
    assert not Texts(raw, np.array([*cuts, len(raw)], np.int64)).is_utf8()
    assert not Texts(raw[:-1], np.array([0, len(raw) - 1], np.int64)).is_utf8()


@given(st.lists(WORDS, max_size=12, unique=True))
def test_ids_of_a_file_are_those_of_a_list(words):
    ids, same = Ids(texts_of(words), "user"), Ids(words, "user") if words else None
    if same is None:
        assert len(ids) == 0
        return
    assert ids == same
    assert ids.kind == "text"
    assert ids.at(np.arange(len(words))[::-1]).to_list() == words[::-1]
    assert ids.index(words).tolist() == list(range(len(words)))
    assert ids.index([*words, "no"], on_unknown="mark")[-1] == -1
    assert "no" not in ids
    assert ids.sorted_positions().tolist() == same.sorted_positions().tolist()
    with pytest.raises(UnknownIdError, match="unknown user id 'no'; known are"):
        ids.index(["no"])


def test_ids_of_a_file_that_repeat_are_refused():
    with pytest.raises(DataError, match="user ids repeat"):
        Ids(texts_of(["a", "b", "a"]), "user")
