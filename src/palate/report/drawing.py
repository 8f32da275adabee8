"""Figures as part of the page: vectors with the page's own fonts and colours, named for those who cannot see them."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from palate.markup import Html, element, join
from palate.plots.alt import Words
from palate.plots.house import GREY, GRID, INK, PAPER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# colours of the house style that change where the page is dark; those of models do not
VARIABLES = {INK: "var(--ink)", "#000000": "var(--ink)", GREY: "var(--soft)", GRID: "var(--line)", PAPER: "var(--card)"}

HALF = (0.75, 0.8)


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows in words, and how to read it; ``is_wide`` where it needs the page's whole width."""

    figure: Figure
    words: Words
    how: str = ""
    is_wide: bool = False


def pictures(*shown: Picture, prefix: str) -> Html:
    """Return figures side by side where there is room; the prefix keeps their ids apart from others'."""
    return element(
        "div", *(_one(picture, f"{prefix}-{place}") for place, picture in enumerate(shown)), class_="figures"
    )


def _one(picture: Picture, prefix: str) -> Html:
    caption = element("figcaption", element("strong", picture.words.finding), f" {picture.how}".rstrip())
    if not picture.is_wide:  # half a page: drawn smaller, so that its words are not
        width, height = picture.figure.get_size_inches()
        picture.figure.set_size_inches(width * HALF[0], height * HALF[1])
    drawing = svg(picture.figure, str(picture.words), prefix)
    return element("figure", drawing, caption, class_="wide" if picture.is_wide else None)


def svg(figure: Figure, alt: str, prefix: str) -> Html:
    """Return a figure as an SVG element: the same figure gives the same text.

    Words stay words, so that they are searched, copied, and shown in the page's font; Matplotlib's own wide font
    measured their places. Ids start with the prefix, those that nothing points to are left out, as are metadata.
    """
    import matplotlib as mpl

    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser has it
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    text = drawn.getvalue()
    body = text[text.index("<defs>") : text.rindex("</svg>")]
    body = re.sub(r"<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'style="([^"]*)"', lambda match: f'style="{_restyled(match[1])}"', body)
    wanted = set(re.findall(r'(?:url\(|href=")#([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda match: f' id="{prefix}-{match[1]}"' if match[1] in wanted else "", body)
    body = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}-", body).replace("xlink:href", "href")
    body = re.sub(r' (d|x|y|transform)="([^"]*)"', lambda match: f' {match[1]}="{_rounded(match[2])}"', body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    width, height = (72 * inches for inches in figure.get_size_inches())
    start = f'<svg role="img" viewBox="0 0 {width:g} {height:g}" style="max-width:{width * 1.5:g}px"'
    return Html(join([Html(f'{start} aria-label="{escape(alt)}">\n'), Html(body), Html("</svg>")]))


def _rounded(places: str) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", places)  # a hundredth of a point is finer than any screen


def _restyled(style: str) -> str:
    style = re.sub(r"font-family: [^;]*;? ?", "", style)
    for colour, variable in VARIABLES.items():
        style = style.replace(colour.lower(), variable)
    return style
