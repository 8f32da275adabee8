"""Tables for people who open them in a spreadsheet, which takes some texts for formulas and runs them."""

from __future__ import annotations

import polars as pl

FORMULA = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"  # with the wide letters that some spreadsheets take for these


def disarmed(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with an apostrophe before each text that a spreadsheet would take for a formula (OWASP)."""
    text = pl.col(pl.String)
    return table.with_columns(pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep())
