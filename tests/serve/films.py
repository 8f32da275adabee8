"""A store of films with three real models, small and made once: what the page is tried on.

150 people rated 120 invented films by their taste in genres. Versions 1 to 3 are EASE, ItemKNN and BayesianMF; the
last one answers, with stars and intervals. Some titles are hostile: whoever puts them into markup is found out.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

import palate
from palate.models import MODELS
from palate.serve.engine.purposes import make_purposes
from palate.serve.web.kinds import add_kinds
from palate.store import items, open_store, versions
from palate.store.records import Thing

N_PEOPLE, N_FILMS = 150, 120
GENRES = ("Comedy", "Drama", "Horror", "Science Fiction", "Romance", "Documentary")
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    '" onmouseover="alert(3)" x="',
    "${alert(4)} {{alert(5)}}",
    "\u202eEvil\u202c and W" + "i" * 90 + "de",
)
FIRST = ("Silent", "Golden", "Hidden", "Broken", "Distant", "Midnight", "Paper", "Winter", "Electric", "Second")
SECOND = ("Harbor", "Garden", "Signal", "Letters", "Mountain", "Orchestra", "Machine", "River", "Witness", "Empire")
MODEL_KEYS = ("ease", "knn", "bayes")
MEASURED = {
    "ease": {
        "of": "films, random:0.2:42",
        "metrics": {"ndcg@10": {"value": 0.4, "low": 0.3, "high": 0.5, "popular": 0.2}},
    },
    "bayes": {"of": "films", "metrics": {"rmse": {"value": 0.9}, "coverage_80": {"value": 0.79}}},
}
TINY = {"n_factors": 4, "n_sweeps": 10, "n_burn_in": 4, "random_state": 0, "positive": 4.0}


def films():
    """Return the table of films: ids of text, title with year, year, genres."""
    named = [f"{FIRST[k % 10]} {SECOND[(k // 10 + k) % 10]}{' II' if k >= 100 else ''}" for k in range(N_FILMS)]
    named[-len(HOSTILE) :] = HOSTILE
    years = [1960 + (7 * k) % 60 for k in range(N_FILMS)]
    return {
        "item_id": [f"f{k}" for k in range(N_FILMS)],
        "title": [f"{name} ({year})" for name, year in zip(named, years, strict=True)],
        "year": years,
        "genres": [[GENRES[k % 6], *([GENRES[(k // 6) % 6]] if k % 3 == 0 else [])] for k in range(N_FILMS)],
    }


def film_data():
    """Return the ratings of people who like some genres, 1 to 5, and the table of films."""
    rng, table = np.random.default_rng(11), films()
    has = np.array([[genre in of for genre in GENRES] for of in table["genres"]], float)
    taste, quality = rng.normal(0, 1.0, (N_PEOPLE, len(GENRES))), rng.normal(0, 0.5, N_FILMS)
    meant = 3.4 + quality + (taste @ has.T) / has.sum(1)
    ratings = np.clip(np.rint(meant + rng.normal(0, 0.5, meant.shape)), 1, 5)
    known = rng.random(meant.shape) < np.clip(0.3 + 0.25 * quality, 0.05, 0.9)
    people, films_known = np.nonzero(known)
    log = palate.Interactions.from_table(
        {
            "user": [f"p{u}" for u in people],
            "item": [f"f{i}" for i in films_known],
            "rating": ratings[known].astype(float),
        }
    )
    return palate.Dataset.from_tables(log, items=table)


def film_store(folder: Path) -> Path:
    """Make the store in a folder, and return the path of its file."""
    data, path = film_data(), folder / "films.db"
    table = films()
    with open_store(f"sqlite:///{path}") as store:
        ns = store.namespace()
        for key in MODEL_KEYS:
            given = {name: value for name, value in TINY.items() if name in MODELS[key].parameter_names()}
            palate.save(MODELS[key](**given).fit(data), folder / f"{key}.safetensors")
            number = versions.add(store, ns, folder / f"{key}.safetensors")
        versions.activate(store, ns, number)
        things = [
            Thing(id_, {name: table[name][k] for name in ("title", "year", "genres")})
            for k, id_ in enumerate(table["item_id"])
        ]
        items.upsert(store, ns, things)
        add_kinds(store, ns, (1.0, 5.0))
        versions.keep_figures(store, ns, MEASURED)
        make_purposes(store, ns)
    return path


def copied(path: Path, folder: Path) -> Path:
    """Return the path of a copy of a store's file, with its folder, in another folder."""
    shutil.copy(path, folder / path.name)
    shutil.copytree(f"{path}.files", folder / f"{path.name}.files")
    return folder / path.name
