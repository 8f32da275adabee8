"""Studies of Optuna: where trials are kept, what they try, and what has come of them."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from palate.atomic import check_target
from palate.errors import DataError, missing_extra
from palate.models.search import Choice, Range

if TYPE_CHECKING:
    import optuna

STARTUP = 5  # trials before one may be pruned
WARM_UP = 3  # epochs before one may be pruned
STUDY = "palate"
FILE = "study.db"
SQLITE = b"SQLite format 3\0"


def optuna_library() -> Any:
    """Return Optuna, quiet.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise missing_extra("tune", "a search for parameters") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    return optuna


@contextmanager
def kept_study(out: Path | None, question: Mapping[str, Any], *, maximise: bool) -> Iterator[optuna.Study]:
    """Yield the study of a folder, or a new one; refuse one of another question. Its database is closed afterwards."""
    with kept_studies(out) as studies:
        yield studies.study(question, maximise=maximise)


@dataclass(frozen=True)
class Studies:
    """The studies of a folder, in one database, or of memory alone.

    Attributes:
        out: the folder, or None.
        storage: Optuna's storage of its database, or None.
    """

    out: Path | None
    storage: Any

    def study(self, question: Mapping[str, Any], *, maximise: bool, name: str = STUDY) -> optuna.Study:
        """Return the study of this name, or a new one.

        Raises:
            DataError: it is of another question, or the database is damaged.
        """
        library = optuna_library()
        options: dict[str, Any] = {
            "direction": "maximize" if maximise else "minimize",
            "pruner": library.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=WARM_UP),
            "study_name": name,
            "load_if_exists": True,
        }
        if self.out is None:
            return _created(**options)
        asked = json.loads(json.dumps(question))
        from sqlalchemy.exc import SQLAlchemyError

        try:
            study = _created(storage=self.storage, **options)
            before = study.user_attrs.get("question")
            if before is None:
                study.set_user_attr("question", asked)
        except (SQLAlchemyError, library.exceptions.OptunaError, RuntimeError) as error:
            raise _unreadable(self.out / FILE, error) from None
        if before not in (None, asked):
            names = [name for name in {**asked, **before} if before.get(name) != asked.get(name)]
            raise DataError.of(
                self.out,
                f"holds a search with another {' and '.join(names)}: choose another folder, or remove that one",
                code="other_data",
            )
        return study


@contextmanager
def kept_studies(out: Path | None) -> Iterator[Studies]:
    """Yield the studies of a folder, of memory where it is None. Their database is closed afterwards.

    Raises:
        DataError: the folder cannot be written, or its database is none.
    """
    library = optuna_library()
    if out is None:
        yield Studies(None, None)
        return
    path = out / FILE
    try:
        out.mkdir(parents=True, exist_ok=True)
        check_target(path)
        if path.exists() and _beginning(path) not in (b"", SQLITE):
            raise DataError.of(path, "is no study: remove it, or choose another folder", code="damaged")
        _check_database(path)
    except OSError as error:
        raise DataError.of_disk("cannot keep the study in", out, error) from None
    from sqlalchemy.exc import SQLAlchemyError

    with ExitStack() as at_end:
        try:
            storage = library.storages.RDBStorage(f"sqlite:///{path}")
            at_end.callback(storage.engine.dispose)
            at_end.callback(storage.remove_session)
        except (SQLAlchemyError, library.exceptions.OptunaError, RuntimeError) as error:
            raise _unreadable(path, error) from None
        yield Studies(out, storage)


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0]
    return DataError.of(path, f"cannot be read as a study ({reason}): remove it", code="damaged")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(SQLITE))


def _check_database(path: Path) -> None:
    """Refuse what SQLite cannot read, where there is a file; Optuna would leave its connection open."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.DatabaseError as error:
        raise DataError.of(path, f"cannot be read as a study ({error}): remove it", code="damaged") from None


def _created(**options: Any) -> optuna.Study:
    study: optuna.Study = optuna_library().create_study(**options)
    return study


def is_start(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether a trial is that of the model as it was given, with settings that it derived from the data."""
    return "used" in trial.user_attrs


def used_at_start(study: optuna.Study) -> dict[str, Any]:
    """Return the settings that the model as it was given derived, or nothing."""
    trials = study.get_trials(deepcopy=False)
    return next((dict(trial.user_attrs["used"]) for trial in trials if is_start(trial)), {})


def resolved(spaces: Mapping[str, Range | Choice], used: Mapping[str, Any]) -> dict[str, Range | Choice]:
    """Return the spaces with relative ranges around what was used at the start; without those where that is unknown."""
    out: dict[str, Range | Choice] = {}
    for name, space in spaces.items():
        if not (isinstance(space, Range) and space.relative):
            out[name] = space
        elif used.get(name) is not None:
            out[name] = space.around(used[name])
    return out


def add_start(
    study: optuna.Study,
    used: Mapping[str, Any],
    spaces: Mapping[str, Range | Choice],
    value: float | None,
    error: str | None,
    figures: Mapping[int, float],
    begun: datetime,
    notes: Mapping[str, Any],
) -> None:
    """Add the finished trial of the model as it was given.

    Args:
        study: where.
        used: the settings that it derived; beyond the ends of a range the sampler is told the nearer end.
        spaces: what is searched.
        value, error: its figure, or why it has none.
        figures: by epoch.
        begun: when, UTC.
        notes: what is kept beside its figure.
    """
    library, params = optuna_library(), {}
    for name, setting in used.items():
        space = spaces[name]
        params[name] = min(max(setting, space.low), space.high) if isinstance(space, Range) else setting
    trial = library.trial.create_trial(
        state=library.trial.TrialState.COMPLETE if error is None else library.trial.TrialState.FAIL,
        value=value,
        params=params,
        distributions={name: distribution_of(spaces[name]) for name in params},
        user_attrs={"used": dict(used), **notes} if error is None else {"used": {}, "error": error},
        intermediate_values=dict(figures),
    )
    trial.datetime_start = begun
    study.add_trial(trial)


def distribution_of(space: Range | Choice) -> Any:
    """Return a space as Optuna has it."""
    of = optuna_library().distributions
    if isinstance(space, Choice):
        return of.CategoricalDistribution(list(space.values))
    if space.whole:
        return of.IntDistribution(int(space.low), int(space.high), log=space.log)
    return of.FloatDistribution(space.low, space.high, log=space.log)


def suggested(trial: optuna.Trial, name: str, space: Range | Choice) -> Any:
    """Return the value that a trial takes of a space."""
    if isinstance(space, Choice):
        return trial.suggest_categorical(name, list(space.values))
    if space.whole:
        return trial.suggest_int(name, int(space.low), int(space.high), log=space.log)
    return trial.suggest_float(name, space.low, space.high, log=space.log)


def finished_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return trials that need no repeating: complete, pruned, or failed with an error of their own."""
    done = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    return [t for t in done if t.state.name != "FAIL" or "error" in t.user_attrs]


def trials_since_best(study: optuna.Study, finished: list[optuna.trial.FrozenTrial]) -> int:
    """Return how many trials have ended since the best one."""
    numbers = [t.number for t in finished]
    if not any(t.state.name == "COMPLETE" for t in finished):
        return 0
    return sum(number > study.best_trial.number for number in numbers)


def best_figure(study: optuna.Study) -> dict[str, float]:
    """Return {"best": the best figure so far}, or nothing."""
    complete = [t.value for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    return {"best": study.best_value} if complete else {}


def importances(study: optuna.Study) -> dict[str, float]:
    """Return how much each parameter mattered, or nothing where all trials came out alike."""
    complete = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    if len({t.value for t in complete}) < 2:
        return {}
    return {name: float(share) for name, share in optuna_library().importance.get_param_importances(study).items()}


def trial_table(study: optuna.Study) -> pl.DataFrame:
    """Return one row a finished trial."""
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    rows = [
        {
            "trial": t.number + 1,
            "state": states[t.state.name],
            "value": t.value,
            "seconds": t.duration.total_seconds() if t.duration else None,
            "error": t.user_attrs.get("error"),
            "parameters": json.dumps(t.user_attrs.get("used", t.params)),
        }
        for t in finished_trials(study)
    ]
    schema = {"trial": pl.Int64, "state": pl.String, "value": pl.Float64, "seconds": pl.Float64, "error": pl.String}
    return pl.DataFrame(rows, schema={**schema, "parameters": pl.String})
