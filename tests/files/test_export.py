"""Exported folders of both layouts: what stands in them, the way back, and every refusal by its words."""

from __future__ import annotations

import contextlib
import json
import pickle
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from altered import alter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import als_model, assert_same_model, baseline_model, number_model, popularity_model, text_model

from palate import files
from palate.errors import ModelFileError, NotFittedError, ParameterError
from palate.files.folders import export, import_folder
from palate.models import MatrixFactorization

PLAIN = {"biases": False}


@pytest.fixture(scope="module")
def numbers():
    return number_model()


@pytest.fixture(scope="module")
def plain():
    """Return a model without biases, with text ids."""
    return text_model(**PLAIN, dtype="float64")


@pytest.fixture
def exported(numbers, tmp_path):
    export(numbers, tmp_path)
    return tmp_path


@pytest.fixture
def original(plain, tmp_path):
    export(plain, tmp_path, layout="original")
    return tmp_path


def refused(folder, text, **options):
    with pytest.raises(ModelFileError, match=text):
        import_folder(folder, **options)


# -- layout "palate" ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [number_model, text_model, popularity_model, baseline_model, als_model])
def test_an_exported_model_comes_back_the_same(model, tmp_path):
    fitted = model()
    export(fitted, str(tmp_path / "new" / "folder"))
    back = import_folder(str(tmp_path / "new" / "folder"))
    assert_same_model(back, fitted)
    assert back.recommend(fitted.users_.values, 3).equals(fitted.recommend(fitted.users_.values, 3))
    files.save(back, tmp_path / "m")
    assert_same_model(files.load(tmp_path / "m"), fitted)


def test_the_files_are_what_other_tools_read(numbers, tmp_path):
    written = export(numbers, tmp_path)
    assert [path.name for path in written] == [
        *("user_factors.npy", "item_factors.npy", "user_biases.npy", "item_biases.npy"),
        *("user_features.npy", "user_weights.npy", "user_weights_biases.npy"),
        *("item_weights.npy", "item_weights_biases.npy"),
        *("users.json", "items.json", "items.parquet", "seen.parquet", "meta.json"),
    ]
    assert sorted(written) == sorted(tmp_path.iterdir())
    np.testing.assert_array_equal(np.load(tmp_path / "item_factors.npy"), numbers.item_factors_)
    assert json.loads((tmp_path / "users.json").read_text()) == numbers.users_.values.to_list()
    assert pl.read_parquet(tmp_path / "items.parquet").equals(numbers.item_table_)
    seen = pl.read_parquet(tmp_path / "seen.parquet")
    items, values = numbers.seen_.row(3)
    assert seen.filter(user_index=3).rows() == [(3, int(i), float(v)) for i, v in zip(items, values, strict=True)]
    assert json.loads((tmp_path / "meta.json").read_text())["parameters"] == numbers.get_params()


@pytest.mark.parametrize(
    ("model", "arrays"),
    [(popularity_model, ("item_biases.npy",)), (baseline_model, ("user_biases.npy", "item_biases.npy"))],
)
def test_models_without_factors_write_what_they_have_and_have_no_original_layout(model, arrays, tmp_path):
    written = export(model(), tmp_path)
    rest = ("users.json", "items.json", "items.parquet", "seen.parquet", "meta.json")
    assert [path.name for path in written] == [*arrays, *rest]
    with pytest.raises(ModelFileError, match=f"holds user and item factors; a '{model().key}' model has other parts"):
        export(model(), tmp_path, layout="original")


def test_a_model_without_history_has_no_seen_file_and_a_stale_one_is_not_read(numbers, exported):
    bare = text_model(store_history=False)
    assert "seen.parquet" not in [path.name for path in export(bare, exported)]
    assert (exported / "seen.parquet").exists()
    assert import_folder(exported).seen_ is None


def test_a_given_rating_range_takes_the_place_of_the_stored_one(exported):
    assert import_folder(exported).rating_range_ == (1.0, 5.0)
    assert import_folder(exported, rating_range=(0, 10)).rating_range_ == (0.0, 10.0)


def test_what_cannot_be_exported_is_said(numbers, tmp_path, monkeypatch):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        export(MatrixFactorization(), tmp_path)
    with pytest.raises(ParameterError, match="layout must be 'palate' or 'original', got 'csv'"):
        export(numbers, tmp_path, layout="csv")
    bad = alter(MatrixFactorization.from_state(numbers.state()), item_biases_=np.full(9, np.nan, np.float32))
    with pytest.raises(ModelFileError, match="item_biases_ holds NaN or an infinite number"):
        export(bad, tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"cannot export to .*/file: File exists"):
        export(numbers, tmp_path / "file")


def test_a_folder_that_is_none_or_holds_no_export_is_refused(numbers, plain, tmp_path):
    refused(tmp_path / "no", "there is no folder .*/no")
    refused(tmp_path, "holds neither meta.json nor user_embeddings.npy; it must be what `palate export`")
    export(numbers, tmp_path)
    export(plain, tmp_path, layout="original")
    refused(tmp_path, "holds both layouts; it must be")


@pytest.mark.parametrize("given", [(5, 1), (1, 1), (1,), 5, ("a", "b"), (1, float("inf")), (float("nan"), 5)])
def test_a_rating_range_that_is_none_is_refused(exported, given):
    with pytest.raises(ParameterError, match=r"rating_range must be \(lowest, highest\), such as \(1, 5\); got "):
        import_folder(exported, rating_range=given)


@pytest.mark.parametrize(
    "name", ["user_factors.npy", "item_biases.npy", "users.json", "items.json", "items.parquet", "seen.parquet"]
)
def test_a_missing_file_of_the_palate_layout_is_named(exported, name):
    (exported / name).unlink()
    refused(exported, f"lacks the file {name}")


def test_a_file_that_cannot_be_read_is_named(exported):
    (exported / "users.json").unlink()
    (exported / "users.json").mkdir()
    refused(exported, r"cannot read .*/users.json: Is a directory")


def meta(**changes):
    def edit(folder):
        document = json.loads((folder / "meta.json").read_text())
        for path, value in changes.items():
            *outer, last = path.split("__")
            inner = document
            for key in outer:
                inner = inner[key]
            inner[last] = value
        (folder / "meta.json").write_text(json.dumps(document))

    return edit


def text(name, content):
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def array(name, change):
    return lambda folder: np.save(folder / name, change(np.load(folder / name)))


def parquet(name, change):
    return lambda folder: change(pl.read_parquet(folder / name)).write_parquet(folder / name)


PALATE = {
    "meta.json gives no format_version": text("meta.json", "[]"),
    "meta.json is not valid JSON": text("meta.json", "{"),
    "meta.json is not UTF-8 text": text("meta.json", b"\xff"),
    "meta.json has format version 2, this Palate reads 1; pip install --upgrade": meta(format_version=2),
    "meta.json: 'code' is missing, unknown, or of a wrong type": meta(code="import os"),
    "meta.json: 'seen' is missing, unknown, or of a wrong type": meta(seen=1),
    "unknown model class 'os.system'": meta(model="os.system"),
    "a parameter is refused: reg must be a number": meta(parameters__reg=-1),
    "the parameters of a MatrixFactorization are not as they should be: more": meta(parameters__more=1),
    "mean_ must be a number": meta(learned__mean_="3"),
    "users.json must be a list of ids in index order": text("users.json", "{}"),
    "users.json: user ids repeat": text("users.json", json.dumps([1] * 12)),
    "users.json: the ids must be all ints or all strings": text("users.json", json.dumps([1, "2"])),
    "users.json: the ids must be all ints or all": text("users.json", json.dumps([True, False])),
    "users.json: the ids must be all ints": text("users.json", json.dumps([1.5] * 12)),
    "users.json holds 99999999999999999999": text("users.json", "[99999999999999999999]"),
    "users.json: an id is past 64 bits, or no Unicode text": text("users.json", "[18446744073709551615]"),
    r"user_factors_ has shape \(12, 4\), but n_users x n_factors is \(13, 4\)": text(
        "users.json", json.dumps(list(range(13)))
    ),
    "the item table is out of step with the 9 items": text("items.json", json.dumps(list(range(9)))),
    "the item table is out of step with the 9": parquet("items.parquet", lambda t: t.head(8)),
    "the item table is out of step with": parquet("items.parquet", lambda t: t.drop("item_id")),
    "the item table has no column 'title'": parquet("items.parquet", lambda t: t.drop("title")),
    "items.parquet is not a valid Parquet file": text("items.parquet", b"PAR1 nothing more PAR1"),
    "seen.parquet is not a valid Parquet file": text("seen.parquet", b""),
    "seen.parquet must hold user_index, item_index, value": parquet("seen.parquet", lambda t: t.drop("value")),
    r"seen.parquet must hold .* \(Int32, Int32, Float32\), nothing missing": parquet(
        "seen.parquet", lambda t: t.with_columns(value=pl.lit(None, pl.Float32))
    ),
    "seen.parquet: user_index does not rise within 0 to 11": parquet("seen.parquet", lambda t: t.reverse()),
    "seen.parquet: user_index does not rise within": parquet(
        "seen.parquet", lambda t: t.with_columns(pl.col("user_index") + 1)
    ),
    "seen.parquet: user_index does not rise": parquet(
        "seen.parquet", lambda t: t.with_columns(pl.col("user_index") - 1)
    ),
    "seen.indices leaves the range of the 9 items": parquet(
        "seen.parquet", lambda t: t.with_columns(pl.col("item_index") + 1)
    ),
    "seen.indices does not rise within a row": parquet(
        "seen.parquet", lambda t: t.with_columns(item_index=pl.lit(0, pl.Int32))
    ),
    "seen.values holds NaN": parquet("seen.parquet", lambda t: t.with_columns(value=pl.lit(float("nan"), pl.Float32))),
    "item_factors.npy holds NaN or an infinite number": array("item_factors.npy", lambda a: a * np.nan),
    "item_factors.npy has 1 dimensions, not 2": array("item_factors.npy", lambda a: a[0]),
    r"item_factors_ has shape \(9, 3\)": array("item_factors.npy", lambda a: a[:, :3]),
    "user_biases.npy does not hold plain float32 or float64 numbers": array("user_biases.npy", lambda a: a.astype(int)),
}


@pytest.mark.parametrize("words", PALATE)
def test_a_faulty_palate_folder_is_refused(exported, words):
    PALATE[words](exported)
    refused(exported, f"^{exported} is refused: .*{words}")


def test_a_parquet_file_that_makes_polars_panic_is_refused(exported, monkeypatch):
    def panic(*_):
        raise pl.exceptions.PanicException("assertion failed")

    monkeypatch.setattr(pl, "read_parquet", panic)
    refused(exported, "seen.parquet is not a valid Parquet file: assertion failed")


# -- layout "original" ----------------------------------------------------------------------------------------------


def test_the_original_layouts_own_loading_lines_work(plain, tmp_path):
    written = export(plain, tmp_path, layout="original")
    assert [path.name for path in written] == [
        *("user_embeddings.npy", "user_to_index.pkl", "item_embeddings.npy", "movie_to_index.pkl")
    ]
    user_embeddings = np.load(tmp_path / "user_embeddings.npy")
    item_embeddings = np.load(tmp_path / "item_embeddings.npy")
    with (tmp_path / "user_to_index.pkl").open("rb") as f:
        user_to_index = pickle.load(f)
    with (tmp_path / "movie_to_index.pkl").open("rb") as f:
        movie_to_index = pickle.load(f)
    score = user_embeddings[user_to_index["李"]] @ item_embeddings[movie_to_index["🎬"]]
    np.testing.assert_allclose(score, plain.predict("李", "🎬", clip=False))
    assert type(user_to_index) is dict


@pytest.mark.parametrize("model", [number_model, text_model])
def test_the_original_layout_comes_back_as_an_ordinary_model(model, tmp_path):
    fitted = model(**PLAIN, dtype="float64")
    export(fitted, tmp_path, layout="original")
    index = pickle.loads((tmp_path / "movie_to_index.pkl").read_bytes())
    assert set(map(type, index.values())) == {int}
    assert set(map(type, index)) <= {int, str}
    back = import_folder(tmp_path, rating_range=(1, 5))
    assert isinstance(back, MatrixFactorization)
    assert (back.n_factors, back.dtype, back.biases, back.rating_range_) == (4, "float64", False, (1.0, 5.0))
    assert (back.seen_, back.store_history, back.history_, back.epoch_chosen_on_) == (None, False, [], "unknown")
    assert (back.users_, back.items_) == (fitted.users_, fitted.items_)
    users = fitted.users_.values
    one, other = (
        m.recommend(users, 5, exclude_seen=False).select("user_id", "item_id", "score") for m in (back, fitted)
    )
    assert one.equals(other)
    files.save(back, tmp_path / "m.safetensors")
    assert_same_model(files.load(tmp_path / "m.safetensors"), back)


def test_an_original_folder_asks_for_the_rating_range(original):
    with pytest.raises(
        ParameterError, match=r"does not say the range .* rating_range=\(lowest, highest\), .* --rating-range 1:5"
    ):
        import_folder(original)


def test_biases_are_not_lost_in_the_original_layout(numbers, plain, tmp_path):
    with pytest.raises(
        ModelFileError, match=r"no place for the mean and the biases, .* layout='palate', or train with"
    ):
        export(numbers, tmp_path, layout="original")
    for name, value in (("mean_", 3.0), ("user_biases_", np.ones(4)), ("item_biases_", np.ones(4))):
        biased = alter(MatrixFactorization.from_state(plain.state()), **{name: value})
        with pytest.raises(ModelFileError, match="no place for the mean and the biases"):
            export(biased, tmp_path, layout="original")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_more_than_factors_has_no_original_layout(plain, tmp_path, monkeypatch):
    state = replace(plain.state(), arrays={**plain.state().arrays, "more_": np.zeros(1)})
    monkeypatch.setattr(plain, "state", lambda: state)
    with pytest.raises(ModelFileError, match="the original layout holds user and item factors; a 'mf' model has other"):
        export(plain, tmp_path, layout="original")


@pytest.mark.parametrize("name", ["item_embeddings.npy", "user_to_index.pkl", "movie_to_index.pkl"])
def test_a_missing_file_of_the_original_layout_is_named(original, name):
    (original / name).unlink()
    refused(original, f"lacks the file {name}", rating_range=(1, 5))


def pickled(value):
    return text("user_to_index.pkl", pickle.dumps(value))


ORIGINAL = {
    "user_embeddings.npy has 3 rows for 4 ids: out of step": array("user_embeddings.npy", lambda a: a[:3]),
    "item_embeddings.npy has 3 rows for 4 ids: out of step": array("item_embeddings.npy", lambda a: a[:3]),
    "user_embeddings.npy has 4 rows for 2 ids: out of step": pickled({"a": 0, "b": 1}),
    "the embeddings differ in length or dtype: 4 float64, 3 float64": array("item_embeddings.npy", lambda a: a[:, :3]),
    "the embeddings differ in length or dtype: 4 float64, 4 float32": array(
        "item_embeddings.npy", lambda a: a.astype("f4")
    ),
    "user_embeddings.npy holds NaN": array("user_embeddings.npy", lambda a: a / 0.0),
    "user_to_index.pkl: the indexes are not 0 to 3, each once": pickled({"a": 0, "b": 1, "c": 2, "d": 4}),
    "user_to_index.pkl: the indexes are not 0 to 3, each": pickled({"a": 0, "b": 1, "c": 2, "d": 2}),
    "user_to_index.pkl: the indexes are not 0 to 3, ": pickled({"a": -1, "b": 1, "c": 2, "d": 0}),
    "user_to_index.pkl: the indexes are not 0 to 3": pickled({"a": "0", "b": 1, "c": 2, "d": 3}),
    "user_to_index.pkl: the ids must be all ints or all strings": pickled({"a": 0, 1: 1, "c": 2, "d": 3}),
    "user_to_index.pkl: an id is past 64 bits": pickled({2**63: 0}),
    "user_to_index.pkl: an id is past 64 bits, or no Unicode text": pickled({"\ud800": 0}),
    "user_to_index.pkl holds a int, not a dict from id to index": pickled(5),
    "user_to_index.pkl does EMPTY_LIST": pickled([1, 2]),
    "user_to_index.pkl does NEWTRUE": pickled({"a": True}),
    "user_to_index.pkl does BINFLOAT": pickled({"a": 0.5}),
    "user_to_index.pkl does NONE": pickled({None: 0}),
}


@pytest.mark.parametrize("words", ORIGINAL)
@pytest.mark.filterwarnings("ignore:divide by zero|invalid value:RuntimeWarning")
def test_a_faulty_original_folder_is_refused(original, words):
    ORIGINAL[words](original)
    refused(original, f"^{original} is refused: .*({words})", rating_range=(1, 5))


# -- random damage --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(numbers, plain, tmp_path_factory):
    made = tmp_path_factory.mktemp("palate"), tmp_path_factory.mktemp("original")
    export(numbers, made[0])
    export(plain, made[1], layout="original")
    return {folder: {path.name: path.read_bytes() for path in folder.iterdir()} for folder in made}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_damage_is_refused_or_gives_a_model_that_answers(folders, data):
    folder = data.draw(st.sampled_from(list(folders)))
    name = data.draw(st.sampled_from(sorted(folders[folder])))
    content = bytearray(folders[folder][name])
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3)):
        content[place % len(content)] = byte
    (folder / name).write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        with contextlib.suppress(ModelFileError):
            model = import_folder(folder, rating_range=(1, 5))
            assert len(model.recommend(model.users_.values, 2, exclude_seen=False)) == 2 * len(model.users_)
    finally:
        (folder / name).write_bytes(folders[folder][name])
