"""``palate report``: a comparison as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palate.cli import common


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that 'palate compare --out' made.")],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; RUN/report.html without it.")] = None,
    as_json: common.Json = False,
) -> None:
    """Write the report of a comparison: one HTML file that opens without a network, and prints.

    [dim]palate report RUN --out report.html[/]
    """
    from palate.evaluation import Comparison
    from palate.report import write_report

    target = run / "report.html" if out is None else out
    comparison = Comparison.open(run)
    common.check_writable(target)
    is_replaced = target.exists()
    path = write_report(comparison, target)
    size = path.stat().st_size
    if as_json:
        common.emit({"path": str(path), "bytes": size, "replaced": is_replaced})
        return
    words = f"{'replaced' if is_replaced else 'wrote'} {path}, {size / 1e6:.2f} MB: open it in any browser"
    common.console().print(words)
