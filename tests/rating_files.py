"""Files of ratings in many forms, for the tests of readers."""

import gzip
import tempfile

import polars as pl
import pytest

DAY = 1_260_759_144
ROWS = [(1, 10, 4.5, DAY), (2, 10, 3.0, DAY + 100), (1, 30, 0.5, DAY + 200)]
HEADER = ("userId", "movieId", "rating", "timestamp")


def text_of(separator, rows=ROWS, header=HEADER, end="\n"):
    return "".join(separator.join(map(str, row)) + end for row in ([header] if header else []) + list(rows))


@pytest.fixture
def write(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def zstd(text):
    """Polars writes the zstd that Python cannot."""
    buffer = pl.DataFrame({"line": text.splitlines()}).lazy()
    with tempfile.NamedTemporaryFile(suffix=".zst") as file:
        buffer.sink_csv(file.name, compression="zstd", include_header=False, quote_style="never", check_extension=False)
        return file.read()


def packed(text, how):
    return {"": text.encode, ".gz": lambda: gzip.compress(text.encode()), ".zst": lambda: zstd(text)}[how]()
