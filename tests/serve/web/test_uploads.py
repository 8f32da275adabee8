"""A file of one's own ratings: shown, taken once, taken back; and every refusal."""

from __future__ import annotations

import gzip

import pytest
from films import films

from palate.serve.web import uploads
from palate.store.configuring import set_kinds
from palate.store.kinds import Kinds

BINARY = {"content-type": "application/octet-stream"}
ONCE = "0123456789abcdef"
FILMS = films()
LETTERBOXD = (
    "Date,Name,Year,Letterboxd URI,Rating\n"
    f"2020-01-02,{FILMS['title'][3].rsplit(' (', 1)[0]},{FILMS['year'][3]},https://boxd.it/1,4.5\n"
    f"2020-01-03,{FILMS['title'][4].rsplit(' (', 1)[0].upper()},{FILMS['year'][4] + 1},https://boxd.it/2,0.5\n"
    f"2020-01-04,{FILMS['title'][5].rsplit(' (', 1)[0]},{FILMS['year'][5]},https://boxd.it/3,\n"
    "2020-01-05,Nobody Knows It,1999,https://boxd.it/4,3\n"
    "2020-01-06,Silent Harbor,1960,https://boxd.it/5,11\n"
)


@pytest.fixture
def visitor(films_service):
    return films_service()()


def post(visitor, data=LETTERBOXD, path="/web/uploads", **query):
    data = data if isinstance(data, bytes) else data.encode()
    return visitor.post(path, content=data, params={"name": "ratings.csv", **query}, headers=BINARY)


def take(visitor, data=LETTERBOXD, once=ONCE, **query):
    return post(visitor, data, "/web/uploads/commit", once=once, **query)


def kinds_and_values(visitor):
    data = visitor.get("/web/downloads/mine", params={"format": "json"}).json()
    return {row["item_id"]: (row["kind"], row["rating"], row["date"]) for row in data["said"]}


def test_a_file_is_shown_before_it_is_taken(visitor):
    shown = post(visitor).json()
    assert shown["source"] == "Letterboxd"
    assert [column["role"] for column in shown["columns"]] == ["date", "title", "year", None, "rating"]
    assert (shown["scale"], shown["to_scale"]) == ([0.5, 5], [1, 5])
    assert [(row["item"], row["rating"], row["value"]) for row in shown["matched"]] == [
        ("f3", 4.5, 4.5),
        ("f4", 0.5, 1),
        ("f5", None, None),
    ]
    assert (shown["n_rated"], shown["n_seen"], shown["n_had"], shown["n_rows"]) == (2, 1, 0, 5)
    assert [(row["line"], row["title"]) for row in shown["unknown"]] == [(5, "Nobody Knows It")]
    assert shown["errors"] == [{"line": 6, "what": "the rating '11' is no number from 0.5 to 5"}]
    assert kinds_and_values(visitor) == {}


def test_what_is_taken_counts_once_and_moves_the_list(visitor):
    before = [card["item"] for card in visitor.get("/web/list").json()["items"]]
    taken = take(visitor).json()
    assert taken == {
        "once": ONCE,
        "new": 3,
        "known": 0,
        "refused": 0,
        "n_had": 0,
        "n_unknown": 1,
        "n_errors": 1,
    }
    assert kinds_and_values(visitor) == {
        "f3": ("rating", 4.5, "2020-01-02 00:00:00"),
        "f4": ("rating", 1.0, "2020-01-03 00:00:00"),
        "f5": ("seen", None, "2020-01-04 00:00:00"),
    }
    after = [card["item"] for card in visitor.get("/web/list").json()["items"]]
    assert after != before
    assert not {"f3", "f4", "f5"} & set(after)


def test_a_retry_and_the_same_file_again_bring_nothing_new(visitor):
    take(visitor)
    again = take(visitor, once="another-word-0000").json()
    assert (again["new"], again["n_had"]) == (0, 3)
    assert post(visitor).json()["n_had"] == 3


def test_a_retry_of_a_file_that_was_taken_while_the_answer_got_lost_counts_once(visitor, monkeypatch):
    monkeypatch.setattr(uploads, "_mine", lambda call: {})  # as the two ran side by side
    assert take(visitor).json()["new"] == 3
    retried = take(visitor).json()
    assert (retried["new"], retried["known"]) == (0, 3)


def test_an_upload_is_taken_back_and_can_come_again(visitor):
    take(visitor)
    assert visitor.post("/web/uploads/undo", json={"once": ONCE}).json() == {"undone": 3}
    assert kinds_and_values(visitor) == {}
    gone = visitor.post("/web/uploads/undo", json={"once": ONCE})
    assert (gone.status_code, gone.json()["detail"]) == (404, "there is nothing of this upload")
    assert take(visitor, once="another-word-0000").json()["new"] == 3


def test_nobody_takes_back_what_somebody_else_brought(films_service):
    service = films_service()
    ann, bob = service(), service()
    take(ann)
    assert bob.post("/web/uploads/undo", json={"once": ONCE}).status_code == 404
    assert take(bob).json()["new"] == 3  # the same word, and no conflict
    assert len(kinds_and_values(ann)) == 3


def test_the_reader_says_what_columns_hold(visitor):
    data = "a,b\nSilent Harbor,8\nGolden Harbor,4\n"
    shown = post(visitor, data, role=["title", "rating"], top=10).json()
    assert [row["value"] for row in shown["matched"]] == [4.0, 2.0]
    assert [column["why"] for column in shown["columns"]] == ["by its values", "by its values"]
    other = post(visitor, data, role=["none", "item"]).json()
    assert [(column["role"], column["why"]) for column in other["columns"]] == [
        (None, "as you say"),
        ("item", "as you say"),
    ]
    assert (other["n_rated"], other["n_unknown"]) == (0, 2)


def test_a_file_without_films_is_shown_and_not_taken(visitor):
    data = "when,stars\n2020-01-02,4\n"
    shown = post(visitor, data).json()
    assert shown["lacks_films"]
    refused = take(visitor, data)
    assert (refused.status_code, refused.json()["code"]) == (422, "upload")
    assert "title, item or imdb" in refused.json()["detail"]


def test_files_of_windows_and_packed_ones_are_read(visitor):
    film = FILMS["title"][7].rsplit(" (", 1)[0]
    text = f"Title;Rating;Note\n{film};5;très bien\n"
    shown = post(visitor, text.encode("cp1252")).json()
    assert (shown["letters"], shown["n_rated"]) == ("cp1252", 1)
    assert shown["rows"] == [[film, "5", "très bien"]]
    packed = visitor.post(
        "/web/uploads", content=gzip.compress(text.encode()), params={"name": "r.csv.gz"}, headers=BINARY
    )
    assert packed.json()["n_rated"] == 1


@pytest.mark.parametrize(
    ("data", "query", "status", "words"),
    [
        (b"", {}, 422, "ratings.csv is empty: there is no rating in it"),
        (b"  \n\n", {}, 422, "ratings.csv is empty"),
        (b"Title\nHeat\nAlien\n", {}, 422, "has one column only: a line holds a film and a rating"),
        (b"PK\x03\x04....", {}, 422, "zip archive"),
        (b"<!DOCTYPE html><html>", {}, 422, "is a web page"),
        (b'Title,Rating\n"Heat,4\n', {}, 422, "a quote opened in line 2 is never closed"),
        (LETTERBOXD, {"role": ["title"]}, 422, "role are 1, and the file has 5 columns"),
        (LETTERBOXD, {"role": ["title", "stars", "none", "none", "none"]}, 422, "'stars' is none that a column has"),
        (LETTERBOXD, {"role": ["title", "title", "none", "none", "none"]}, 422, "'title' stands twice"),
        (LETTERBOXD, {"top": 0}, 422, "top"),
        (LETTERBOXD, {"surprise": 1}, 422, "surprise"),
        (LETTERBOXD, {"user": "p1"}, 403, "their own lists alone"),
    ],
)
def test_what_is_refused_says_why(visitor, data, query, status, words):
    refused = post(visitor, data, **query)
    assert refused.status_code == status
    assert words in refused.json()["detail"]
    assert take(visitor, data, **query).status_code == status


def test_a_file_of_too_many_rows_or_bytes_is_refused(visitor, monkeypatch):
    monkeypatch.setattr("palate.serve.web.uploading.MOST", 3)
    refused = post(visitor)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert "ratings.csv has 5 rows; at most 3 are taken at once" in refused.json()["detail"]


def test_the_largest_file_is_a_setting_that_the_page_knows(films_service):
    visitor = films_service("demo", upload_bytes=1024)()
    assert visitor.get("/web/me").json()["upload_bytes"] == 1024
    assert post(visitor, b"title,rating\n" + b"#" * 1011).status_code != 413
    refused = post(visitor, b"title,rating\n" + b"#" * 1012)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert "larger than 1,024 bytes" in refused.json()["detail"]


def test_a_file_is_sent_as_it_is(visitor):
    refused = visitor.post("/web/uploads", json={}, params={"name": "x.csv"})
    assert (refused.status_code, refused.json()["code"]) == (415, "media_type")
    assert "application/octet-stream" in refused.json()["detail"]


def test_a_service_that_takes_no_ratings_says_so(visitor):
    store = visitor.app.service.store
    set_kinds(store, store.namespace(), Kinds())
    refused = post(visitor)
    assert (refused.status_code, refused.json()["code"]) == (422, "upload")
    assert "none called seen" in refused.json()["detail"]


def test_an_error_shows_a_hostile_name_as_text(visitor):
    refused = visitor.post(
        "/web/uploads", content=b"x", params={"name": "../<img src=x onerror=alert(1)>.csv"}, headers=BINARY
    )
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
