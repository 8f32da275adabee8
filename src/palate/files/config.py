"""A model's parameters as a JSON file: what `palate tune` finds, and what --config reads. It cannot run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palate.atomic import replacing
from palate.errors import DataError, ModelFileError, ParameterError
from palate.files.foreign import size_of
from palate.files.strict_json import dumps, loads
from palate.models import MODELS
from palate.models.contract.base import Recommender

FORMAT_VERSION = 1
LARGEST = 1 << 20  # bytes; a config is a page of text


def write_config(model: Recommender, path: str | Path, tuned: Mapping[str, Any] | None = None) -> None:
    """Write a model's parameters, and how they were found.

    Raises:
        DataError: the file cannot be written.
        ModelFileError: a parameter is nothing that JSON holds, such as a Generator.
    """
    parameters = {name: value for name, value in model.get_params().items() if name != "n_threads"}
    record = {"format_version": FORMAT_VERSION, "model": model.key, "parameters": parameters}
    plain = loads(dumps({**record, **({"tuned": dict(tuned)} if tuned else {})}, "the config"), "the config")
    text = json.dumps(plain, indent=1, ensure_ascii=False)
    try:
        with replacing(Path(path)) as file:
            file.write(f"{text}\n".encode())
    except OSError as error:
        raise DataError.of_disk("cannot write the config to", path, error) from None


def read_config(path: str | Path) -> Recommender:
    """Return an unfitted model with the parameters of a config.

    Raises:
        DataError: the file is not there, is no config, of another version, or of an unknown model.
        ParameterError: a parameter is unknown, or outside its type or range.
    """
    path = Path(path)
    try:
        if size_of(path) > LARGEST:
            raise DataError.of(path, "is too large for a config", code="format")
        record = loads(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError.of_disk("cannot read the config", path, error) from None
    except ModelFileError as error:
        raise error.within("", "; a config is JSON, as palate tune writes it", kind=DataError) from None
    if not isinstance(record, dict) or {"format_version", "model", "parameters"} - set(record):
        raise DataError.of(path, "is no config: it needs format_version, model and parameters", code="format")
    if unknown := set(record) - {"format_version", "model", "parameters", "tuned"}:
        raise DataError.of(
            path,
            f"has the unknown key '{min(unknown)}'; a config has format_version, model, parameters, tuned",
            code="format",
        )
    if record["format_version"] != FORMAT_VERSION:
        raise DataError.of(
            path, f"is of version {record['format_version']}, this Palate reads {FORMAT_VERSION}", code="version"
        )
    if not isinstance(record["model"], str) or record["model"] not in MODELS:
        raise DataError.unknown(f"{path} is of the model", record["model"], MODELS)
    if not isinstance(record["parameters"], dict):
        raise DataError.of(f"the parameters of {path}", "must be an object of names and values", code="format")
    model = MODELS[record["model"]]()
    try:
        model.set_params(**record["parameters"])
        model.check_parameters()
    except ParameterError as error:
        raise error.within(f"{path}: ", subject=path) from None
    return model
