"""Best 10 of 27,000 items, 128 factors, 90 items seen each, beside implicit and the GEMM alone."""

from __future__ import annotations

import time

import numpy as np
import peers
from common import arguments, machine, markdown, publish

from palate.sparse import Rows
from palate.topk import topk

USERS, ITEMS, FACTORS, SEEN, RUNS = 20_000, 27_000, 128, 90, 3


def main() -> None:
    options = arguments(__doc__ or "")
    rng = np.random.default_rng(0)
    P, Q = (rng.standard_normal((n, FACTORS), np.float32) for n in (USERS, ITEMS))
    seen = np.sort(rng.permuted(np.tile(np.arange(ITEMS, dtype=np.int32), (8, 1)), axis=1)[:, :SEEN], axis=1)
    had = Rows.of_sizes(np.full(USERS, SEEN), np.tile(seen.ravel(), USERS // 8))
    zeros = np.zeros(USERS), np.zeros(ITEMS)
    everyone = np.arange(USERS, dtype=np.int32)
    rows = []
    for threads in (1, 2):
        ours, theirs, gemm = [], [], []
        for _ in range(RUNS):  # alternately
            started = time.perf_counter()
            topk((P, Q, *zeros, 0.0), everyone, 10, excluded=[had], n_threads=threads)
            ours.append(time.perf_counter() - started)
            arrays = {"P": P, "Q": Q, "indices": had.indices, "indptr": had.indptr}
            report = peers.run("implicit_topn", arrays, threads, runs=2)
            theirs += report["seconds"]
            gemm += report["gemm"]
        best = min(ours)
        for name, seconds in (("palate", best), ("implicit", min(theirs)), ("the GEMM alone", min(gemm))):
            rows.append([str(threads), name, f"{USERS / seconds:,.0f}", f"{seconds / best:.2f}"])
    header = ["threads", "library", "users/s", "its time over ours"]
    told = f"Fastest of {RUNS} or more runs. implicit {peers.version_of('implicit')}; {machine()}"
    publish("topn-speed", f"{markdown(header, rows)}\n\n{told}", write=options.write)


if __name__ == "__main__":
    main()
