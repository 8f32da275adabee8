"""From the words of a command line to data and models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from palate.cli.common import usage_error
from palate.cli.wording import OF_LIST, READ_KEYS, ROLE_KEYS, YES_NO

if TYPE_CHECKING:
    from palate.data.dataset import Dataset
    from palate.data.ids import Id, Ids
    from palate.data.splits.fixed import OnOverlap
    from palate.data.splits.split import Split
    from palate.models.contract.base import Recommender

DEFAULT_SPLIT = "random:0.2:42"
STORE = "store:"  # begins the name of a store as data


def key_values(words: Sequence[str] | None, option: str) -> dict[str, str]:
    """Return {key: value} of repeated KEY=VALUE words."""
    pairs = {}
    for word in words or ():
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise usage_error(f"{option} takes NAME=VALUE, got '{word}'")
        pairs[key.strip()] = value
    return pairs


def read_options(words: Sequence[str] | None) -> dict[str, Any]:
    """Return the keyword arguments of `read_ratings`, and ``title``, that --read words name."""
    pairs = key_values(words, "--read")
    by_column = {key.removeprefix(OF_LIST): pairs.pop(key) for key in list(pairs) if key.startswith(OF_LIST)}
    unknown = set(pairs) - set(READ_KEYS)
    if unknown:
        raise usage_error(f"--read knows {', '.join(READ_KEYS)}; got {', '.join(sorted(unknown))}")
    options: dict[str, Any] = {k: v for k, v in pairs.items() if k not in ROLE_KEYS}
    columns = {k: None if v == "none" else v for k, v in pairs.items() if k not in options}
    if columns:
        options["columns"] = columns
    if "header" in options:
        if options["header"] not in YES_NO:
            raise usage_error(f"header takes yes or no, got '{options['header']}'")
        options["header"] = YES_NO[options["header"]]
    if "rating_range" in options:
        low, _, high = options["rating_range"].partition(":")
        try:
            options["rating_range"] = (float(low), float(high))
        except ValueError:
            raise usage_error(f"rating_range takes LOW:HIGH, got '{options['rating_range']}'") from None
    if "lists" in options or by_column:
        options["lists"] = _lists(options.get("lists"), by_column)
    if "max_bytes" in options:
        try:
            options["max_bytes"] = float(options["max_bytes"])
        except ValueError:
            raise usage_error(f"max_bytes takes a number such as 4e9, got '{options['max_bytes']}'") from None
    return options


def _lists(whole: str | None, by_column: dict[str, str]) -> bool | dict[str, str | None]:
    """Return which texts are lists, of lists=none and lists.COLUMN=SIGN."""
    if whole is not None and (whole != "none" or by_column):
        raise usage_error("lists takes none, for no lists at all; or lists.COLUMN=SIGN, such as lists.cast=';'")
    return {name: None if sign == "none" else sign for name, sign in by_column.items()} if by_column else False


def dataset(
    data: str,
    read: Sequence[str] | None = None,
    items: Path | None = None,
    users: Path | None = None,
    *,
    all_rows: bool = False,
    models: Sequence[Recommender] = (),
) -> Dataset:
    """Return the data that DATA, --read, --items and --users name.

    Args:
        data, read, items, users: as they are typed.
        all_rows: keep incomplete movies' ratings.
        models: that are to learn from it: of a store's log ratings or clicks are taken, as they need it.
    """
    from palate.data.sources.loading import check_table_options, load_dataset, with_tables

    options = read_options(read)
    if not data.startswith(STORE):
        return load_dataset(data, items=items, users=users, all_rows=all_rows, **options)
    from palate.store.source import opened_dataset

    check_table_options(data, "is a store", options, items is not None, users is not None)
    return with_tables(opened_dataset(data, models), items, users, **options)


def all_rows(split: str) -> bool:
    """Return whether a split, or the first of a file of splits, needs all rows of MovieLens 100K.

    Raises:
        DataError: the file of splits is not to be read.
    """
    from palate.data.splits.file import FILE_ENDING, names_of

    text = split.strip()
    return (names_of(text)[0] if text.endswith(FILE_ENDING) else text).startswith("official")


def data_and_split(
    data: str | None,
    train: Path | None,
    test: Path | None,
    split: str | None,
    on_overlap: OnOverlap,
    tables: Tables,
    models: Sequence[Recommender] = (),
) -> tuple[Dataset, str | Split]:
    """Return the data, and its split: DATA and --split, or --train and --test, which are a split already."""
    if train is None or test is None:
        if data is None:
            raise usage_error("take DATA (with --split), or both --train FILE and --test FILE")
        wanted = (split or DEFAULT_SPLIT).strip()
        named = dataset(data, tables.read, tables.items, tables.users, all_rows=all_rows(wanted), models=models)
        return named, wanted
    from palate.data.sources.loading import load_split

    options = read_options(tables.read)
    return load_split(train, test, items=tables.items, users=tables.users, on_overlap=on_overlap, **options)


class Tables(NamedTuple):
    """What stands beside the ratings on a command line: --items, --users and --read."""

    items: Path | None
    users: Path | None
    read: list[str] | None

    def of_joined(self) -> Tables:
        """Return them for the rows as Palate writes them, which need no words on how to read them."""
        return self._replace(read=None)


def words_of(
    data: str | None, train: Path | None, test: Path | None, on_overlap: OnOverlap, tables: Tables
) -> list[str]:
    """Return how the command line names the data."""
    pairs: list[tuple[str, object]] = [("--train", train), ("--test", test)]
    if on_overlap != "raise":
        pairs.append(("--on-overlap", on_overlap))
    pairs += [("--items", tables.items), ("--users", tables.users), *(("--read", word) for word in tables.read or ())]
    named = [word for option, value in pairs if value is not None for word in (option, str(value))]
    return named if data is None else [data, *named]


def part_of_catalogue(
    items: Ids, allow: Sequence[str] | None, deny: Sequence[str] | None, where: Sequence[str] | None
) -> dict[str, Any]:
    """Return --allow, --deny and --where as `measure` takes them, ids of the data's own type."""
    ids = {
        name: None if words is None else [_item_of(items, word, f"--{name}") for word in words]
        for name, words in (("allow", allow), ("deny", deny))
    }
    return {**ids, "where": list(where) if where else None}


def _item_of(items: Ids, word: str, option: str) -> Id:
    from palate.errors import UnknownIdError

    try:
        return items.parse(word)
    except UnknownIdError as error:
        raise error.within(f"{option} takes item ids: ") from None


def with_positive(model: Recommender, positive: Any) -> Recommender:
    """Give --positive to a model that learns from clicks and was given no rule of its own; return the model."""
    if positive is not None and "positive" in model.parameter_names() and model.get_params()["positive"] is None:
        model.set_params(positive=positive)
    return model


def setting(name: str) -> str:
    """Return the name of a parameter as `settable` has it: that of a part is typed as PART.NAME."""
    return name.replace(".", "__")


def new_model(key: str, preset: str | None, words: Sequence[str] | None) -> Recommender:
    """Return an unfitted model with the parameters that --model (a key or a config), --preset and --set name."""
    from palate.errors import ParameterError, unknown_name
    from palate.models import MODELS

    if key.endswith(".json"):
        if preset is not None:
            raise usage_error(f"{key} has all parameters of its own: leave out the preset")
        from palate.files.config import read_config

        model = read_config(key)
        key = model.key
    else:
        if key.endswith(".safetensors"):
            raise usage_error(f"{key} is fitted already: palate evaluate --model-file {key} measures it")
        if key not in MODELS:
            raise usage_error(f"{unknown_name('no model', key, MODELS)}, or a config (.json)")
        cls = MODELS[key]
        if preset is not None and preset not in cls.presets:
            raise usage_error(unknown_name(f"{key} has no preset", preset, cls.presets, having="it has"))
        model = cls() if preset is None else getattr(cls, preset)()
    try:
        given = {setting(name): text for name, text in key_values(words, "--set").items()}
        for name, text in sorted(given.items(), key=lambda pair: "__" in pair[0]):  # parts before what is set of them
            known = model.settable()
            if name not in known:
                raise usage_error(unknown_name(f"{key} has no parameter", name, known, having="it has"))
            model.set_params(**{name: known[name].parse(text)})
        model.check_parameters()
    except ParameterError as error:
        raise usage_error(str(error)) from None
    return model
