"""Test RMSE of `BayesianMF` on MovieLens 100K beside myFM that knows the same, and how honest its distributions are.

``bayes_accuracy.py [PART …]`` runs parts (u1, folds, fresh, time, cut, seed42, cold; tune for myFM's rank), each fit
written as it is done, so that a run that was interrupted goes on; without one it runs all that is missing. ``--write``
puts the tables of all found into docs/bayes.md; without parts it runs nothing but where nothing is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import bayes_peers
import numpy as np
from common import ROOT, machine, markdown, publish
from quality import in_words, parts_of, searched
from scipy.stats import t as student

import palate
from palate.metrics.distribution import coverage_80, coverage_95, crps_normal
from palate.models.bayes.model import BayesianMF
from palate.models.contract.attributes import features_of

FRESH = [f"random:0.2:{seed}" for seed in range(100, 120)]
SEED42, CUT, COLD = "random:0.2:42", "time:0.2", ("cold-items:0.2:42", "cold-users:0.2:42")
FOLDS = [f"official:u{k}" for k in range(1, 6)]
HONEST = {"official:u1", SEED42}  # splits on which the distributions are looked at, too
RANKS, RANK = (8, 12, 16, 24), 16
SAMPLES, BURN_IN, TRIALS = 512, 50, 15
TIMES = ("day", "day,page")
LIKELIHOODS = {"normal": "myFM", "probit": "myFM, ordered probit"}
GROUPS = {
    "u1": FOLDS[:1], "five folds": FOLDS, "20 fresh 80/20 splits": FRESH, "80/20, seed 42": [SEED42],
    "latest fifth": [CUT], "cold items": [COLD[0]], "cold users": [COLD[1]],
}  # fmt: skip


def options_asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--write", action="store_true", help="print the tables and put them into docs/bayes.md")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of ours, from 0")
    parser.add_argument("--fresh-seeds", type=int, default=1, help="the same on each of the fresh splits")
    parser.add_argument("--peer-seeds", type=int, default=1, help="seeds of myFM")
    parser.add_argument("--tuned", action="store_true", help=f"myFM's ranks by part tune instead of {RANK}")
    parser.add_argument("--only", choices=("ours", "peers"), help="run only these, to share the work")
    parser.add_argument("--fits", type=int, help="at most this many new fits, then stop")
    parser.add_argument("--sweeps", type=int, help="a short try, kept apart in out/bayes/try")
    parser.add_argument("--threads", type=int, help="threads of ours")
    return parser.parse_args()


def main() -> None:
    parts = ASKED.parts or ([] if ASKED.write and results() else [name for name in PARTS if name != "tune"])
    wrong = [part for part in parts if part not in PARTS]
    if wrong:
        raise SystemExit(f"no part {wrong[0]}; parts are {', '.join(PARTS)}")
    for part in parts:
        PARTS[part](part)
    show()


# -- results, one file a part ---------------------------------------------------------------------------------------


def folder() -> Any:
    found = ROOT / "out" / "bayes" / ("try" if ASKED.sweeps else "")
    found.mkdir(parents=True, exist_ok=True)
    return found


def results() -> dict[str, dict[str, Any]]:
    """Return what all parts have found, by key: split, model and seed; of two the later one."""
    files = [folder() / f"{part}.json" for part in PARTS]
    every = [pair for path in files if path.exists() for pair in json.loads(path.read_text()).items()]
    return dict(sorted(every, key=lambda pair: pair[1]["made"]))


def once(part: str, split: str, name: str, seed: int, settings: dict[str, Any], call: Callable[[], Any]) -> Any:
    """Return the result of a fit, from a file where it was made with the same settings."""
    key, settings = f"{split} | {name} | {seed}", json.loads(json.dumps(settings))
    known = results().get(key)
    if known and known["settings"] == settings:
        return known
    if ASKED.only and (ASKED.only == "peers") != name.startswith("myFM"):
        return None
    if ASKED.fits is not None:
        if ASKED.fits <= 0:
            return None
        ASKED.fits -= 1
    started = time.perf_counter()
    made = {**call(), "seconds": round(time.perf_counter() - started, 2)}
    made |= {"split": split, "model": name, "seed": seed, "settings": settings, "machine": machine()}
    made |= {"made": time.time()}
    path = folder() / f"{part}.json"
    mine = json.loads(path.read_text()) if path.exists() else {}
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps({**mine, key: made}, indent=1))
    beside.replace(path)
    print(f"{key}: RMSE {made['rmse']:.4f}, {made['seconds']:.0f} s", flush=True)
    return made


# -- contenders -----------------------------------------------------------------------------------------------------


@cache
def data_of(kind: str) -> Any:
    return palate.load_movielens("100k", on_missing=kind)


def parts_and_tables(split: str) -> tuple[Any, Any, Any]:
    """Return training part, test part and the data set: official splits are of all rows, others of the 99,991."""
    data = data_of("keep" if split.startswith("official") else "drop")
    return *parts_of(data.interactions, split), data


def rmse(guess: np.ndarray, train: Any, test: Any) -> float:
    guess = np.clip(guess, train.values.min(), train.values.max())
    return float(np.sqrt(np.mean((guess - test.values) ** 2)))


def ours(part: str, split: str, seeds: int, effects: str | None = None) -> None:
    """Fit `BayesianMF` with its defaults and the attributes of users and items, with each seed."""
    name = "`bayes`" if effects is None else f"`bayes`, {effects.replace(',', ' and ')}"
    for seed in range(seeds):
        short = {"n_sweeps": ASKED.sweeps, "n_burn_in": ASKED.sweeps // 2} if ASKED.sweeps else {}
        model = BayesianMF(time_effects=effects, random_state=seed, n_threads=ASKED.threads, **short)
        settings = {key: value for key, value in model.get_params().items() if key != "n_threads"}

        def call(model: Any = model) -> dict[str, Any]:
            train, test, data = parts_and_tables(split)
            model.fit(train, **features_of(data))
            found = {"rmse": rmse(model.predict_rows(test), train, test)}
            return found | (honesty(model, train, test) if split in HONEST else {})

        once(part, split, name, seed, settings, call)


def honesty(model: Any, train: Any, test: Any) -> dict[str, Any]:
    """Return CRPS and coverage, and the CRPS of a normal of one variance, that of the training errors, and our mean."""
    times = test.times if model.time_effects else None
    found = model._predictive(test.user_index, test.item_index, times)
    spread = np.sqrt(np.mean((model.predict_rows(train) - train.values) ** 2))
    truth, mean = test.values.astype(float), np.asarray(model.predict_rows(test), float)
    return {
        "crps": float(found.crps(truth).mean()), "coverage_80": coverage_80(truth, found),
        "coverage_95": coverage_95(truth, found),
        "crps_normal": float(crps_normal(truth, mean, np.full(len(mean), spread)).mean()),
    }  # fmt: skip


def myfm(part: str, split: str, likelihood: str, rank: int, days: str = "", inside: str = "") -> Any:
    """Fit myFM with attributes and incidence of both sides; ``days``: "date" or "user's day" as columns of their own.

    ``inside``: a split of the training part, to choose by.
    """
    name = ", ".join(filter(None, (LIKELIHOODS[likelihood], f"rank {rank}", days)))

    def call(seed: int) -> dict[str, Any]:
        train, test, data = parts_and_tables(split)
        if inside:
            train, test = parts_of(train, inside)
        arrays = {
            "user": train.user_index, "item": train.item_index, "values": train.values,
            "n_users": np.array(train.n_users), "n_items": np.array(train.n_items),
            "test_user": test.user_index, "test_item": test.item_index,
            **bayes_peers.one_hot(train, data.users, data.items), **(day_codes(train, test, days) if days else {}),
        }  # fmt: skip
        guess = bayes_peers.run("myfm_ratings", arrays, 1, **settings, likelihood=likelihood, seed=seed)["guess"]
        return {"rmse": rmse(guess, train, test)}

    burn_in = ASKED.sweeps // 2 if ASKED.sweeps else BURN_IN
    settings = {"rank": rank, "samples": ASKED.sweeps or SAMPLES, "burn_in": burn_in}
    label = f"{split} > {inside}" if inside else split
    found = [once(part, label, name, s, settings, lambda s=s: call(s)) for s in range(ASKED.peer_seeds)]
    return found[0]


def day_codes(train: Any, test: Any, days: str) -> dict[str, np.ndarray]:
    """Return a number for each row's day, or user and day, of the training part; -1 for a new one."""
    of_rows = [
        part.times // 86_400 + (part.user_index.astype(np.int64) * 1_000_000 if days == "user's day" else 0)
        for part in (train, test)
    ]
    known = np.unique(of_rows[0])
    place = [np.searchsorted(known, one).clip(max=len(known) - 1) for one in of_rows]
    codes = [np.where(known[p] == one, p, -1) for p, one in zip(place, of_rows, strict=True)]
    return {"days": codes[0], "test_days": codes[1]}


def both(part: str, split: str, days: str = "") -> None:
    for likelihood in LIKELIHOODS:
        myfm(part, split, likelihood, rank_of(likelihood), days)


def rank_of(likelihood: str) -> int:
    """Return 16, or with --tuned the rank with the least error inside the training part."""
    if not ASKED.tuned:
        return RANK
    known = [
        one for one in results().values() if ">" in one["split"] and one["model"].startswith(LIKELIHOODS[likelihood])
    ]
    known = [one for one in known if ("probit" in one["model"]) == (likelihood == "probit")]
    if len(known) < len(RANKS):
        raise SystemExit("--tuned needs part tune first")
    return int(min(known, key=lambda one: one["rmse"])["settings"]["rank"])


# -- parts ----------------------------------------------------------------------------------------------------------


def plain(splits: list[str], seeds: Callable[[], int]) -> Callable[[str], None]:
    def run(part: str) -> None:
        for split in splits:
            ours(part, split, seeds())
            both(part, split)

    return run


def seeds() -> int:
    return int(ASKED.seeds)


def with_time(part: str, split: str = FOLDS[0]) -> None:
    for effects in TIMES:
        ours(part, split, seeds(), effects)
    for days in ("date", "user's day"):
        both(part, split, days)


def seed42(part: str) -> None:
    plain([SEED42], seeds)(part)
    with_time(part, SEED42)


def cut(part: str) -> None:
    """The latest fifth of all rows: also our simpler models, searched on the latest fifth of the training part."""
    plain([CUT], seeds)(part)
    for name, model in (("`als`", palate.ALS), ("`mf`", palate.MatrixFactorization), ("`baseline`", palate.Baseline)):

        def call(model: Any = model) -> dict[str, Any]:
            train, test, _ = parts_and_tables(CUT)
            if model is palate.Baseline:
                fitted, said = model().fit(train), ""
            else:
                words = {"metric": "rmse", "split": "none", "validation": CUT, "n_trials": TRIALS}
                found = palate.tune(model(random_state=0), train, **words)
                fitted, said = found.model, str(found.parameters)
            return {"rmse": rmse(fitted.predict_rows(test), train, test), "said": said}

        once(part, CUT, name, 0, {"trials": TRIALS}, call)


def cold(part: str) -> None:
    """Whole items, whole users: also `als` with features, searched as in `cold_start.py`."""
    from cold_start import ITEM_COLUMNS, USER_COLUMNS, contenders

    for split in COLD:
        plain([split], seeds)(part)

        def call(split: str = split) -> dict[str, Any]:
            train, test, data = parts_and_tables(split)
            inner, held = parts_of(train, split.replace(":42", ":7"))
            features = (
                palate.Features.from_table(data.users, "user", columns=USER_COLUMNS),
                palate.Features.from_table(data.items, "item", columns=ITEM_COLUMNS),
            )
            ((_, space, score),) = [one for one in contenders(features) if one[0].startswith("`als`")]
            best = searched(lambda p: score(p, inner, held)[0], space, "minimize", TRIALS)
            return {"rmse": score(best, train, test)[0], "said": in_words(best)}

        once(part, split, "`als` with features", 0, {"trials": TRIALS}, call)


def tune(part: str) -> None:
    for likelihood in LIKELIHOODS:
        for rank in RANKS:
            myfm(part, SEED42, likelihood, rank, inside="random:0.1:7")


PARTS: dict[str, Callable[[str], None]] = {
    "u1": plain(FOLDS[:1], seeds), "folds": plain(FOLDS, seeds), "fresh": plain(FRESH, lambda: int(ASKED.fresh_seeds)),
    "time": with_time, "cut": cut, "seed42": seed42, "cold": cold, "tune": tune,
}  # fmt: skip


# -- tables ---------------------------------------------------------------------------------------------------------


def show() -> None:
    """Print what there is, and with --write put it into the docs."""
    found = list(results().values())
    if not found:
        return
    told = (
        f"`bayes`: the constructor's defaults. myFM {bayes_peers.version_of('myfm')}: {SAMPLES} samples after "
        f"{BURN_IN}, attributes one-hot and incidence of both sides. `als`, `mf`: {TRIALS} trials inside the training "
        f"part. ± : standard deviation over seeds, where there are several; of a difference, half a 95 % t interval "
        f"over the splits. {found[-1]['machine']}"
    )
    header = ["split", "model", "test RMSE", "seeds", "less `bayes`", "s a fit"]
    rows = rmse_rows(found)
    if rows:
        publish("bayes-accuracy", f"{markdown(header, rows)}\n\n{told}", write=ASKED.write)
        publish("bayes-summary", summary(found), write=ASKED.write)
    inner = [one for one in found if ">" in one["split"]]
    if inner:
        rows = [[one["model"], f"{one['rmse']:.4f}"] for one in inner]
        said = f"Part random:0.1:7 of the training part of {SEED42}, held out of it."
        publish("bayes-ranks", f"{markdown(['myFM', 'RMSE'], rows)}\n\n{said}", write=ASKED.write)
    header = ["split", "model", "CRPS", "of one normal", "inside 80 %", "inside 95 %"]
    rows = honest_rows(found)
    if rows:
        said = "One normal: the same means, with the standard deviation of the training errors. Means over the seeds."
        publish("bayes-honest", f"{markdown(header, rows)}\n\n{said}", write=ASKED.write)


def rmse_rows(found: list[dict[str, Any]]) -> list[list[str]]:
    """Return a line for each group of splits and model that has results on all of them."""
    rows = []
    for group, splits in GROUPS.items():
        here = [one for one in found if one["split"] in splits]
        names = list(dict.fromkeys(one["model"] for one in here))
        names.sort(key=lambda name: (" day" in name or "date" in name, not name.startswith("`bayes`")))
        base = by_split(here, "`bayes`", splits)
        first = True
        for name in names:
            mine = [one for one in here if one["model"] == name]
            values = by_split(here, name, splits)
            present = ~np.isnan(values)
            if len(splits) > len(FOLDS):
                present &= ~np.isnan(base)
            elif not present.all():
                continue
            if not present.any():
                continue
            figure = f"{values[present].mean():.4f}{over_seeds(mine, splits)}"
            missing = "" if present.all() else f" ({present.sum()} of {len(splits)} splits)"
            known = "with time" if " day" in name or "date" in name else ""
            seconds = np.mean([one["seconds"] for one in mine])
            label = ", ".join(filter(None, ((group if first or known else ""), known))) + missing
            gap = "" if name == "`bayes`" or known else difference(values[present], base[present])
            count = str(len({one["seed"] for one in mine}))
            rows.append([label, name, figure, count, gap, f"{seconds:.0f}"])
            first = False
    return rows


def summary(found: list[dict[str, Any]]) -> str:
    """Return the table of README: ours without time, beside the likelihood of myFM that has the lower mean error."""
    rows = []
    for group in ("u1", "five folds", "80/20, seed 42", "20 fresh 80/20 splits"):
        splits = GROUPS[group]
        base = by_split(found, "`bayes`", splits)
        names = {one["model"] for one in found if one["model"].startswith("myFM") and "da" not in one["model"]}
        others = {name: by_split(found, name, splits) for name in names}
        others = {name: values for name, values in others.items() if not np.isnan(values).any()}
        if np.isnan(base).any() or not others:
            continue
        best = min(others, key=lambda name: others[name].mean())
        gap = difference(others[best], base)
        rows.append([group, f"{base.mean():.4f}", f"{others[best].mean():.4f}", gap])
    header = ["test RMSE, no time", "`bayes`", "the better of myFM's two likelihoods", "difference"]
    return f"{markdown(header, rows)}\n\n{found[-1]['machine']}"


def by_split(found: list[dict[str, Any]], name: str, splits: list[str]) -> np.ndarray:
    """Return the mean error over the seeds on each split; NaN where a model has none."""
    errors = {
        split: [one["rmse"] for one in found if (one["model"], one["split"]) == (name, split)] for split in splits
    }
    return np.array([np.mean(several) if several else np.nan for several in errors.values()])


def over_seeds(mine: list[dict[str, Any]], splits: list[str]) -> str:
    """Return the standard deviation over seeds of the mean over the splits, of seeds that have them all."""
    means = []
    for seed in sorted({one["seed"] for one in mine}):
        errors = [one["rmse"] for one in mine if one["seed"] == seed]
        means += [np.mean(errors)] if len(errors) == len(splits) else []
    return f" ± {np.std(means, ddof=1):.4f}" if len(means) > 1 else ""


def difference(values: np.ndarray, base: np.ndarray) -> str:
    """Return how far a model's error lies above ours, with a t interval over the splits where there are enough."""
    gap = values - base
    if np.isnan(gap).any():
        return ""
    if len(gap) < 3:
        return f"{gap.mean():+.4f}"
    half = student.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / len(gap) ** 0.5
    return f"{gap.mean():+.4f} ± {half:.4f}"


def honest_rows(found: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for group, splits in GROUPS.items():
        if len(splits) > 1:
            continue
        here = [one for one in found if one["split"] == splits[0] and "crps" in one]
        for name in dict.fromkeys(one["model"] for one in here):
            mine = [one for one in here if one["model"] == name]
            crps, normal, inside, more = (
                np.mean([one[key] for one in mine]) for key in ("crps", "crps_normal", "coverage_80", "coverage_95")
            )
            rows.append([group, name, f"{crps:.4f}", f"{normal:.4f}", f"{100 * inside:.1f} %", f"{100 * more:.1f} %"])
    return rows


if __name__ == "__main__":
    ASKED = options_asked()
    main()
