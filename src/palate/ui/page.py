"""`build_ui`: the page as Gradio Blocks; `cards` and `report` build what it shows, here is what reacts to what."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from palate.data.typed_ids import Found, find_user
from palate.errors import ParameterError, missing_extra
from palate.models.contract.base import Recommender
from palate.ui import cards, more
from palate.ui.door import is_plain
from palate.ui.incidents import Answering
from palate.ui.shelf import Shelf
from palate.ui.source import Source, printable
from palate.ui.users import Example, example_users

if TYPE_CHECKING:
    from gradio import Blocks

HOW_MANY = (5, 10, 20, 50)
ANY_GENRE = "Any genre"
LONGEST_ID = 200  # characters that the field takes
SECONDS_TO_NEWS = 3

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


def build_ui(
    model: Recommender | Mapping[str, Recommender],
    *,
    name: str | None = None,
    data_card: Mapping[str, object] | None = None,
) -> Blocks:
    """Return the page for a fitted model, or for several of the same users and items to choose from.

    It keeps no state on the server: every answer follows from what the session's own fields hold. Shown best by
    `launch`, which adds theme and style (in Gradio these belong to the launch).

    Args:
        model: a fitted model, or several by the names to show; they may lack titles, genres and training rows.
        name: what the page calls it; its class in plain words where not given.
        data_card: further facts about the data, name and value, for the second tab.

    Raises:
        MissingExtraError: Gradio is not installed.
        NotFittedError: the model was not fitted.
        ParameterError: there is no model, or two of them know other users or items.
    """
    import_gradio()
    return build_page(Shelf(model, name=name, data_card=data_card))


def build_page(shelf: Shelf) -> Blocks:
    """Return the page for the models on a shelf, and for those that are still to come."""
    gr = import_gradio()
    sources, source = shelf.sources, shelf.first
    shown_first = next(iter(sources))
    examples = example_users(source)
    several = len(sources) + len(shelf.coming) > 1
    title = f"{shelf.name} · Palate" if shelf.name else "Palate" if several else f"{cards.model_words(source)} · Palate"

    def build() -> Blocks:
        with gr.Blocks(analytics_enabled=False, title=title) as page:
            head = gr.HTML(shelf.heads[shown_first], apply_default_css=False)
            model = _chooser(gr, sources, visible=several)
            model.input(shelf.heads.__getitem__, model, head, **SWITCH)
            if shelf.coming:
                _news(gr, page, shelf, model)
            with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):  # all in sight on a phone
                with gr.Tab("For a user", id="lists"):
                    _lists_tab(gr, sources, model, examples)
                with gr.Tab("I am new", id="new"):
                    _new_tab(gr, sources, model)
                with gr.Tab("More like this", id="like"):
                    _like_tab(gr, sources, model)
                with gr.Tab("Data", id="report"):
                    shown = gr.HTML(shelf.reports[shown_first], apply_default_css=False)
                    model.input(shelf.reports.__getitem__, model, shown, **SWITCH)
            page.load(None, js="() => window.palateReady?.()")
        page.process_api = _guarded(page.process_api, gr.Error)
        return cast("Blocks", page)

    return inside_loop(build)


def _guarded(answer: Callable[..., Any], sorry: type[Exception]) -> Callable[..., Any]:
    """Return Gradio's way to an answer, for plain values alone and with `Answering` around it.

    Here every route of Gradio comes by, also where somebody mounts the page in a server of their own.
    """

    async def guarded(block_fn: Any, inputs: list[Any], *args: Any, **settings: Any) -> Any:
        with Answering(sorry):
            if not is_plain(inputs):
                raise ParameterError.of("an event of the page", "takes texts and numbers alone")
            return await answer(block_fn, inputs, *args, **settings)

    return guarded


def _chooser(gr: Any, sources: Mapping[str, Source], *, visible: bool) -> Any:
    """Return the field for the model, hidden where there is one; all tabs answer by what it holds."""
    return gr.Dropdown(
        _choices(sources), value=next(iter(sources)), label="Model", elem_id="model", min_width=0, filterable=False,
        visible=visible,
    )  # fmt: skip


def _choices(sources: Mapping[str, Source]) -> list[tuple[str, str]]:
    words = {name: cards.model_words(source) for name, source in sources.items()}
    return [(kind if name.casefold() == kind.casefold() else f"{kind} ({name})", name) for name, kind in words.items()]


def _news(gr: Any, page: Any, shelf: Shelf, model: Any) -> None:
    """Add a line on the models that are still to come; a page that is open asks for them until all are there."""
    news = gr.HTML(cards.news(shelf.coming), elem_id="news", apply_default_css=False)
    timer = gr.Timer(SECONDS_TO_NEWS)

    def on_tick(known: str) -> tuple[Any, ...]:
        now = cards.news(shelf.coming)
        if known == now:
            return gr.skip(), now, gr.skip()  # a choice that is open stays open
        return gr.update(choices=_choices(dict(shelf.sources))), now, gr.update(active=bool(shelf.coming))

    gr.on([timer.tick, page.load], on_tick, news, [model, news, timer], **SWITCH)


# An answer takes milliseconds, so it skips Gradio's queue, which runs one at a time per event and polls: it is
# computed at once, on one of the server's 40 threads. While one is under way, only the last change waits.
SETTINGS: dict[str, Any] = {
    "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private", "queue": False,
}  # fmt: skip


# For the model's field, which several answers follow: always_last would start them all again after each, without end.
SWITCH: dict[str, Any] = {**SETTINGS, "trigger_mode": "multiple"}


def _lists_tab(gr: Any, sources: Mapping[str, Source], model: Any, examples: list[Example]) -> None:
    source = next(iter(sources.values()))
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
        status = gr.HTML(words, elem_id="told", apply_default_css=False)
    example = gr.Radio(
        [(f"{printable(person.user_id)} · {person.why}", str(person.user_id)) for person in examples],
        value=chosen or None, label="Or look at one of these people", elem_id="examples",
    )  # fmt: skip
    answer = gr.HTML(lists, elem_id="answer", apply_default_css=False)
    titles = reasons_of(source, chosen, HOW_MANY[1], ANY_GENRE)
    asked = gr.Dropdown(titles, value=None, label="Why this? Choose one of the recommendations", elem_id="why")
    reason = gr.HTML("", elem_id="reason", apply_default_css=False)

    def on_change(typed: str, n: int, only: str, which: str) -> tuple[Any, ...]:
        titles = reasons_of(sources[which], typed, n, only)
        return *respond(sources[which], examples, typed, n, only), gr.update(choices=titles, value=None), ""

    def on_example(picked: str, n: int, only: str, which: str) -> tuple[Any, ...]:
        words, lists, _, titles, reason = on_change(picked, n, only, which)
        return picked, words, lists, titles, reason

    def on_why(typed: str, item: int | None, which: str) -> str:
        person = find_user(typed, sources[which].users)
        return more.why(sources[which], person.user_id if isinstance(person, Found) else None, item)

    fields, parts = [user, how_many, genre, model], [status, answer, example, asked, reason]
    gr.on([user.submit, show.click, how_many.input, genre.input], on_change, fields, parts, **SETTINGS)
    model.input(on_change, fields, parts, **SWITCH)
    example.input(on_example, [example, how_many, genre, model], [user, status, answer, asked, reason], **SETTINGS)
    asked.input(on_why, [user, asked, model], reason, **SETTINGS)


def reasons_of(source: Source, typed: str | None, n: int, genre: str) -> list[tuple[str, int]]:
    """Return the titles of the list of recommendations, with their positions: what "Why this?" can be asked of."""
    person = find_user(typed, source.users)
    if not isinstance(person, Found):
        return []
    entries = source.recommended(person.user_id, n, None if genre == ANY_GENRE else genre)
    return [(more.name(entry), int(source.items.index([entry.item_id])[0])) for entry in entries]


def _new_tab(gr: Any, sources: Mapping[str, Source], model: Any) -> None:
    source = next(iter(sources.values()))
    items, steps = more.to_rate(source), more.marks(source)
    with gr.Row(elem_id="newcomer"):
        with gr.Column(elem_id="rate", min_width=0):
            gr.HTML(cards.lead("What do you think of these?", more.NEWCOMER), apply_default_css=False)
            rates = [
                gr.Radio(
                    steps, value=more.NOT_SEEN, label=more.name(source.entry(at, 0.0)), elem_classes="pl-rate",
                    elem_id=f"rate-{place}", min_width=0,
                )
                for place, at in enumerate(items)
            ]  # fmt: skip
            loved = gr.Dropdown(
                more.offered(source), value=[], multiselect=True, label=f"Other {source.things} that you love",
                elem_id="loved",
            )  # fmt: skip
        with gr.Column(elem_id="for-newcomer", min_width=0):
            answer = gr.HTML(more.for_newcomer(source, [], [], HOW_MANY[1]), elem_id="for-you", apply_default_css=False)

    def on_rate(which: str, others: list[int], *given: str) -> str:
        return more.for_newcomer(sources[which], list(zip(items, given, strict=True)), others, HOW_MANY[1])

    fields = [model, loved, *rates]
    gr.on([loved.input, *(rate.input for rate in rates)], on_rate, fields, answer, **SETTINGS)
    model.input(on_rate, fields, answer, **SWITCH)


def _like_tab(gr: Any, sources: Mapping[str, Source], model: Any) -> None:
    source = next(iter(sources.values()))
    known = int(source.item_counts.argmax()) if len(source.items) else None
    item = gr.Dropdown(more.offered(source), value=known, label="More like which one?", elem_id="item")
    answer = gr.HTML(more.like(source, known, HOW_MANY[1]), elem_id="like-answer", apply_default_css=False)

    def on_item(chosen: int | None, which: str) -> str:
        return more.like(sources[which], chosen, HOW_MANY[1])

    item.input(on_item, [item, model], answer, **SETTINGS)
    model.input(on_item, [item, model], answer, **SWITCH)


def respond(source: Source, examples: list[Example], typed: str | None, n: int, genre: str) -> Update:
    """Return the line next to the field, the lists, and which example is marked.

    Args:
        source: the model.
        examples: the people to choose from.
        typed: what stands in the field; anything at all.
        n: how many rows a list has.
        genre: the genre to recommend, or ``ANY_GENRE``.
    """
    person = find_user(typed, source.users)
    if not isinstance(person, Found):
        return cards.message(person.sentence, is_error=True), cards.nobody(n), None
    only = None if genre == ANY_GENRE else genre
    lists = cards.answer(source, person.user_id, person.user_index, n, only)
    mark = str(person.user_id) if any(example.user_id == person.user_id for example in examples) else None
    return cards.message("", is_error=False), lists, mark
