"""The page's HTML, built from plain data. Everything that comes from data goes through `text`."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

from palate.data.ids import Id
from palate.errors import PalateError
from palate.ui.icons import MARK, MOON, SUN
from palate.ui.source import Entry, Source, printable

POPULAR = "The model has nothing to go by for this person: these are the most popular ones."
REFUSED: dict[str, str] = {  # what the page says where a model's own words are about parameters
    "no_history": "This model was saved without the ratings it learned from, so there is nothing to show here.",
}
SPREAD = "Two ratings in three lie within the ± of what is predicted."
# the page's components are JavaScript templates, so their signs are made harmless as well
TEMPLATE_SIGNS = str.maketrans({sign: f"&#{ord(sign)};" for sign in "{}$`\\"})


def text(value: object) -> str:
    """Return a value as text that HTML and the page's templates show as it is."""
    return html.escape(printable(value), quote=True).translate(TEMPLATE_SIGNS)


def number(value: float, digits: int = 0) -> str:
    """Return a number with thousands separators; a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def plural(count: int, word: str) -> str:
    """Return "1 rating", "2 ratings"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def model_words(source: Source) -> str:
    """Return the model's class in plain words: "Matrix factorization"."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", type(source.model).__name__)
    if len(words) > 1 and any(word.isupper() and len(word) == 1 for word in words):
        words = [type(source.model).__name__]
    rest = [word if word.isupper() else word.lower() for word in words[1:]]
    return " ".join([words[0], *rest])


def header(source: Source, name: str | None) -> str:
    """Return the page's head: what this is, what it learned from, and the switch for light and dark."""
    words = model_words(source)
    n_factors = getattr(source.model, "n_factors", None)
    size = f" with {plural(n_factors, 'factor')}" if isinstance(n_factors, int) else ""
    of = f"{plural(len(source.users), 'user')} and {len(source.items):,} {source.things}"
    if source.seen is not None:
        kind = "rating" if source.is_rated else "pick"
        of = f"{plural(len(source.seen.indices), kind)} that {plural(len(source.users), 'user')} gave "
        of += f"{len(source.items):,} {source.things}"
    about = f"{words}{size}, learned from {of}." if name else f"Learned from {of}{',' if size else ''}{size}."
    return (
        f'<header class="pl-header">{MARK}<div class="pl-name"><p class="pl-brand">Palate</p>'
        f"<h1>{text(name or words)}</h1><p>{text(about)}</p></div>"
        '<button type="button" class="pl-switch" onclick="window.palateSwitch?.()" '
        'aria-label="Switch between light and dark">'
        f"{SUN}{MOON}</button></header>"
    )


def message(sentence: str, *, is_error: bool) -> str:
    """Return the line next to the field, read out by screen readers when it changes."""
    kind = "pl-message pl-error" if is_error else "pl-message"
    return f'<p class="{kind}" role="status" id="user-id-message">{text(sentence)}</p>'


def rated(source: Source, value: float) -> str:
    """Return a rating that was given: stars where the scale has at most five, else a number; said in words as well."""
    if not source.has_stars:
        return score(source, value)
    full = math.ceil(source.high)
    return (
        f'<span class="pl-stars" role="img" aria-label="{value:g} of {source.high:g} stars">'
        f'<span aria-hidden="true">{"★" * full}</span>'
        f'<span class="pl-lit" aria-hidden="true" style="width:{100 * value / full:.1f}%">{"★" * full}</span></span>'
    )


def score(source: Source, value: float) -> str:
    """Return a number on the model's scale: a mean or a prediction."""
    if not source.is_rated:
        return f'<span class="pl-number">{value:.3g}</span>'
    if source.has_stars:
        return f'<span class="pl-number">{value:.1f}</span> <span class="pl-one" role="img" aria-label="stars">★</span>'
    return f'<span class="pl-number">{value:.3g}</span><span class="pl-of"> of {source.high:g}</span>'


def bar(source: Source, value: float, best: float) -> str:
    """Return a bar as long as the prediction stands on the scale (without a scale: against the best one)."""
    share = (value - source.low) / (source.high - source.low) if source.is_rated else value / best if best > 0 else 0
    return (
        f'<span class="pl-bar" aria-hidden="true"><span style="width:{100 * max(0, min(1, share)):.1f}%"></span></span>'
    )


def titled(entry: Entry) -> str:
    """Return an item's title with its year; ``bdi`` keeps its writing direction from touching the rest of the row."""
    year = f' <span class="pl-year">{entry.year}</span>' if entry.year is not None else ""
    title = text(entry.title)
    return f'<span class="pl-title" title="{title}"><bdi>{title}</bdi>{year}</span>'


def ranked(columns: Sequence[str], rows: Iterable[tuple[str, ...]], caption: str, kind: str = "") -> str:
    """Return a table of ranked items.

    Args:
        columns: heads after "#" and "Title", as text.
        rows: HTML of the title and of each further column.
        caption: what the table holds, as text.
        kind: a further class for the style sheet.
    """
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in ("#", "Title", *columns))
    body = "".join(
        f'<tr><td class="pl-rank">{rank}</td><td class="pl-item">{title}</td>'
        + "".join(f'<td class="pl-value">{cell}</td>' for cell in cells)
        + "</tr>"
        for rank, (title, *cells) in enumerate(rows, start=1)
    )
    return (
        f'<table class="pl-table {kind}"><caption>{text(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def label(words: str) -> str:
    """Return words where a title would stand."""
    return f'<span class="pl-label">{text(words)}</span>'


def sum_table(
    columns: Sequence[str],
    rows: Iterable[tuple[str, str, float]],
    total: tuple[str, float],
    digits: int,
    caption: str,
) -> str:
    """Return a table of parts with their sum below.

    Args:
        columns: heads, as text.
        rows: HTML of the part, HTML of what it comes from, and what it adds.
        total: the name of the sum, and the sum.
        digits: decimals shown.
        caption: what the table holds, as text.
    """
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><td class="pl-item">{part}</td><td>{of}</td><td class="pl-number">{value:+,.{digits}f}</td></tr>'
        for part, of, value in rows
    )
    name, value = total
    return (
        f'<table class="pl-table pl-sum"><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>'
        f'<tbody>{body}</tbody><tfoot><tr><th scope="row" colspan="2">{text(name)}</th>'
        f'<td class="pl-number">{value:,.{digits}f}</td></tr></tfoot></table>'
    )


def item_list(source: Source, entries: Sequence[Entry], column: str | None, caption: str, *, predicted: bool) -> str:
    """Return one of the two lists: title with year and genres; and stars given, or a prediction with its bar.

    Without a column the order is all that is shown.
    """
    best = max((entry.value for entry in entries), default=0.0)
    rows = []
    for entry in entries:
        genres = f'<span class="pl-genres">{text(", ".join(entry.genres)) or "&nbsp;"}</span>' if source.genres else ""
        value = _predicted(source, entry, best) if predicted else rated(source, entry.value)
        rows.append((titled(entry) + genres + _same_title(entry), *([value] if column else [])))
    return ranked([column] if column else [], rows, caption)


def _same_title(entry: Entry) -> str:
    """Return a line on the other ids of a title, where the catalogue has it twice."""
    ids = ", ".join(map(str, entry.same_title))
    return f'<span class="pl-genres">{text(f"Also in the catalogue as item {ids}")}</span>' if ids else ""


def _predicted(source: Source, entry: Entry, best: float) -> str:
    """Return a prediction with its bar; where its spread is known, as "4.3 ± 0.9", with the range on the bar."""
    if entry.spread is None:
        return score(source, entry.value) + bar(source, entry.value, best)
    low, high = max(source.low, entry.value - entry.spread), min(source.high, entry.value + entry.spread)
    start, end = (100 * (x - source.low) / (source.high - source.low) for x in (low, high))
    at = 100 * (entry.value - source.low) / (source.high - source.low)
    return (
        f'<span class="pl-number">{entry.value:.1f}</span> <span class="pl-spread">± {entry.spread:.1f}</span>'
        '<span class="pl-bar pl-range" aria-hidden="true">'
        f'<span style="left:{start:.1f}%;width:{end - start:.1f}%"></span><i style="left:{at:.1f}%"></i></span>'
    )


def person(source: Source, user_id: Id, user_index: int) -> str:
    """Return a line about one user: how much rated, how high, of what kind."""
    facts = []
    if source.seen is not None:
        count = int(source.user_counts[user_index])
        facts.append(plural(count, "rating" if source.is_rated else "pick"))
        if count and source.is_rated:
            facts.append(f"{source.user_means[user_index]:.1f} on average")
        favourites = source.favourites(user_index)
        if favourites:
            facts.append(f"mostly {', '.join(favourites)}")
    spans = "".join(f"<li>{text(fact)}</li>" for fact in facts)
    return f'<div class="pl-person"><h2>User <bdi>{text(user_id)}</bdi></h2><ul>{spans}</ul></div>'


def panel(title: str, note: str, body: str, kind: str) -> str:
    """Return one of the two columns."""
    return f'<section class="pl-panel {kind}"><h3>{text(title)}</h3><p class="pl-note">{text(note)}</p>{body}</section>'


def lead(title: str, note: str) -> str:
    """Return a heading with a line below it."""
    return f'<div class="pl-lead"><h2>{text(title)}</h2><p class="pl-note">{text(note)}</p></div>'


def news(coming: Sequence[str]) -> str:
    """Return the line on the models that are still to come."""
    words = "All models are here."
    if coming:
        more = "One more model is" if len(coming) == 1 else f"{len(coming)} more models are"
        words = f"{more} being trained and will join the choice above: {', '.join(coming)}."
    return f'<p class="pl-note" role="status">{text(words)}</p>'


def empty(sentence: str) -> str:
    """Return what stands where a list would."""
    return f'<p class="pl-empty">{text(sentence)}</p>'


def refused(error: PalateError) -> str:
    """Return what stands where a list would, had the model not refused: no parameters, which nobody can click on."""
    return empty(REFUSED.get(error.code) or error.sentence(lambda step: None))


def answer(source: Source, user_id: Id, user_index: int, n: int, genre: str | None) -> str:
    """Return all that the page shows of one user: a line about them and the two lists."""
    past, future = _past(source, user_index, n), _future(source, user_id, user_index, n, genre)
    return _frame(n, f'{person(source, user_id, user_index)}<div class="pl-columns">{past}{future}</div>')


def _past(source: Source, user_index: int, n: int) -> str:
    title = "What they rated highest" if source.is_rated else "What they picked"
    if source.seen is None:
        sentence = "This model was saved without its training rows, so what people rated is not known here."
        return panel(title, "Not kept in the model file", empty(sentence), "pl-past")
    entries = source.history(user_index, n)
    if not entries:
        return panel(title, "No history", empty("Nothing in the training data is from this user."), "pl-past")
    body = item_list(source, entries, "Stars" if source.has_stars else "Value", title, predicted=False)
    note = f"{len(entries):,} of {int(source.user_counts[user_index]):,} {source.things}"
    return panel(title, note, body, "pl-past")


def _future(source: Source, user_id: Id, user_index: int, n: int, genre: str | None) -> str:
    title = "What we recommend"
    entries = source.recommended(user_id, n, genre)
    if not entries:
        of = "" if genre is None else f" of the genre {genre}"
        return panel(title, "Nothing left", empty(f"Nothing{of} is left that this user has not had."), "pl-next")
    popular = entries[0].is_popular
    column = None if popular or not source.shows_scores else "Predicted" if source.is_rated else "Score"
    note = _left_words(source, user_index, genre, len(entries))
    if popular:
        note += f". {POPULAR}"
    elif source.shows_spread:
        note += f". {SPREAD}"
    return panel(title, note, item_list(source, entries, column, title, predicted=True), "pl-next")


def nobody(n: int) -> str:
    """Return what stands in place of the lists when no user is chosen; as high as the lists, so that nothing jumps."""
    return _frame(n, f'<div class="pl-nobody">{MARK}<p>Nobody to show yet. The two lists will stand here.</p></div>')


def _frame(n: int, body: str) -> str:
    return f'<div class="pl-answer" style="--pl-rows:{n}">{body}</div>'


def _left_words(source: Source, user_index: int, genre: str | None, shown: int) -> str:
    of = "" if genre is None else f" of the genre {genre}"
    unseen = "" if source.seen is None else " not rated yet" if source.is_rated else " not picked yet"
    return f"{shown:,} of {source.left(user_index, genre):,} {source.things}{of}{unseen}"


def tiles(facts: Iterable[tuple[str, str]]) -> str:
    """Return figures with their names, as a definition list."""
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts)
    return f'<dl class="pl-tiles">{cells}</dl>'


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return a table of text, its first column left-aligned, the others as figures."""
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="pl-scroll" tabindex="0" role="region" aria-label="{text(caption)}"><table class="pl-plain">'
        f"<caption>{text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
