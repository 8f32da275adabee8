"""Files that ask for more than they look like are refused before any of it is kept."""

import gzip
import subprocess
import sys

import polars as pl
import pytest
import test_cli

from palate.data.reading import bounds
from palate.data.reading.bounds import check_bounds
from palate.data.reading.ratings import read_ratings, read_table
from palate.errors import DataError, ParameterError

run = test_cli.run
ROW = b"12345,12345,3\n"
LINES = b"user,item,rating\n" + b"".join(b"%d,%d,3\n" % (k % 50, k) for k in range(1000))


@pytest.fixture(params=["gzip", "zstd", "named otherwise"])
def packed(request, tmp_path):
    """Return a packed log of 11 kB."""
    if request.param == "zstd":
        pl.read_csv(LINES).write_csv(tmp_path / "x.csv.zst", compression="zstd")
        return tmp_path / "x.csv.zst"
    path = tmp_path / ("x.csv.gz" if request.param == "gzip" else "x.csv")
    path.write_bytes(gzip.compress(LINES))
    return path


def test_a_packed_file_is_read_up_to_a_bound_that_can_be_lifted(packed):
    with pytest.raises(DataError, match=r"unpacks to more than 5e-06 GB .* if you trust it, say max_bytes=1e\+04"):
        read_ratings(packed, max_bytes=5000)
    with pytest.raises(DataError, match="unpacks to more than"):
        read_table(packed, max_bytes=5000)
    assert len(read_ratings(packed, max_bytes=20_000)) == len(read_ratings(packed)) == 1000


@pytest.mark.parametrize("bad", [0, -1, True, "4e9", float("nan")])
def test_a_bound_is_a_number(tmp_path, bad):
    with pytest.raises(ParameterError, match="max_bytes must be a number of bytes above 0"):
        check_bounds(tmp_path, bad)


def test_the_command_line_lifts_the_bound(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(LINES))
    words = ("data", "show", "x.csv.gz", "--read")
    code, _, err = run(*words, "max_bytes=5e3")
    assert code == 1
    assert "say --read max_bytes=1e+04 or more" in " ".join(err.split())
    assert run(*words, "max_bytes=1e+06")[0] == 0
    code, _, err = run(*words, "max_bytes=big")
    assert code == 2
    assert "max_bytes takes a number such as 4e9, got 'big'" in " ".join(err.split())


def test_a_plain_file_has_no_bound(tmp_path):
    (tmp_path / "x.csv").write_bytes(LINES)
    assert len(read_ratings(tmp_path / "x.csv", max_bytes=1)) == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
def test_a_bomb_is_refused_in_little_memory(tmp_path):
    with gzip.open(tmp_path / "bomb.csv.gz", "wb", compresslevel=1) as file:
        for _ in range(75):
            file.write(ROW * (1 << 20))  # 1.1 GB in all
    code = (
        "import resource, sys; from palate import read_ratings; from palate.errors import DataError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_ratings(sys.argv[1])\n"
        "except DataError as error: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "bomb.csv.gz"], capture_output=True, text=True)
    kilobytes, _, said = done.stdout.partition(" ")
    assert int(kilobytes) < 100_000
    assert "unpacks to more than 1 GB" in said


def wide(n, form):
    names = [f"c{k}" for k in range(n)]
    if form == "json":
        return "{" + ",".join(f'"{name}":1' for name in names) + "}\n"
    return form.join(names) + "\n" + form.join("1" * n) + "\n"


@pytest.mark.parametrize("form", [",", ";", "\t", "|", "::", "json"])
def test_too_many_columns_are_refused_from_the_first_line(tmp_path, form):
    path = tmp_path / ("x.jsonl" if form == "json" else "x.csv")
    path.write_text(wide(10_001, form))
    with pytest.raises(DataError, match=r"has 10,00[12] columns; at most 10,000 are read"):
        read_ratings(path)
    path.write_text(wide(200_000, form))
    with pytest.raises(DataError, match=r"columns; at most 10,000 are read|goes on after 1,048,576 bytes"):
        read_table(path)
    check_bounds(_written(path, wide(9_000, form)))


def _written(path, text):
    path.write_text(text)
    return path


def test_too_many_columns_of_a_parquet_file_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    pl.DataFrame({f"c{k}": [1] for k in range(12)}).write_parquet(path)
    monkeypatch.setattr(bounds, "MAX_COLUMNS", 11)
    with pytest.raises(DataError, match="has 12 columns; at most 11 are read"):
        read_ratings(path)
    monkeypatch.setattr(bounds, "MAX_FOOTER", 100)
    with pytest.raises(DataError, match=r"the names of its columns take [\d,]+ bytes; at most 100 are admitted"):
        read_ratings(path)


def test_a_first_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "MAX_LINE", 100)
    path = tmp_path / "x.csv"
    path.write_text("user,item " + "x" * 200)
    with pytest.raises(DataError, match="the first line goes on after 100 bytes; this is no log, one row a line"):
        read_ratings(path)


def test_many_rows_in_few_bytes_are_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"user": pl.repeat(1, 10**6, eager=True), "item": pl.repeat(1, 10**6, eager=True)}).write_parquet(path)
    with pytest.raises(DataError, match=r"holds 1,000,000 rows in [\d,]+ bytes: .* say max_bytes=2e\+07 or more"):
        read_ratings(path, max_bytes=10**7)


def test_what_is_no_file_is_told_by_the_reader(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_ratings(tmp_path / "nothing.csv")
