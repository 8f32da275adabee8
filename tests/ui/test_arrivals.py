"""Models that join the page while it is open."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from attacker import Served, served
from ui_models import small_model

from palate import files
from palate.errors import ParameterError
from palate.ui.shelf import Arrivals, Shelf

PEOPLE, THINGS = list(range(1, 8)), list(range(10, 130, 10))


@pytest.fixture
def other() -> Any:
    return small_model(PEOPLE, THINGS, n_factors=3)


def arrivals(shelf: Shelf, folder: Path, *names: str) -> Arrivals:
    paths = {name: folder / f"{name}.safetensors" for name in names}
    return Arrivals(shelf, paths, lambda models: None, threading.Event())


def test_a_model_joins_when_its_file_is_there(bare: Any, other: Any, tmp_path: Path) -> None:
    shelf = Shelf({"first": bare}, ["second", "third"])
    waiting = arrivals(shelf, tmp_path, "second", "third")
    waiting.look()
    assert list(shelf.sources) == ["first"]
    files.save(other, tmp_path / "third.safetensors")
    waiting.look()
    assert list(shelf.sources) == list(shelf.heads) == list(shelf.reports) == ["first", "third"]
    assert shelf.coming == ["second"]


def test_one_that_cannot_be_read_is_told_once_and_tried_when_it_changes(
    bare: Any, other: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf({"first": bare}, ["second"])
    waiting = arrivals(shelf, tmp_path, "second")
    path = tmp_path / "second.safetensors"
    path.write_bytes(b"half")
    waiting.look()
    waiting.look()
    assert len(caplog.messages) == 1
    assert "second.safetensors is not shown: " in caplog.text
    files.save(small_model(PEOPLE, THINGS[:-1]), path)
    waiting.look()
    assert "the models of one page must know the same users and items, and 'second' knows others" in caplog.text
    files.save(other, path)
    os.utime(path, (1, 1))
    waiting.look()
    assert list(shelf.sources) == ["first", "second"]


def test_the_looking_ends_with_the_page_or_when_all_are_there(bare: Any, other: Any, tmp_path: Path) -> None:
    closing = threading.Event()
    closing.set()
    Arrivals(Shelf({"first": bare}), {"second": tmp_path / "x"}, lambda models: None, closing).run()
    Arrivals(Shelf({"first": bare}), {}, lambda models: None, threading.Event()).run()
    with pytest.raises(ParameterError, match="the page needs a model"):
        Shelf({}, ["second"])


def tick(page: Served, session: str, known: str) -> list[Any]:
    """Return what a page's timer is answered."""
    events = page.config["dependencies"]
    number = next(one["id"] for one in events if (len(one["inputs"]), len(one["outputs"])) == (1, 3))
    told = page.event({"data": [known], "fn_index": number, "session_hash": session})[1]
    return list(json.loads(told)["data"])


@pytest.mark.long
def test_a_running_page_takes_a_model_in(bare: Any, other: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    files.save(bare, first)
    with served(tmp_path, "--wait", str(second), str(first)) as page:
        parts = {one["props"].get("elem_id"): one["props"] for one in page.config["components"]}
        news = parts["news"]["value"]
        assert "One more model is being trained and will join the choice above: second." in news
        asked = page.honest(data=["1", 10, "Any genre", "second"])
        assert page.event(asked)[0] == 500  # not yet
        nothing, same, _ = tick(page, "abc123", news)
        assert same == news
        assert nothing == {"__type__": "update"}
        files.save(other, second)
        while (chooser := tick(page, "abc123", news)[0]) == {"__type__": "update"}:
            pass
        assert [name for _, name in chooser["choices"]] == ["first", "second"]
        assert "All models are here." in tick(page, "another", news)[1]
        assert page.event(asked)[0] == 200
        assert "Traceback" not in page.log


def test_without_wait_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    from palate.cli import main

    with pytest.raises(SystemExit, match="1"):
        main(["serve", str(tmp_path / "none.safetensors")])
