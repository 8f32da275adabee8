"""Which options of a command go together: one that would do nothing beside another is refused, before any work.

What can be told from the names alone stands in ``RULES``. What depends on a model, a metric or the data is asked of
them by functions here. A test walks through every command, each pair of its options at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from typer.core import TyperCommand

from palate.cli.common import usage_error

if TYPE_CHECKING:
    from palate.models.contract.base import Recommender

PairedTest = Literal["permutation", "wilcoxon"]


@dataclass(frozen=True)
class Rule:
    """An option, and the others that it cannot stand beside, or of which it needs one.

    Attributes:
        option: its name, as it is typed; an argument's in capitals.
        without: names that may not be given beside it.
        needs: names of which one must be given.
        why: what is so, and what to do; ends the sentence.
    """

    option: str
    without: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    why: str = ""

    def broken_by(self, given: Sequence[str]) -> str | None:
        """Return the sentence that refuses these options, or None."""
        if self.option not in given:
            return None
        beside = [name for name in self.without if name in given]
        if beside:
            return f"{self.option} {self.why or 'goes without it'}: leave out {beside[0]}"
        if self.needs and not any(name in given for name in self.needs):
            return f"{self.option} {self.why}: name {' or '.join(self.needs)}"
        return None


_PARTS = (
    Rule("--train", without=("DATA", "--split", "--fold"), why="and --test are a split already"),
    Rule("--train", needs=("--test",), why="is a training part, and the test part is lacking"),
)
_TEST = Rule("--test", without=("DATA", "--split", "--fold"), why="is a test part already")
_WITH_TRAIN = Rule("--test", needs=("--train",), why="is a test part, and the training part is lacking")
_OVERLAP = Rule("--on-overlap", needs=("--test",), why="is for parts that were made elsewhere")
_FITTED = ("--model", "--preset", "--set", "--stop-on", "--out", "--attributes", "--users")
_OF_SERVICE = (
    "--store", "--page", "--check",
    "--folder", "--namespace", "--workers", "--keep-lists", "--keep-events", "--new-items-share",
    "--schedule", "--log",
)  # fmt: skip

_SESSION = Rule("--master", without=("--remote",), why="starts Spark from here, and --remote asks a server that runs")

RULES: dict[str, tuple[Rule, ...]] = {
    **{f"palate spark {name}": (_SESSION,) for name in ("prepare", "recommend", "evaluate", "split", "save")},
    "palate spark train": (_SESSION, Rule("--resume", without=("--overwrite",), why="goes on with what is there")),
    "palate evaluate": (
        Rule("--model-file", without=_FITTED, why="is a fitted model, measured as it is"),
        *_PARTS,
        _TEST,
        Rule("--test", needs=("--train", "--model-file"), why="is a test part, and what to learn from is lacking"),
        Rule("--on-overlap", needs=("--test", "--model-file"), why="is for parts that were made elsewhere"),
    ),
    "palate compare": (*_PARTS, _TEST, _WITH_TRAIN, _OVERLAP),
    "palate tune": (
        *_PARTS,
        _TEST,
        _WITH_TRAIN,
        _OVERLAP,
        Rule("--seconds", without=("--time",), why="is the same as --time"),
    ),
    "palate data split": (
        *_PARTS,
        _TEST,
        _WITH_TRAIN,
        _OVERLAP,
        Rule("--joined", needs=("--train",), why="writes the rows of two files as one"),
        Rule("--train", needs=("--joined",), why="and --test are two files, and row numbers are of one"),
        Rule("--parts", without=("--train",), why="writes the two parts, which are there"),
    ),
    "palate export": (
        Rule("--layout", needs=("--to",), why="is of a folder"),
        Rule("-n", needs=("--onnx",), why="is of an ONNX graph"),
        Rule("--results", needs=("--card",), why="is told by a model card"),
    ),
    "palate train": (Rule("--config", without=("--model", "--preset"), why="names the model and its parameters"),),
    "palate store namespaces": (Rule("--ids", needs=("--add",), why="is of a namespace to be made"),),
    "palate data show": (Rule("--users", needs=("--plots",), why="is drawn, and not listed"),),
    "palate serve": (Rule("--gradio", without=_OF_SERVICE, why="is a page alone, without a store"),),
    "palate experiments start": (
        Rule("--rate", needs=("--effect",), why="plans how many lists an arm needs"),
        Rule("--power", needs=("--effect",), why="plans how many lists an arm needs"),
    ),
    "palate off-policy": (Rule("--scenario", without=("--preset",), why="has a preset already"),),
    "palate models": (Rule("--metrics", without=("KEY",), why="lists all metrics"),),
}


class CheckedCommand(TyperCommand):
    """A command that refuses options which do not go together."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, where what was typed goes together.

        Raises:
            BadParameter: says which two do not, and what to do.
        """
        given = typed_names(self, ctx)
        for rule in RULES.get(ctx.command_path, ()):
            if sentence := rule.broken_by(given):
                raise usage_error(sentence)
        return super().invoke(ctx)


def typed_names(command: Any, ctx: Any) -> list[str]:
    """Return the names of what stands on the command line, defaults left out."""
    typed = [p for p in command.params if getattr(ctx.get_parameter_source(p.name), "name", "") == "COMMANDLINE"]
    if ctx.command_path == "palate compare" and str(ctx.params["test"]) in get_args(PairedTest):
        typed = [p for p in typed if p.name != "test"]  # as --paired-test was called
    return [p.name.upper() if p.param_type_name == "argument" else p.opts[0] for p in typed]


# -- what depends on models, metrics and data


def check_metrics_use(
    models: Sequence[Recommender], metrics: Sequence[str], *, positive: Any = None, part: Mapping[str, Any]
) -> None:
    """Refuse --positive, --where, --allow and --deny where no list is drawn and no model learns from clicks.

    Args:
        models: all that are measured.
        metrics: their names.
        positive: of --positive.
        part: what is given of --allow, --deny and --where.
    """
    from palate.metrics import named

    if any(named(name).metric.kind != "rating" for name in metrics):
        return
    shown = ", ".join(metrics)
    if chosen := [f"--{name}" for name, words in part.items() if words]:
        raise usage_error(f"{chosen[0]} is of the lists that are drawn, and {shown} needs none: add a metric of lists")
    if positive is not None and not any(learns_from(model, positive) for model in models):
        keys = ", ".join(dict.fromkeys(model.key for model in models))
        raise usage_error(
            f"--positive says which rows are relevant in lists, or clicks to learn from: {shown} needs no lists, and "
            f"{keys} does not learn by it; leave it out"
        )


def learns_from(model: Recommender, positive: Any) -> bool:
    """Return whether --positive is the model's own rule of what a click is."""
    return "positive" in model.parameter_names() and model.get_params()["positive"] == positive


def check_users_use(models: Sequence[Recommender], attributes: bool | None, given: bool, *, more: str = "") -> None:
    """Refuse --users where no model takes attributes: the table would be read and forgotten.

    Args:
        models: all that are fitted.
        attributes: of --attributes.
        given: whether there is a table of users.
        more: what else would make use of it, for the sentence.
    """
    takes = [
        m for m in models if "features" in m.supports and (m.uses_attributes if attributes is None else attributes)
    ]
    if given and not takes:
        raise usage_error(f"--users has attributes of people, and {_why_not(models, attributes)}{more}")


def _why_not(models: Sequence[Recommender], attributes: bool | None) -> str:
    """Return what keeps attributes out of the models, and what to do."""
    keys, able = ", ".join(dict.fromkeys(model.key for model in models)), any("features" in m.supports for m in models)
    if able and attributes is False:
        return "--no-attributes keeps them out: leave out either"
    what = "--attributes lets them enter" if able else "leave it out, or choose a model that does (bayes)"
    return f"{keys} takes none here: {what}"


def check_stop_on(model: Recommender, stop_on: str) -> None:
    """Refuse --stop-on test for a model that neither chooses by a validation part nor tells of it."""
    from palate.models import MODELS

    if stop_on == "test" and not model.tells_validation:
        able = ", ".join(key for key, cls in MODELS.items() if cls.tells_validation)
        raise usage_error(f"--stop-on test: {model.key} looks at no such part ({able} do): leave it out")
