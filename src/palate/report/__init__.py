"""The report: one HTML file of a comparison, which opens without a network, prints well, and repeats byte by byte.

results    the run with its tables and tests
drawing    figures as part of the page
scores     sections: the data, the comparison, trade-offs
errors     sections: training, calibration, errors, groups
people     section: example users
repeating  section: parameters, seeds, versions, commands
page       the whole, with page.css
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palate.atomic import replacing
from palate.errors import DataError, ParameterError
from palate.report.page import page

if TYPE_CHECKING:
    from palate.evaluation import Comparison

__all__ = ["page", "write_report"]


def write_report(run: Comparison | str | Path, path: str | Path | None = None) -> Path:
    """Write the report of a comparison as one HTML file, and return its path.

    The file asks nothing of any host and runs no script. The same comparison gives the same bytes. An existing file
    is replaced, once the new one is whole.

    Args:
        run: a comparison, or the folder that holds one.
        path: of the file; None writes report.html into the folder.

    Raises:
        DataError: the folder holds no comparison, or the file cannot be written.
        ParameterError: run is neither of the two, neither path nor folder is given, or path does not end in .html.
        MissingExtraError: Matplotlib is not installed.
    """
    from palate.evaluation import Comparison

    folder = Path(run) if isinstance(run, str | Path) else None
    if path is None and folder is None:
        raise ParameterError(
            "a comparison that is not in a folder needs a path for its report, such as report.html", subject="path"
        )
    comparison = Comparison.open(folder) if folder is not None else run
    target = Path(path) if path is not None else Path(str(folder)) / "report.html"
    if target.suffix.lower() not in (".html", ".htm"):  # no slip may cost a run its own files
        raise ParameterError(
            f"a report is a web page: name a file that ends in .html, not {target.name}", subject="path"
        )
    if not isinstance(comparison, Comparison):
        raise ParameterError.of("run", f"must be a Comparison or its folder, got {type(comparison).__name__}")
    text = page(comparison).encode("utf-8", "replace")  # ids may hold halves of characters
    try:
        with replacing(target) as file:
            file.write(text)
    except OSError as error:
        raise DataError.of_disk("cannot write the report to", target, error) from None
    return target
