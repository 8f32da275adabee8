"""Each pair of a command's options either acts or is refused: nothing that was typed is forgotten without a word.

Every command is run with every pair of its options. Where it goes through, the answer must be another one than with
either of the two alone; what cannot be seen in an answer stands in `UNSEEN`, with the reason.
"""

import hashlib
import json

import pytest
import typer
from small_models import make

from palate import load_dataset, save
from palate.cli import main

USERS, ITEMS = range(1, 19), range(1, 15)
MODEL = ("--set", "n_epochs=2", "--set", "n_factors=2", "--set", "random_state=0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A log with times, tables of both sides, parts of the log, a model file of it, and a config."""
    here = tmp_path_factory.mktemp("together")
    cells = [(u, i, 5 if u == 1 or i in (1, 2) else 1 + (u * i + u) % 5) for u in USERS for i in ITEMS if (u + i) % 3]
    times = [f"{u},{i},{value},{10**9 + 7 * ((u * 5 + i * 3) % 97)}" for u, i, value in cells]
    head = "user,item,rating,timestamp\n"
    (here / "log.csv").write_text(head + "\n".join(times))
    (here / "a.csv").write_text(head + "\n".join(times[:-40]))
    (here / "b.csv").write_text(head + "\n".join(times[-40:]))
    films = [f"{i},Film {i % 3}{i // 6},{'Drama|War' if i % 2 else 'War'},{1980 + i // 6}" for i in ITEMS]
    (here / "items.csv").write_text("item_id,title,genres,year\n" + "\n".join(films))
    (here / "users.csv").write_text("user_id,age\n" + "\n".join(f"{u},{20 + u % 3}" for u in USERS))
    (here / "users_n.csv").write_text("user_id,n\n" + "\n".join(f"{u},{u % 3}" for u in USERS))
    (here / "had.csv").write_text("user,item,rating\n77,3,5\n77,4,1\n")
    (here / "new.csv").write_text("user_id,age\n77,21\n")
    (here / "out.csv").write_text("user,item,rating\n1,8,5\n1,2,5\n")
    data = load_dataset(here / "a.csv", items=here / "items.csv", users=here / "users.csv")
    save(make("als", n_factors=2, n_epochs=2).fit(data, attributes=True), here / "m.safetensors")
    return here


@pytest.fixture
def answer(folder, monkeypatch, capsys):
    """Return a function that runs a command: its record and what it wrote, or None where it was refused."""
    monkeypatch.chdir(folder)

    def run(*words):
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        with pytest.raises(SystemExit) as stop:
            main([*words, "--json"])
        out, err = capsys.readouterr()
        new = [path for path in folder.rglob("*") if before.get(path) != path.stat().st_mtime_ns and path.is_file()]
        written = {path.name: of_file(path) for path in new}
        for path in set(new) - set(before):
            path.unlink()
        assert stop.value.code in (0, 1, 2, None), err
        assert "Palate's fault" not in err, err
        return None if stop.value.code else settled(json.loads(out)), written

    return run


def of_file(path):
    """Return what a file says, of a model all but its times."""
    if path.suffix != ".safetensors":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    from palate import files

    model = files.load(path)
    return str([model.item_table_.to_dicts(), model.get_params(), model.seen_ and model.seen_.indices.tolist()])


def settled(record):
    """Return a record without what differs from run to run."""
    if isinstance(record, dict):
        drop = ("seconds", "created", "bytes", "machine", "versions")
        return {k: settled(v) for k, v in record.items() if k not in drop}
    return [settled(v) for v in record] if isinstance(record, list) else record


class Reached(BaseException):
    """What a command asked of the library, in words."""


@pytest.fixture
def recorded(monkeypatch):
    """Let searches and comparisons tell what they were asked, in place of taking seconds for it."""
    asked = {}

    def record(*given, **options):
        from palate.data.dataset import Dataset
        from palate.terminal import json_values

        def words(value):
            if isinstance(value, Dataset):
                return [value.items.to_dicts(), value.users.to_dicts(), value.interactions.to_table().to_dicts()]
            if isinstance(value, dict):
                return {str(k): words(v) for k, v in value.items()}
            return [words(v) for v in value] if isinstance(value, list | tuple) else str(value)

        for name in ("progress", "started"):
            options.pop(name, None)
        asked["text"] = json.dumps(json_values(words([list(given), options])))
        raise typer.Exit(0)

    import palate.evaluation
    import palate.tuning

    monkeypatch.setattr(palate.evaluation, "compare", record)
    monkeypatch.setattr(palate.tuning, "tune", record)
    monkeypatch.setattr("palate.serve.running.run", record)
    monkeypatch.setattr("palate.ui.launch", record)
    return asked


EVALUATE = {
    "--model": ["--model", "als"],
    "--preset": ["--preset", "original"],
    "--set": ["--set", "reg=0.5"],
    "--model-file": ["--model-file", "m.safetensors"],
    "--train": ["--train", "a.csv"],
    "--test": ["--test", "b.csv"],
    "--stop-on": ["--stop-on", "test"],
    "--positive": ["--positive", "4"],
    "--allow": [word for item in range(1, 13) for word in ("--allow", str(item))],
    "--deny": ["--deny", "6"],
    "--where": ["--where", "year>=1981"],
    "--on-overlap": ["--on-overlap", "drop"],
    "--fold": ["--fold", "2"],
    "--out": ["--out", "kept.safetensors"],
    "--attributes": ["--attributes"],
    "--users": ["--users", "users.csv"],
    "--read": ["--read", "rating_range=0:6"],
}
RECOMMEND = {
    "--where": ["--where", "year>=1981"],
    "--allow": [word for item in (2, 3, 4, 5, 8, 11) for word in ("--allow", str(item))],
    "--deny": ["--deny", "11"],
    "--exclude": ["--exclude", "out.csv"],
    "--include-seen": ["--include-seen"],
    "--one-per-title": ["--one-per-title"],
    "--on-unknown": ["--on-unknown", "popular"],
    "--clip": ["--clip"],
    "--out": ["--out", "lists.csv"],
    "--safe-csv": ["--safe-csv"],
    "--users": ["--users", "new.csv"],
    "--item": ["--item", "2"],
    "--read": ["--read", "time=none"],
}
OF_EVALUATE = ("--items", "items.csv", "--metrics", "rmse,ndcg@3")
SERVE = {
    "--host": ["--host", "::1"],
    "--port": ["--port", "8123"],
    "--allow-host": ["--allow-host", "shop.example.org"],
    "--trust-proxy": ["--trust-proxy"],
    "--wait": ["--wait"],
    "--folder": ["--folder", "files"],
    "--namespace": ["--namespace", "shop"],
    "--workers": ["--workers", "2"],
    "--keep-lists": ["--keep-lists", "30"],
    "--keep-events": ["--keep-events", "300"],
    "--new-items-share": ["--new-items-share", "0.3"],
    "--schedule": ["--schedule", "1d"],
    "--log": ["--log", "problems"],
    "--page": ["--page", "demo"],
    "--gradio": ["--gradio"],
}
CASES = {  # command: the words of every run, and its options, each pair of which is tried
    "evaluate": (("log.csv", *OF_EVALUATE, "--split", "kfold:2:1", *MODEL), EVALUATE),
    "train": (
        ("log.csv", *MODEL, "--out", "made.safetensors"),
        {
            "--model": ["--model", "als"],
            "--preset": ["--preset", "original"],
            "--config": ["--config", "config.json"],
            "--set": ["--set", "reg=0.5"],
            "--positive": ["--positive", "4"],
            "--split": ["--split", "time:0.3"],
            "--stop-on": ["--stop-on", "test"],
            "--checkpoint": ["--checkpoint", "chain.ckpt"],
            "--attributes": ["--attributes"],
            "--items": ["--items", "items.csv"],
            "--users": ["--users", "users.csv"],
            "--read": ["--read", "rating_range=0:6"],
        },
    ),
    "compare": (
        ("log.csv", "--items", "items.csv", "--models", "popularity,als", "--metrics", "rmse,ndcg@3"),
        {
            "--split": ["--split", "time:0.2"],
            "--train": ["--train", "a.csv"],
            "--test": ["--test", "b.csv"],
            "--on-overlap": ["--on-overlap", "drop"],
            "--positive": ["--positive", "4"],
            "--allow": ["--allow", "1"],
            "--deny": ["--deny", "1"],
            "--where": ["--where", "year>=1985"],
            "--set": ["--set", "als.reg=0.5"],
            "--groups": ["--groups", "age"],
            "--out": ["--out", "run"],
            "--processes": ["--processes", "2"],
            "--seed": ["--seed", "7"],
            "--attributes": ["--attributes"],
            "--users": ["--users", "users.csv"],
            "--read": ["--read", "rating_range=0:6"],
        },
    ),
    "tune": (
        ("log.csv", "--items", "items.csv", "--model", "als", "--metric", "ndcg@3"),
        {
            "--trials": ["--trials", "3"],
            "--time": ["--time", "90s"],
            "--seconds": ["--seconds", "80"],
            "--split": ["--split", "time:0.2"],
            "--train": ["--train", "a.csv"],
            "--test": ["--test", "b.csv"],
            "--on-overlap": ["--on-overlap", "drop"],
            "--validation": ["--validation", "random:0.3:1"],
            "--set": ["--set", "reg=0.5"],
            "--preset": ["--preset", "original"],
            "--positive": ["--positive", "4"],
            "--out": ["--out", "found"],
            "--workers": ["--workers", "2"],
            "--patience": ["--patience", "3"],
            "--seed": ["--seed", "7"],
            "--attributes": ["--attributes"],
            "--users": ["--users", "users.csv"],
            "--read": ["--read", "rating_range=0:6"],
        },
    ),
    "data show": (
        ("log.csv",),
        {
            "--plots": ["--plots", "figures"],
            "--items": ["--items", "items.csv"],
            "--users": ["--users", "users.csv"],
            "--read": ["--read", "time=none"],
        },
    ),
    "data split": (
        ("log.csv", "--out", "split.parquet"),
        {
            "--split": ["--split", "random:0.3:1"],
            "--train": ["--train", "a.csv"],
            "--test": ["--test", "b.csv"],
            "--on-overlap": ["--on-overlap", "drop"],
            "--joined": ["--joined", "joined.parquet"],
            "--parts": ["--parts", "parts"],
            "--read": ["--read", "rating_range=0:6"],
        },
    ),
    "recommend": (("m.safetensors", "-n", "14", "--user", "1"), RECOMMEND),
    "serve": (("m.safetensors", "--store", "sqlite:///shop.db"), SERVE),
}
SINGLES = {  # other words of a run, beside each of which an option acts or is refused
    "evaluate parts": (
        ("evaluate", *OF_EVALUATE, *MODEL, "--train", "a.csv", "--test", "b.csv"),
        {**{k: v for k, v in EVALUATE.items() if k not in ("--train", "--test")}, "--split": ["--split", "time:0.2"]},
    ),
    "evaluate file": (
        ("evaluate", *OF_EVALUATE, "--model-file", "m.safetensors", "--test", "log.csv", "--on-overlap", "drop"),
        {k: v for k, v in EVALUATE.items() if k not in ("--test", "--on-overlap", "--model-file")},
    ),
    **{
        f"recommend {asked[0]}": (
            ("recommend", "m.safetensors", "-n", "14", *asked),
            {name: words for name, words in RECOMMEND.items() if name not in asked},
        )
        for asked in (
            ("--all",),
            ("--had", "3=5", "--had", "4=1"),
            ("--rows", "had.csv"),
            ("--users", "new.csv"),
            ("--item", "3"),
        )
    },
}
SINGLES["serve page"] = (("serve", "m.safetensors"), SERVE)
UNSEEN = {  # option: why an answer need not show it
    "--on-unknown": "says what is done with people who are not known; those asked for here are",
    "--on-overlap": "leaves out rows of both parts; these share none",
    "--processes": "changes speed, never the answer",
    "--workers": "changes speed, never what is asked",
    "--wait": "waits for the files of models; these are there",
    "--read": "says how values are read and checked; these are well",
    "--safe-csv": "no text here begins like a formula",
    "--clip": "clips predictions beyond the range; not all answers have one",
}


def run_of(words, answer, recorded):
    """Return what a command answers, or asks of a search or comparison, and what it wrote; None where refused."""
    recorded.clear()
    try:
        return answer(*words)
    except json.JSONDecodeError:
        return recorded["text"], {}


@pytest.fixture(scope="module")
def alone():
    """What each option gave by itself, run once: {(case, option): answer}."""
    return {}


@pytest.mark.parametrize(("case", "one"), [(case, one) for case, (_, options) in CASES.items() for one in options])
def test_each_pair_of_options_acts_or_is_refused(case, one, answer, recorded, alone):
    base, options = CASES[case]
    command = [*case.split(), *base]
    for name in options:
        if (case, name) not in alone:
            alone[case, name] = run_of([*command, *options[name]], answer, recorded)
    got = {name: alone[case, name] for name in options}
    if got[one][0] is None:
        return  # refused as it is
    for other in list(options)[list(options).index(one) + 1 :]:
        both = run_of([*command, *options[one], *options[other]], answer, recorded)
        if both[0] is None or got[other][0] is None:
            continue  # refused, or never of use without a third
        assert other in UNSEEN or both != got[one], f"{other} does nothing beside {one}"
        assert one in UNSEEN or both != got[other], f"{one} does nothing beside {other}"


@pytest.mark.parametrize("case", SINGLES)
def test_each_option_acts_or_is_refused(case, answer, recorded):
    command, options = SINGLES[case]
    bare = run_of(command, answer, recorded)
    assert bare[0] is not None
    for name, words in options.items():
        got = run_of([*command, *words], answer, recorded)
        assert got[0] is None or name in UNSEEN or got != bare, f"{name} does nothing"
