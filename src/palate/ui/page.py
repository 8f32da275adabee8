"""`build_ui`: the page as Gradio Blocks; `cards` and `report` build what it shows, here is what reacts to what."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from palate.errors import missing_extra
from palate.models.base import Recommender
from palate.ui import cards
from palate.ui.report import report
from palate.ui.source import Source
from palate.ui.users import Example, Found, example_users, find_user

if TYPE_CHECKING:
    from gradio import Blocks

HOW_MANY = (5, 10, 20, 50)
ANY_GENRE = "Any genre"
LONGEST_ID = 200  # characters that the field takes

T = TypeVar("T")
Update = tuple[str, str, Any]


def import_gradio() -> Any:
    """Return Gradio, with its telemetry off.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read at import, and by Gradio's own commands
    try:
        import gradio
    except ImportError:
        raise missing_extra("ui", "the web page") from None
    return gradio


def inside_loop(build: Callable[[], T]) -> T:
    """Return what ``build`` returns, run in an event loop: where none runs, Gradio would open one and leave it open."""

    async def inside() -> T:
        return build()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(inside())
    return build()


def build_ui(model: Recommender, *, name: str | None = None, data_card: Mapping[str, object] | None = None) -> Blocks:
    """Return the page for a fitted model.

    It keeps no state on the server: every answer follows from what the session's own fields hold. Shown best by
    `launch`, which adds theme and style (in Gradio these belong to the launch).

    Args:
        model: a fitted model; it may lack titles, genres and training rows.
        name: what the page calls it; its class in plain words where not given.
        data_card: further facts about the data, name and value, for the second tab.

    Raises:
        MissingExtraError: Gradio is not installed.
        NotFittedError: the model was not fitted.
    """
    gr = import_gradio()
    model._check_fitted()
    source = Source(model)
    examples = example_users(source)
    title = f"{name or cards.model_words(source)} · Palate"

    def build() -> Blocks:
        with gr.Blocks(analytics_enabled=False, title=title) as page:
            gr.HTML(cards.header(source, name), apply_default_css=False)
            with gr.Tabs(elem_id="tabs"):
                with gr.Tab("Recommendations", id="lists"):
                    _lists_tab(gr, source, examples)
                with gr.Tab("Data and training", id="report"):
                    gr.HTML(report(source, data_card), apply_default_css=False)
            page.load(None, js="() => window.palateReady?.()")
        return cast("Blocks", page)

    return inside_loop(build)


def _lists_tab(gr: Any, source: Source, examples: list[Example]) -> None:
    chosen = str(examples[0].user_id) if examples else ""
    words, lists, _ = respond(source, examples, chosen, HOW_MANY[1], ANY_GENRE)
    with gr.Row(elem_id="controls"):
        with gr.Row(elem_id="ask"):
            user = gr.Textbox(
                chosen, label="User id", lines=1, max_lines=1, max_length=LONGEST_ID, elem_id="user-id", min_width=0,
                html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False, enterkeyhint="go"),
            )  # fmt: skip
            show = gr.Button("Show", variant="primary", elem_id="show", min_width=0)
        how_many = gr.Radio(
            list(HOW_MANY), value=HOW_MANY[1], label="How many to show", elem_id="how-many", min_width=0
        )
        genre = gr.Dropdown(
            [ANY_GENRE, *source.genres], value=ANY_GENRE, label="Recommend only", elem_id="genre", min_width=0,
            visible=bool(source.genres),
        )  # fmt: skip
        told = gr.HTML(words, elem_id="told", apply_default_css=False)
    example = gr.Radio(
        [(f"{one.user_id} · {one.why}", str(one.user_id)) for one in examples],
        value=chosen or None, label="Or look at one of these people", elem_id="examples",
    )  # fmt: skip
    answer = gr.HTML(lists, elem_id="answer", apply_default_css=False)

    def on_change(typed: str, n: int, only: str) -> Update:
        return respond(source, examples, typed, n, only)

    def on_example(picked: str, n: int, only: str) -> tuple[str, str, str]:
        words, lists, _ = respond(source, examples, picked, n, only)
        return picked, words, lists

    # An answer takes milliseconds, so it skips Gradio's queue, which runs one at a time per event and polls: it is
    # computed at once, on one of the server's 40 threads. While one is under way, only the last change waits.
    settings: dict[str, Any] = {
        "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private", "queue": False,
    }  # fmt: skip
    gr.on(
        [user.submit, show.click, how_many.input, genre.input],
        on_change, [user, how_many, genre], [told, answer, example], **settings,
    )  # fmt: skip
    example.input(on_example, [example, how_many, genre], [user, told, answer], **settings)


def respond(source: Source, examples: list[Example], typed: str | None, n: int, genre: str) -> Update:
    """Return the line next to the field, the lists, and which example is marked.

    Args:
        source: the model.
        examples: the people to choose from.
        typed: what stands in the field; anything at all.
        n: how many rows a list has.
        genre: the genre to recommend, or ``ANY_GENRE``.
    """
    found = find_user(typed, source.users)
    if not isinstance(found, Found):
        return cards.message(found.sentence, is_error=True), cards.nobody(n), None
    only = None if genre == ANY_GENRE else genre
    lists = cards.answer(source, found.user_id, found.user_index, n, only)
    mark = str(found.user_id) if any(one.user_id == found.user_id for one in examples) else None
    return cards.message("", is_error=False), lists, mark
