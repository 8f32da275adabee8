"""The README's short table beside other libraries: ratios read from the tables of docs/benchmarks.md."""

from __future__ import annotations

import re

from common import ROOT, arguments, markdown, publish


def main() -> None:
    options = arguments(__doc__ or "")
    rows = [
        ["a sweep of `ALS`, 64 factors, 9.4 M ratings, 2 threads", *ratios("als-speed", ("2",), 1, 2, 3)],
        ["an epoch of `ImplicitALS`, 64 factors, 9.4 M clicks, 2 threads", *ratios("ials-speed", ("64, 2",), 1, 2, 3)],
        ["the same, 128 factors", *ratios("ials-speed", ("128, 2",), 1, 2, 3)],
        ["`EASE`, 10,000 items, 2 threads", *ratios("ease-speed", (), 0, 1, 2)],
        ["the best 10 of 27,000 items, 2 threads", *ratios("topn-speed", ("2",), 1, 2, 3, " users/s")],
        ["fold-in of a person with 50 items", *ratios("foldin-speed", (), 0, 1, 2, " ms")],
    ]
    header = ["what", "Palate", "others: their time over ours"]
    publish("summary", markdown(header, rows), write=options.write)


def ratios(block: str, start: tuple[str, ...], name: int, figure: int, ratio: int, unit: str = " s") -> list[str]:
    """Return our figure, and the others with their ratios, of the lines of a table that begin as ``start`` says."""
    lines = [line for line in table(block) if tuple(line[: len(start)]) == start]
    (ours, *_), others = lines, [line for line in lines if not line[name].startswith("palate")]
    return [ours[figure] + unit, ", ".join(f"{line[name]} {line[ratio]}" for line in others)]


def table(block: str) -> list[list[str]]:
    """Return the lines of a table of docs/benchmarks.md, its header left out."""
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    found = re.search(rf"<!-- {block} -->\n(.*?)<!-- /{block} -->", text, re.DOTALL)
    lines = [line for line in (found[1] if found else "").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


if __name__ == "__main__":
    main()
