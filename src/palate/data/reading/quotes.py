"""The double quotes of a text: whether each one opens or closes a whole field, and what line ends they hold.

Readers of csv part here: a quote inside a field may swallow the rows that follow. So a text with such a quote is
refused with its line, and rows over several lines are said.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

QUOTE, LINE_END = ord('"'), ord("\n")
ESCAPED = re.compile(rb'\\(["\\])')


@dataclass
class Quotes:
    """What was found, the lines counted from 1.

    Attributes:
        count: how many quotes there are.
        stray: the line of the first quote that neither opens nor closes a field, or 0.
        unclosed: the line of a quote that is never closed, or 0.
        spanning: how many line ends stand inside quotes.
        first_spanning: the line of the first of them, or 0.
    """

    count: int = 0
    stray: int = 0
    unclosed: int = 0
    spanning: int = 0
    first_spanning: int = 0


def quotes_in(chunks: Iterator[bytes], separator: str, skip: int) -> Quotes:
    """Return what the quotes of a text are like, after its first ``skip`` lines."""
    quotes, beside = Quotes(), np.zeros(256, bool)
    beside[[ord(separator), LINE_END, ord("\r"), QUOTE]] = True
    before, held, inside, line, opened = b"\n", b"", 0, skip + 1, 0
    for chunk in _with_line_end(_after(chunks, skip)):
        whole = held + chunk
        body = whole.rstrip(b'"')  # so that what follows a quote is in the same piece
        held = whole[len(body) :]
        if not body:
            continue
        text = np.frombuffer(before + body, np.uint8)
        at = np.flatnonzero(text[1:] == QUOTE) + 1
        if inside or len(at):
            ends = np.flatnonzero(text[1:] == LINE_END) + 1
            opens = (np.arange(len(at)) + inside) % 2 == 0
            stray = at[~np.where(opens, beside[text[at - 1]], beside[text[at + 1]])]
            held_ends = ends[(np.searchsorted(at, ends) + inside) % 2 == 1]
            if len(stray) and not quotes.stray:
                quotes.stray = line + int(np.searchsorted(ends, stray[0]))
            if len(held_ends) and not quotes.spanning:
                quotes.first_spanning = line + int(np.searchsorted(ends, held_ends[0]))
            if opens.any():
                opened = line + int(np.searchsorted(ends, at[opens][-1]))
            quotes.count += len(at)
            quotes.spanning += len(held_ends)
            inside = (inside + len(at)) % 2
        line += body.count(b"\n")
        before = body[-1:]
    if inside:
        quotes.unclosed = opened
        quotes.spanning -= 1  # the line end behind the text
        quotes.first_spanning *= bool(quotes.spanning)
    return quotes


def unescaped(text: bytes) -> bytes:
    r"""Return a text with \" as "" and \\ as \, as readers of csv have them."""
    return ESCAPED.sub(lambda match: b'""' if match[1] == b'"' else b"\\", text)


def _after(chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """Yield what follows the first lines and a byte order mark."""
    for number, chunk in enumerate(chunks):
        chunk = chunk.removeprefix(codecs.BOM_UTF8) if number == 0 else chunk
        while skip and chunk:
            _, end, chunk = chunk.partition(b"\n")
            skip -= bool(end)
        if chunk:
            yield chunk


def _with_line_end(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from chunks
    yield b"\n"
