"""A sweep of `BayesianMF` on ids alone beside myFM and SMURFF, its times at scale, and the way to its figure on u1.

``bayes_speed.py [PART …]`` runs parts (u1, middle, large, scale, fit, saved); without one all. Each part is kept in
out/bayes-speed; ``--write`` puts the tables into docs/bayes.md, and without parts runs those that are missing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bayes_peers
import generated
import numpy as np
from common import ROOT, machine, markdown, publish
from quality import arrays_of, parts_of

import palate
from palate.data.interactions import Interactions
from palate.models.bayes.model import BayesianMF
from palate.models.contract.attributes import features_of

OUT = ROOT / "out" / "bayes-speed"
LARGE = (10_000_000, 100_000, 20_000)  # ratings, users, items
MIDDLE = (844_000, 25_000, 5_000)
RANK, SCALE_RANK = 16, 32
IDS = {"incidence": False, "n_components": 0, "counts": False}
GOALS = {"ids alone": 10, "incidence of both sides": 20}


def main() -> None:
    parts = ASKED.parts or [name for name in PARTS if not (ASKED.write and file_of(name).exists())]
    wrong = [part for part in parts if part not in PARTS]
    if wrong:
        raise SystemExit(f"no part {wrong[0]}; parts are {', '.join(PARTS)}")
    OUT.mkdir(parents=True, exist_ok=True)
    for part in parts:
        told = {"rows": PARTS[part](), "said": machine()}
        print(told["rows"], flush=True)
        if not ASKED.tiny:
            file_of(part).write_text(json.dumps(told, indent=1))
    show()


def file_of(part: str) -> Path:
    return OUT / f"{part}.json"


# -- beside peers ---------------------------------------------------------------------------------------------------


def beside(name: str, data: Interactions, sweeps: int, rounds: int) -> list[list[str]]:
    """Return a line a library: milliseconds a sweep on one thread, alternately measured, the least of the rounds."""
    arrays = arrays_of(data)
    sweeps, rounds = (3, 1) if ASKED.tiny else (sweeps, rounds)
    calls: dict[str, Callable[[], float]] = {
        "palate": lambda: ours(data, sweeps),
        f"myFM {bayes_peers.version_of('myfm')}": lambda: bayes_peers.run(
            "myfm_speed", arrays, 1, rank=RANK, short=1, long=1 + sweeps
        )["seconds"],
        f"SMURFF {bayes_peers.version_of('smurff')}": lambda: bayes_peers.run(
            "smurff_speed", arrays, 1, rank=RANK, sweeps=sweeps
        )["seconds"],
    }
    seconds: dict[str, list[float]] = {library: [] for library in calls}
    for _ in range(rounds):
        for library, call in calls.items():
            seconds[library].append(call())
    least = {library: min(several) for library, several in seconds.items()}
    return [
        ["" if row else name, library, f"{1000 * s:,.1f}", f"{s / least['palate']:.1f}"]
        for row, (library, s) in enumerate(least.items())
    ]


def ours(data: Interactions, sweeps: int) -> float:
    """Return seconds of our median sweep, the figures of its record included; a small fit has compiled the kernels."""
    words = {**IDS, "n_chains": 1, "n_threads": 1, "random_state": 1, "n_kept": 1}
    BayesianMF(RANK, n_sweeps=2, n_burn_in=1, **words).fit(data.take(np.arange(1000)))
    model = BayesianMF(RANK, n_sweeps=sweeps + 1, n_burn_in=sweeps, **words).fit(data)
    return float(np.median([one["seconds"] for one in model.history_[:-1]]))


def u1() -> list[list[str]]:
    data = palate.load_movielens("100k", on_missing="keep").interactions
    train, _ = parts_of(data, "official:u1")
    return beside(f"u1 of MovieLens 100K, {len(train):,} ratings", train, 60, 5)


def middle() -> list[list[str]]:
    return beside(f"{MIDDLE[0]:,} generated ratings", generated.ratings(*MIDDLE), 12, 3)


def large() -> list[list[str]]:
    size = (200_000, 10_000, 2_000) if ASKED.tiny else LARGE
    return beside(f"{size[0]:,} generated ratings", generated.ratings(*size), 3, 3)


# -- at scale -------------------------------------------------------------------------------------------------------


def scale() -> list[list[str]]:
    """Return a line for ids and one with incidence: seconds a sweep on two threads, and the most memory of a process.

    Each fit is a process of its own that is given the ratings as arrays, so that its memory is its own.
    """
    size = (200_000, 10_000, 2_000) if ASKED.tiny else LARGE
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.npz"
        np.savez(path, **arrays_of(generated.ratings(*size)))
        generated.clicks.cache_clear()
        for words in ({**IDS}, {"n_components": 0, "counts": False}, {}):
            name = ("ids alone", "incidence of both sides", "the defaults")[len(rows)]
            command = [sys.executable, __file__, "--child", json.dumps(words), "--from", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
            found = json.loads(done.stdout.splitlines()[-1])
            goal = f"< {GOALS[name]}" if name in GOALS else ""
            memory = f"{found['gib']:.1f} (the ratings {found['gib_before']:.1f})"
            rows.append([name, f"{found['sweep']:.2f}", goal, f"{found['first']:.0f}", memory])
            print(rows[-1], flush=True)
    return rows


def child(words: dict[str, Any], path: str) -> None:
    """Print seconds of a sweep, of the fit besides its sweeps, and memory before and at most, in GiB."""
    a = np.load(path)
    data = generated.interactions(a["user"], a["item"], a["values"], int(a["n_users"]), int(a["n_items"]))
    model = BayesianMF(SCALE_RANK, n_sweeps=2, n_burn_in=1, n_chains=1, n_threads=2, random_state=1, **words)
    model.fit(data.take(np.arange(1000)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    started = time.perf_counter()
    model.set_params(n_sweeps=4).fit(data)  # three sweeps after the first, and all of them kept
    whole = time.perf_counter() - started
    seconds = [one["seconds"] for one in model.history_]
    found = {"sweep": float(np.median(seconds)), "first": whole - sum(seconds), "gib_before": before}
    print(json.dumps({**found, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


# -- to its figure --------------------------------------------------------------------------------------------------


def fit() -> list[list[str]]:
    """Return a line for each number of threads: seconds of the whole default fit on u1, and its test RMSE."""
    data = palate.load_movielens("100k", on_missing="keep")
    train, test = parts_of(data.interactions, "official:u1")
    short = {"n_sweeps": 6, "n_burn_in": 3}
    rows = []
    for threads in (2, 1):
        seconds = []
        for turn in range(1 if ASKED.tiny else 3):
            model = BayesianMF(random_state=turn, n_threads=threads, **(short if ASKED.tiny else {}))
            features = features_of(data)
            BayesianMF(**{**model.get_params(), **short}).fit(train, **features)  # compiles
            started = time.perf_counter()
            model.fit(train, **features)
            seconds.append(time.perf_counter() - started)
            if turn == 0:
                guess = np.clip(model.predict_rows(test), 1, 5)
                error = float(np.sqrt(np.mean((guess - test.values) ** 2)))
        goal = "< 15" if threads == 2 else ""
        rows.append([str(threads), f"{min(seconds):.1f} to {max(seconds):.1f}", goal, f"{error:.4f}"])
    return rows


def saved() -> list[list[str]]:
    """Return a line for each number of kept sweeps: what the saved file loses of the chain, its size, and its speed."""
    data = palate.load_movielens("100k", on_missing="keep")
    train, test = parts_of(data.interactions, "official:u1")
    short = {"n_sweeps": 6, "n_burn_in": 3} if ASKED.tiny else {}
    rows = []
    for n_kept in (100, 25):
        model = BayesianMF(random_state=0, n_kept=n_kept, **short)
        model.fit(train, validation=test, **features_of(data))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            palate.save(model, path)
            size, loaded = path.stat().st_size, palate.load(path)
            error = float(np.sqrt(np.mean((np.clip(loaded.predict_rows(test), 1, 5) - test.values) ** 2)))
            users, seconds = loaded.users_.values, []
            for _ in range(5):
                started = time.perf_counter()
                loaded.recommend(users, 10)
                seconds.append(time.perf_counter() - started)
        whole = model.history_[-1]["validation_rmse"]
        words = f"{size / 1e6:.0f}", f"{whole:.5f}", f"{error:.5f}", f"{model.mean_score_error_:.4f}"
        rows.append([str(n_kept), *words, f"{1000 * min(seconds):.0f}"])
    return rows


PARTS: dict[str, Callable[[], list[list[str]]]] = {
    "u1": u1, "middle": middle, "large": large, "scale": scale, "fit": fit, "saved": saved,
}  # fmt: skip


def show() -> None:
    """Print what there is, each table with where it was made, and with --write put it into the docs."""
    found = {part: json.loads(file_of(part).read_text()) for part in PARTS if file_of(part).exists()}
    beside_others = [part for part in ("u1", "middle", "large") if part in found]
    if beside_others:
        said = f"Rank {RANK}, ids alone, one thread, one chain; ours draws noise by person and item besides. "
        said += "Ours and SMURFF's: "
        said += "the median sweep of a fit; myFM's: the difference of two fits; the least of several, taken in turns."
        rows = [row for part in beside_others for row in found[part]["rows"]]
        told = markdown(["ratings", "library", "ms a sweep", "ratio to ours"], rows)
        publish("bayes-speed", f"{told}\n\n{said} {found[beside_others[0]]['said']}", write=ASKED.write)
    for part, (header, said) in TABLES.items():
        if part in found:
            told = f"{markdown(header, found[part]['rows'])}\n\n{said} {found[part]['said']}"
            publish(f"bayes-{part}", told, write=ASKED.write)


TABLES = {
    "scale": (
        [f"rank {SCALE_RANK}, two threads", "s a sweep", "goal", "s before the sweeps", "GiB at most"],
        f"{LARGE[0]:,} generated ratings of {LARGE[1]:,} users and {LARGE[2]:,} items; one chain.",
    ),
    "fit": (["threads", "s, the default fit on u1", "goal", "test RMSE, seed 0"], "Three fits each."),
    "saved": (
        ["sweeps kept", "MB", "RMSE of all sweeps", "of the loaded file", "left out of a score", "ms, all top tens"],
        "u1, one seed. The score is that of all sweeps whatever is kept, cut to 128 singular vectors; left out: root "
        "mean square over all pairs. All top tens: `recommend` for the 943 users at once.",
    ),
}


def options_asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--write", action="store_true", help="put the tables into docs/bayes.md")
    parser.add_argument("--tiny", action="store_true", help="a short try on little data; nothing is kept")
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--from", dest="path", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    ASKED = options_asked()
    if ASKED.child is not None:
        child(ASKED.child, ASKED.path)
    else:
        main()
