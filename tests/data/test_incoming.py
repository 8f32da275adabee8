"""Ratings from open files, buffers and standard input; addresses are named as such."""

import gzip
import io
import sys

import pytest

from palate import read_ratings
from palate.data.reading.incoming import as_file
from palate.data.sources.loading import load_dataset
from palate.errors import DataError

TEXT = "user,item,rating\n1,7,5\n1,8,3\n"
ROWS = [(1, 7, 5), (1, 8, 3)]


@pytest.mark.parametrize(
    "given", [io.StringIO(TEXT), io.BytesIO(TEXT.encode()), io.BytesIO(gzip.compress(TEXT.encode()))]
)
def test_buffers_are_read(given):
    assert read_ratings(given).to_table().rows() == ROWS


@pytest.mark.parametrize("mode", ["rb", "r"])
def test_open_files_are_read_from_where_they_stand(tmp_path, mode):
    (tmp_path / "a.csv").write_text("of 2024\n" + TEXT)
    with (tmp_path / "a.csv").open(mode) as file:
        file.readline()
        assert read_ratings(file).to_table().rows() == ROWS


def test_text_was_decoded_already():
    assert read_ratings(io.StringIO("user,item\nZoë,Café\n"), encoding="latin-1").users.values[0] == "Zoë"
    coded = io.BytesIO("user,item\nZoë,Café\n".encode("latin-1"))
    assert read_ratings(coded, encoding="latin-1").users.values[0] == "Zoë"


def test_errors_name_the_source_and_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(DataError, match=r"^buffer has faults:\n  item is missing: 1 of 2 \(line 3\)"):
        read_ratings(io.StringIO("user,item\n1,2\n1,\n"))
    with (tmp_path / "x").open("w") as file, pytest.raises(DataError, match=r"^cannot read x: .*; open it for reading"):
        read_ratings(file)
    (tmp_path / "x").unlink()
    assert not list(tmp_path.iterdir())


def test_remarks_name_the_source(caplog):
    read_ratings(io.StringIO("# a log\nuser;item;my_rating\n1;2;3,5\n2;3;4,0\n"))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert all(line.startswith("buffer: ") for line in lines), lines


@pytest.mark.parametrize("given", ["https://example.org/ratings.csv", "s3://bucket/r.csv", "gs:/bucket/r.csv"])
def test_addresses_are_named_as_such(given):
    for read in (read_ratings, load_dataset):
        with pytest.raises(DataError, match=rf"^{given} is an address: fetch it first, and give the file$"):
            read(given)


@pytest.mark.parametrize("given", [None, 5, ["a.csv"]])
def test_what_is_no_file(given):
    with pytest.raises(DataError, match="a file is given by its name, or open; got "), as_file(given, "utf-8"):
        pass


def test_a_disk_is_no_address():
    with pytest.raises(DataError, match=r"there is no file C:/ratings\.csv"):
        read_ratings("C:/ratings.csv")


def test_standard_input_is_a_data_set(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode()), "utf-8"))
    data = load_dataset("-")
    assert data.name == "standard input"
    assert data.interactions.to_table().rows() == ROWS


def test_pipes_have_no_rows_to_look_at_twice(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is no regular file; give its rows on standard input: '-'"):
        read_ratings(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["..", ".", "", "a\0b", "x" * 300, 3, None, "/", "a/.."])
def test_the_name_of_a_buffer_may_be_anything(name):
    given = io.BytesIO(b"user,item,rating\n9,8,7\n")
    given.name = name
    assert read_ratings(given).to_table().rows() == [(9, 8, 7.0)]
