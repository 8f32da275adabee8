"""What ``palate serve --check`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from palate.cli import common
from palate.cli.doctor_lines import BAD, GOOD, HINT

if TYPE_CHECKING:
    from palate.serve.checking import Finding

SIGNS = {"fine": (GOOD, "green"), "warning": (HINT, "yellow"), "error": (BAD, "red")}


def tell(found: Sequence[Finding], *, as_json: bool) -> None:
    """Print findings, the gravest first, and end with 1 where one of them stops the service.

    Args:
        found: what was found.
        as_json: as one JSON object.

    Raises:
        Exit: the service would not start well.
    """
    from palate.serve.checking import ready

    if as_json:
        common.emit({"ready": ready(found), "findings": [asdict(one) for one in found]})
    else:
        _show(found, ready(found))
    if not ready(found):
        raise typer.Exit(1)


def _show(found: Sequence[Finding], is_ready: bool) -> None:
    from rich.text import Text

    stdout = common.console()
    for one in found:
        sign, colour = SIGNS[one.level]
        line = Text(f"{sign:<5}", style=colour) + Text(f"  {one.what}")
        stdout.print(line + Text(f"\n       {one.do}", style="dim") if one.do else line, soft_wrap=True)
    stdout.print("The service can start." if is_ready else "The service cannot start like this: mend the faults above.")
