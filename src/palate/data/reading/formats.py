"""MovieLens folders in their official formats, recognised by the files in them.

100k                            u.data, u.item, u.user        tab and |, Latin-1
1m                              ratings.dat, movies.dat, users.dat    ::, Latin-1
10m                             ratings.dat, movies.dat               ::, UTF-8
20m, 25m, 32m, latest-small     ratings.csv, movies.csv, and links.csv where there is one
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from palate.data.dataset import Dataset
from palate.data.interactions import Interactions
from palate.data.reading.layout import Layout
from palate.data.reading.ratings import read_ratings, read_table
from palate.data.reading.raw import brief
from palate.data.reading.text import TableFile, as_text, opened
from palate.errors import DataError

GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
NO_GENRES = "(no genres listed)"
AGES_1M = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56+"}
OCCUPATIONS_1M = dict(
    enumerate(
        (
            *("other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service"),
            *("doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer"),
            *("programmer", "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer"),
            *("tradesman/craftsman", "unemployed", "writer"),
        )
    )
)
IN_ORDER = {"user": 0, "item": 1, "value": 2, "time": 3}
YEAR = r"\((\d{4})\)"


@dataclass(frozen=True)
class Format:
    """An official format: its name, the files that tell it, and what reads it."""

    name: str
    files: tuple[str, ...]
    read: Callable[[Path], Dataset]


def recognised(folder: Path) -> Format:
    """Return the format of a folder.

    Raises:
        DataError: there is no such folder, or it holds no known format.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", code="not_found", subject=folder)
    for form in FORMATS:
        if all((folder / name).is_file() for name in form.files):
            return form
    known = "; ".join(f"{f.name}: {', '.join(f.files)}" for f in FORMATS)
    raise DataError.of(folder, f"is no MovieLens folder; the files that are looked for are {known}", code="not_found")


def _read_100k(folder: Path) -> Dataset:
    ratings = read_ratings(folder / "u.data", rating_range=(1, 5), columns=IN_ORDER, header=False)
    return Dataset("ml-100k", ratings, _items_100k(folder / "u.item"), _users_100k(folder / "u.user"))


def _items_100k(path: Path) -> pl.DataFrame:
    genres = [pl.when(pl.col(str(5 + k)) == "1").then(pl.lit(name)) for k, name in enumerate(GENRES_100K)]
    items = _chosen(
        path,
        _fields(path, "|", 5 + len(GENRES_100K), "latin-1"),
        item_id=_integer("0"),
        title=pl.col("1"),
        release_date=pl.col("2").str.to_date("%d-%b-%Y"),
        genres=pl.concat_list(genres).list.drop_nulls(),
        imdb_url=pl.col("4"),
    )
    return _items(items)


def _users_100k(path: Path) -> pl.DataFrame:
    return _chosen(
        path,
        _fields(path, "|", 5, "latin-1"),
        user_id=_integer("0"),
        age=_integer("1").cast(pl.Int32),
        gender=pl.col("2"),
        occupation=pl.col("3"),
        zip_code=pl.col("4"),
    )


def _read_1m(folder: Path) -> Dataset:
    ratings = read_ratings(folder / "ratings.dat", rating_range=(1, 5), columns=IN_ORDER, header=False)
    users = _chosen(
        folder / "users.dat",
        _fields(folder / "users.dat", "::", 5, "latin-1"),
        user_id=_integer("0"),
        age_group=_integer("2").replace_strict(AGES_1M, return_dtype=pl.String),
        gender=pl.col("1"),
        occupation=_integer("3").replace_strict(OCCUPATIONS_1M, return_dtype=pl.String),
        zip_code=pl.col("4"),
    )
    return Dataset("ml-1m", ratings, _movies_dat(folder, "latin-1"), users)


def _read_10m(folder: Path) -> Dataset:
    ratings = read_ratings(folder / "ratings.dat", rating_range=(0.5, 5), columns=IN_ORDER, header=False)
    return Dataset("ml-10m", ratings, _movies_dat(folder, "utf-8"), _user_ids(ratings))


def _movies_dat(folder: Path, encoding: str) -> pl.DataFrame:
    path = folder / "movies.dat"
    fields = _fields(path, "::", 3, encoding)
    return _items(_chosen(path, fields, item_id=_integer("0"), title=pl.col("1"), genres=_genres("2")))


def _read_csv(folder: Path) -> Dataset:
    ratings = read_ratings(folder / "ratings.csv", rating_range=(0.5, 5))
    path, links = folder / "movies.csv", folder / "links.csv"
    items = _chosen(path, read_table(path), item_id=_integer("movieId"), title=_text("title"), genres=_genres("genres"))
    if links.is_file():
        url = pl.format("https://www.imdb.com/title/tt{}/", _text("imdbId").str.zfill(7))
        urls = _chosen(links, read_table(links), item_id=_integer("movieId"), imdb_url=url)
        items = items.join(urls, on="item_id", how="left", maintain_order="left")
    return Dataset(_csv_name(folder), ratings, _items(items), _user_ids(ratings))


def _csv_name(folder: Path) -> str:
    name = folder.resolve().name
    return name if name.startswith("ml-") else f"ml-{name}"


def _user_ids(ratings: Interactions) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ratings.users.values})


def _fields(path: Path, separator: str, width: int, encoding: str) -> pl.DataFrame:
    """Return the fields of a file without header as text, in columns "0", "1", …; blank lines left out."""
    layout = Layout("text", separator=separator, width=width, encoding=encoding)
    with opened(TableFile(str(path), path, layout)) as file:
        frame = as_text(file, dict.fromkeys(range(width), pl.String()))
    return frame.filter(pl.col("0").is_not_null())


def _chosen(path: Path, frame: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    try:
        return frame.select(**columns)
    except pl.exceptions.PolarsError as error:
        raise DataError.of(path, f"does not have the official form: {brief(error)}", code="format") from None


def _integer(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64)


def _text(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String)


def _genres(name: str) -> pl.Expr:
    named = _text(name).fill_null(NO_GENRES)
    return pl.when(named == NO_GENRES).then(pl.lit([], pl.List(pl.String))).otherwise(named.str.split("|"))


def _items(table: pl.DataFrame) -> pl.DataFrame:
    """Return an item table with all columns; the year is that of the title, else of the release."""
    for name, kind in (("release_date", pl.Date), ("imdb_url", pl.String)):
        if name not in table.columns:
            table = table.with_columns(pl.lit(None, kind).alias(name))
    table = table.with_columns(pl.col("title").str.strip_chars())
    in_title = pl.col("title").str.extract_all(YEAR).list.last().str.extract(YEAR).cast(pl.Int32)
    return table.select(
        "item_id",
        "title",
        pl.coalesce(in_title, pl.col("release_date").dt.year()).alias("year"),
        "release_date",
        "genres",
        "imdb_url",
    )


FORMATS = (
    Format("100k", ("u.data", "u.item", "u.user"), _read_100k),
    Format("1m", ("ratings.dat", "movies.dat", "users.dat"), _read_1m),
    Format("10m", ("ratings.dat", "movies.dat"), _read_10m),
    Format("20m, 25m, 32m or latest-small", ("ratings.csv", "movies.csv"), _read_csv),
)
TABLES = {"u.item": _items_100k, "u.user": _users_100k}  # of MovieLens 100K: no header, and Latin-1
