"""``palate export`` and ``palate import``: models as folders that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from palate.cli import common


def export_model(
    model: common.ModelArgument,
    to: Annotated[Path, typer.Option("--to", help="Folder to write; made where it is not there.")],
    layout: Annotated[
        Literal["palate", "original"],
        typer.Option(help="palate (.npy, JSON, Parquet), or original (the four files it began with)."),
    ] = "palate",
    as_json: common.Json = False,
) -> None:
    """Write a model's factors and ids as files for other tools."""
    from palate import files
    from palate.files.folders import export

    written = export(files.load(model), to, layout=layout)
    if as_json:
        common.emit({"folder": str(to), "layout": layout, "files": [p.name for p in written]})
        return
    stdout = common.console()
    for path in written:
        stdout.print(f"{path}  ({path.stat().st_size:,} bytes)")


def import_model(
    folder: Annotated[Path, typer.Argument(help="A folder that export wrote, or one of the original system.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the model file.")] = Path(
        "model.safetensors"
    ),
    rating_range: Annotated[str | None, typer.Option(help="LOW:HIGH, where the folder does not say it.")] = None,
    as_json: common.Json = False,
) -> None:
    """Read an exported folder back into a model file."""
    from palate import files
    from palate.cli.inputs import read_options
    from palate.files.folders import import_folder

    limits = read_options([f"rating_range={rating_range}"])["rating_range"] if rating_range else None
    fitted = import_folder(folder, rating_range=limits)
    out = folder.resolve().with_suffix(".safetensors") if out is None else out
    files.save(fitted, out)
    if as_json:
        common.emit({"out": str(out), "users": len(fitted.users_), "items": len(fitted.items_)})
    else:
        common.console().print(f"{len(fitted.users_):,} users and {len(fitted.items_):,} items: saved to {out}")
