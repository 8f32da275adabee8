"""``palate export`` and ``palate import``: models as folders, graphs and cards that other tools read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common

if TYPE_CHECKING:
    from palate.models import Recommender


def export_model(
    model: common.ModelArgument,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write; made where it is not there.")] = None,
    layout: Annotated[
        Literal["palate", "original"],
        typer.Option(help="palate (.npy, JSON, Parquet), or original (the four files it began with)."),
    ] = "palate",
    onnx: Annotated[
        Path | None, typer.Option(help="ONNX graph to write, of a model of factors: ids in, lists out; then checked.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Items of a list of the ONNX graph.")] = 10,
    card: Annotated[
        Path | None, typer.Option(help="Model card to write, such as README.md, in Hugging Face's form.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="What the card tells of: a folder of 'compare --out', or a file of 'evaluate --json'."),
    ] = None,
    as_json: common.Json = False,
) -> None:
    """Write a model for other tools: as a folder of factors and ids, an ONNX graph, or a model card.

    [dim]palate export model.safetensors --onnx model.onnx --card README.md[/]
    """
    from palate import files

    wanted = {"--to": to, "--onnx": onnx, "--card": card}
    if not any(wanted.values()):
        raise common.usage_error(f"say what to write: {' or '.join(wanted)}")
    for path in (onnx, card):
        if path is not None:
            common.check_writable(path)
    fitted = files.load(model)
    record: dict[str, Any] = {}
    if card is not None:  # results that are none are told before anything is written
        record["card"] = str(_write_card(fitted, card, results))
    if to is not None:
        record |= {"folder": str(to), "layout": layout, "files": _write_folder(fitted, to, layout)}
    if onnx is not None:
        record["onnx"] = {"file": str(onnx), **_write_graph(fitted, onnx, n)}
    if as_json:
        common.emit(record)
        return
    _show(record)


def _write_folder(fitted: Recommender, to: Path, layout: Literal["palate", "original"]) -> list[str]:
    from palate.files.folders import export

    return [path.name for path in export(fitted, to, layout=layout)]


def _write_graph(fitted: Recommender, path: Path, n: int) -> dict[str, Any]:
    """Write the graph, and return how its lists agree with the model's own."""
    from palate.integrations.onnx import check, export

    return vars(check(fitted, export(fitted, path, n)))


def _write_card(fitted: Recommender, path: Path, results: Path | None) -> Path:
    from palate.integrations.card import model_card, results_of, write_card

    return write_card(path, model_card(fitted, None if results is None else results_of(results)))


def _show(record: Mapping[str, Any]) -> None:
    stdout = common.console()
    written = [Path(record["folder"]) / name for name in record.get("files", ())]
    written += [Path(record["onnx"]["file"])] if "onnx" in record else []
    written += [Path(record["card"])] if "card" in record else []
    for path in written:
        stdout.print(f"{path}  ({path.stat().st_size:,} bytes)")
    if "onnx" in record:
        of = record["onnx"]
        stdout.print(
            f"checked with onnxruntime: of {of['users']:,} lists {of['same']:,} are the model's own, in "
            f"{of['rounded']:,} items of equal score to 32 bits changed places, {of['different']:,} differ"
        )


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
