import datetime

import polars as pl
import pytest

from palate import load_movielens
from palate.data.reading.formats import GENRES_100K, recognised
from palate.errors import DataError

MOVIES_DAT = [(1, "Toy Story (1995)", "Animation|Children's|Comedy"), (39, "Café: Misère, La (1967)", "Drama")]


@pytest.fixture
def folder(tmp_path):
    """Write a folder of small files."""

    def make(name, files, encoding="utf-8"):
        (tmp_path / name).mkdir()
        for file, lines in files.items():
            (tmp_path / name / file).write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
        return tmp_path / name

    return make


@pytest.fixture
def ml_1m(folder):
    files = {
        "ratings.dat": ["1::39::5::978300760", "1::1::3::978302109", "2::1::4::978301968"],
        "movies.dat": ["::".join(map(str, row)) for row in MOVIES_DAT],
        "users.dat": ["1::F::1::10::48067", "2::M::56::16::02138-1234"],
    }
    return folder("ml-1m", files, "latin-1")


@pytest.fixture
def ml_10m(folder):
    files = {
        "ratings.dat": ["1::39::0.5::978300760", "2::1::4.5::978301968"],
        "movies.dat": ["::".join(map(str, row)) for row in MOVIES_DAT] + ["5::Untagged (1999)::(no genres listed)"],
        "tags.dat": ["1::39::slow::978300760"],
    }
    return folder("ml-10m", files)


def csv_files(links=True):
    files = {
        "ratings.csv": ["userId,movieId,rating,timestamp", "1,39,0.5,978300760", "2,1,4.5,978301968"],
        "movies.csv": [
            "movieId,title,genres",
            "1,Toy Story (1995),Adventure|Comedy",
            '39,"Misérables, Les (1995)",(no genres listed)',
            '40,"He said ""no""",Drama',
        ],
    }
    return {**files, "links.csv": ["movieId,imdbId,tmdbId", "1,0114709,862", "40,12345678,"]} if links else files


def test_1m(ml_1m):
    data = load_movielens(folder=ml_1m)
    assert data.name == "ml-1m"
    assert data.interactions.to_table().rows() == [(1, 39, 5, 978300760), (1, 1, 3, 978302109), (2, 1, 4, 978301968)]
    assert data.interactions.rating_range == (1, 5)
    assert data.items.rows() == [
        (1, "Toy Story (1995)", 1995, None, ["Animation", "Children's", "Comedy"], None),
        (39, "Café: Misère, La (1967)", 1967, None, ["Drama"], None),
    ]
    assert data.users.rows() == [
        (1, "under 18", "F", "K-12 student", "48067"),
        (2, "56+", "M", "self-employed", "02138-1234"),
    ]
    assert data.users.columns == ["user_id", "age_group", "gender", "occupation", "zip_code"]
    assert data.notes == (f"read from {ml_1m}",)


def test_10m(ml_10m):
    data = load_movielens("10m", ml_10m)
    assert data.interactions.to_table().rows() == [(1, 39, 0.5, 978300760), (2, 1, 4.5, 978301968)]
    assert data.interactions.rating_range == (0.5, 5)
    assert data.items["title"].to_list()[1] == "Café: Misère, La (1967)"
    assert data.items["genres"].to_list() == [["Animation", "Children's", "Comedy"], ["Drama"], []]
    assert data.users.rows() == [(1,), (2,)]


@pytest.mark.parametrize("name", ["20m", "25m", "32m", "latest-small"])
def test_csv_sizes(folder, name, monkeypatch):
    data = load_movielens(name, folder(f"ml-{name}", csv_files()))
    assert data.name == f"ml-{name}"
    assert data.interactions.to_table().rows() == [(1, 39, 0.5, 978300760), (2, 1, 4.5, 978301968)]
    assert data.interactions.rating_range == (0.5, 5)
    assert data.items.rows() == [
        (1, "Toy Story (1995)", 1995, None, ["Adventure", "Comedy"], "https://www.imdb.com/title/tt0114709/"),
        (39, "Misérables, Les (1995)", 1995, None, [], None),
        (40, 'He said "no"', None, None, ["Drama"], "https://www.imdb.com/title/tt12345678/"),
    ]
    assert dict(data.items.schema)["genres"] == pl.List(pl.String)


def test_csv_without_links(folder):
    data = load_movielens(folder=folder("small", csv_files(links=False)))
    assert data.name == "ml-small"
    assert data.items["imdb_url"].null_count() == 3


def test_size_is_found_inside_palate_data(ml_1m, monkeypatch):
    for place in (ml_1m, ml_1m.parent):
        monkeypatch.setenv("PALATE_DATA", str(place))
        assert load_movielens("1m").name == "ml-1m"


def test_movies_without_title_are_incomplete_and_so_are_unlisted_ones(folder):
    files = csv_files(links=False)
    files["movies.csv"][1] = "1,,Comedy"
    files["ratings.csv"] += ["3,99,2,978300760", "3,40,2,978300761"]
    place = folder("ml-25m", files)
    data = load_movielens(folder=place)
    assert data.interactions.to_table().rows() == [(1, 39, 0.5, 978300760), (3, 40, 2, 978300761)]
    assert data.items["item_id"].to_list() == [39, 40]
    assert data.interactions.dropped == {"movie without title or release date": 2}
    assert data.notes[1] == "dropped 2 ratings of 2 movies without title or release date: items 1, 99"
    assert len(load_movielens(folder=place, on_missing="keep").interactions) == 4


def test_ratings_out_of_the_official_range_are_refused(folder):
    files = csv_files()
    files["ratings.csv"].append("3,1,6,978300760")
    with pytest.raises(DataError, match=r"ratings\.csv has faults:\n  value is outside 0\.5 to 5, such as 6.*line 4"):
        load_movielens(folder=folder("ml-25m", files))


def test_unknown_codes_and_broken_fields_are_refused(folder, ml_1m):
    (ml_1m / "users.dat").write_text("1::F::17::10::48067\n")
    with pytest.raises(DataError, match=r"users\.dat does not have the official form: incomplete mapping"):
        load_movielens(folder=ml_1m)
    (ml_1m / "users.dat").write_text("1::F::18::10::48067::more\n")
    with pytest.raises(DataError, match=r"users\.dat: line 1 has 6 fields"):
        load_movielens(folder=ml_1m)
    (ml_1m / "users.dat").write_text("one::F::18::10::48067\n")
    with pytest.raises(DataError, match=r"users\.dat does not have the official form"):
        load_movielens(folder=ml_1m)
    (ml_1m / "ratings.dat").write_text("1::x::5::1\n")
    (ml_1m / "users.dat").write_text("1::F::18::10::48067\n")
    with pytest.raises(DataError, match=r"the ids of MovieLens are integers, here some are not"):
        load_movielens(folder=ml_1m)
    files = csv_files()
    files["movies.csv"][0] = "id,title,genres"
    with pytest.raises(DataError, match=r"movies\.csv does not have the official form: .*movieId"):
        load_movielens(folder=folder("ml-25m", files))


def test_formats_are_told_by_their_files(ml_1m, ml_10m, tmp_path):
    assert recognised(ml_1m).name == "1m"
    assert recognised(ml_10m).name == "10m"
    with pytest.raises(DataError, match=r"1m: ratings\.dat, movies\.dat, users\.dat"):
        recognised(tmp_path)


def test_100k_reads_what_its_files_say(folder, monkeypatch):
    monkeypatch.setattr("palate.data.sources.fetching.FILES", {})  # these are not the pinned ones
    flags = ["0"] * len(GENRES_100K)
    flags[1] = flags[18] = "1"
    files = {
        "u.data": ["1\t2\t3\t881250949"],
        "u.item": ["|".join(["2", " Élan (1994) ", "08-Mar-1995", "", "http://x", *flags]), ""],
        "u.user": ["1|24|M|technician|02138"],
    }
    data = load_movielens(folder=folder("ml-100k", files, "latin-1"))
    released = datetime.date(1995, 3, 8)
    assert data.items.rows() == [(2, "Élan (1994)", 1994, released, ["Action", "Western"], "http://x")]
    assert data.users.rows() == [(1, 24, "M", "technician", "02138")]
