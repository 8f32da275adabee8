"""How large a machine the service needs: memory by workers, and the processor time until it is ready.

The whole of `palate serve` with its page on MovieLens 100K: PSS of all its processes, HTTP included, after each worker
has answered; behind it what `palate serve --check` says is needed, which a test keeps at or above what was measured.
Kernels are compiled before. Processor time, all processes together, is the same whatever else the machine does.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

from common import arguments, machine, markdown, publish
from serve_load import service

import palate
from palate.serve.checking import memory_of

WORKERS = (1, 2, 4)
ASKED = 400


def main() -> None:
    options = arguments(__doc__ or "")
    rows = [measured(key, fitted) for key, fitted in (("ease", ease()), ("bayes", bayes()))]
    counts = [f"{n} worker{'s' * (n > 1)}, MB (needed)" for n in WORKERS]
    starts = [f"s of processor until {n} {'is' if n == 1 else 'are'} ready" for n in WORKERS]
    header = ["model", "file, MB", *counts, *starts]
    publish("sizing", f"{markdown(header, rows)}\n\n{machine('uvicorn', 'fastapi')}", write=options.write)


def ease() -> palate.Recommender:
    return palate.EASE(positive=4).fit(palate.load_movielens())


def bayes() -> palate.Recommender:
    return palate.BayesianMF(n_sweeps=20, n_burn_in=5, random_state=0).fit(palate.load_movielens(), progress=None)


def measured(key: str, model: palate.Recommender) -> list[str]:
    """Return a row of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / f"{key}.safetensors"
        palate.save(model, path)
        found = [running(folder, path, n) for n in WORKERS]
        size = path.stat().st_size
    told = [f"{mb:,.0f} ({memory_of(n, size) / 1e6:,.0f})" for n, (mb, _) in zip(WORKERS, found, strict=True)]
    return [f"`{key}`", f"{size / 1e6:.0f}", *told, *(f"{seconds:.1f}" for _, seconds in found)]


def running(folder: Path, path: Path, workers: int) -> tuple[float, float]:
    """Return what a service takes once it has answered, in MB, and its processor time until it was ready."""
    url = f"sqlite:///{folder}/{workers}.db"
    with service(url, folder, [path], os.sched_getaffinity(0), workers) as there:
        seconds = there.processor()

        def ask(user: int) -> None:
            urlopen(f"http://127.0.0.1:{there.port}/v1/recommendations?user={1 + user % 900}", timeout=60).read()

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, range(ASKED)))
        return there.memory() * 1.048576, seconds


if __name__ == "__main__":
    main()
