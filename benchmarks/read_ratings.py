"""How fast `read_ratings` loads 25 million generated ratings, and how much memory that takes.

Each file is read in a fresh process; memory is the growth of that process's peak resident size (VmHWM, Linux only)
from after the imports, a tiny file read.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from common import arguments, machine, markdown, publish

N_ROWS = 25_000_000
N_USERS, N_ITEMS = 162_541, 59_999  # as MovieLens 25M has; the second is prime, so that no pair comes twice
ARRAYS = 20  # bytes a row: two int32 positions, a float32 value, an int64 time
RUNS = 3
READ = """
import json, re, sys, time
from pathlib import Path
from palate.data.reading.ratings import read_ratings

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

read_ratings(sys.argv[2])
before, started = peak(), time.perf_counter()
rows = read_ratings(sys.argv[1])
print(json.dumps({"rows": len(rows), "seconds": time.perf_counter() - started, "bytes": peak() - before}))
"""


def main() -> None:
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory(prefix="palate-") as name:
        folder = Path(name)
        tiny = folder / "tiny.csv"
        tiny.write_text("userId,movieId,rating,timestamp\n1,1,4.5,1000000000\n")
        rows = [line(what, path, tiny) for what, path in files(folder)]
    header = ["25 million ratings", "file, MB", "seconds", "peak memory, MB", "times the arrays"]
    publish("read-ratings", f"{markdown(header, rows)}\n\nFastest of {RUNS}. {machine()}", write=options.write)


def line(what: str, path: Path, tiny: Path) -> list[str]:
    """Return one line: the fastest run, and the highest peak."""
    runs = []
    for _ in range(RUNS):
        done = subprocess.run([sys.executable, "-c", READ, path, tiny], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    if any(run["rows"] != N_ROWS for run in runs):
        raise SystemExit(f"{path} lost rows")
    seconds, peak = min(run["seconds"] for run in runs), max(run["bytes"] for run in runs)
    size = path.stat().st_size
    path.unlink()
    return [what, f"{size / 1e6:,.0f}", f"{seconds:.1f}", f"{peak / 1e6:,.0f}", f"{peak / (ARRAYS * N_ROWS):.2f}"]


def files(folder: Path) -> list[tuple[str, Path]]:
    """Write the same ratings in several forms."""
    table = ratings()
    made = [(what, folder / name) for what, name in FORMS]
    table.write_csv(folder / "ratings.csv")
    table.lazy().sink_csv(folder / "ratings.csv.gz", compression="gzip", compression_level=1)
    table.write_parquet(folder / "ratings.parquet")
    double = pl.concat_str(pl.all().cast(pl.String), separator="::").alias("line")
    table.lazy().select(double).sink_csv(folder / "ratings.dat", include_header=False, quote_style="never")
    words = pl.format("u{}", "userId").alias("userId"), pl.format("m{}", "movieId").alias("movieId")
    table.lazy().with_columns(*words).sink_csv(folder / "words.csv")
    return made


FORMS = (
    ("csv", "ratings.csv"),
    ("csv.gz", "ratings.csv.gz"),
    ("`::`", "ratings.dat"),
    ("Parquet", "ratings.parquet"),
    ("csv, ids are text", "words.csv"),
)


def ratings() -> pl.DataFrame:
    """Return generated ratings, sorted by user, without a repeated pair."""
    rng = np.random.default_rng(0)
    user = np.sort(rng.integers(0, N_USERS, N_ROWS))
    place = np.arange(N_ROWS) - np.searchsorted(user, np.arange(N_USERS))[user]
    start, stride = rng.integers(0, N_ITEMS, N_USERS), rng.integers(1, N_ITEMS, N_USERS)
    item = (start[user] + place * stride[user]) % N_ITEMS
    value = rng.integers(1, 11, N_ROWS) / 2
    time = rng.integers(789_652_009, 1_574_327_703, N_ROWS)
    return pl.DataFrame({"userId": user + 1, "movieId": item + 1, "rating": value, "timestamp": time})


if __name__ == "__main__":
    main()
