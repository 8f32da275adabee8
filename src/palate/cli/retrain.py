"""``palate retrain``: train on the store's log in a process of its own, and let the new version answer if it passes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, inputs
from palate.cli.store import NamespaceOption, StoreOption
from palate.cli.store_rules import FolderOption

if TYPE_CHECKING:
    from palate.store.jobs import StoredJob
    from palate.store.records import Namespace
    from palate.store.store import Store

MODULE = "palate.retraining"
SECONDS = 0.3  # between two looks at the job


def retrain(
    store: StoreOption,
    namespace: NamespaceOption = "default",
    folder: FolderOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="KEY|FILE", help="What to train, or a config of palate tune; without it, as the running model."
        ),
    ] = None,
    set_: common.SetOption = None,
    metric: Annotated[str | None, typer.Option(help="Of the gate: ndcg@10 (as usual), recall@20, rmse, …")] = None,
    days: Annotated[float | None, typer.Option(help="The newest days, which both are judged on: 7 as usual.")] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="By how much the candidate is to be better, below 0 by how much it may be worse: 0 as usual."
        ),
    ] = None,
    test: Annotated[
        Literal["not_worse", "better"] | None,
        typer.Option(
            help="not_worse (as usual) refuses where the whole interval of the difference lies below the margin; "
            "better where any of it does."
        ),
    ] = None,
    fewest: Annotated[
        int | None, typer.Option(help="People in these days below whom nothing is judged: 30 as usual.")
    ] = None,
    warm: Annotated[
        bool | None,
        typer.Option("--warm/--cold", help="Go on from the running model, or start afresh; als, ials, bayes go on."),
    ] = None,
    activate: Annotated[
        bool, typer.Option("--activate/--no-activate", help="Whether a version that passes answers at once.")
    ] = True,
    keep: Annotated[int | None, typer.Option(help="Versions whose files are kept: 5 as usual.")] = None,
    as_json: common.Json = False,
) -> None:
    """Train on all that the store knows, judge on the newest days, and let the new version answer if it passes.

    What runs now goes on answering meanwhile, and for good where the new one is refused. palate versions overrule lets
    a refused one answer, palate versions roll-back goes back.

    [dim]palate retrain --store sqlite:///shop.db[/]

    [dim]palate retrain --store sqlite:///shop.db --model ials --set n_factors=64 --margin=-0.002[/]
    """
    from palate.retraining import KIND, checked
    from palate.store import jobs, open_store, working

    rule = {"metric": metric, "days": days, "margin": margin, "test": test, "fewest": fewest}
    said = {**_model(model, set_), "warm": warm, "activate": activate, "keep": keep, "rule": rule}
    with open_store(store, folder, create=False) as there:
        ns = there.namespace(namespace)
        there.folder.mkdir(parents=True, exist_ok=True)
        number = jobs.only_one(there, ns, KIND, checked(said), held=True)
        process = working.launch(there, ns, number, MODULE)
        try:
            _watch(there, ns, number, process)
        except KeyboardInterrupt:
            working.kill(process)
            raise common.Stopped("stopped: the version that answered before goes on") from None
        finally:
            working.ended(there, ns, number, process)
        with there.read() as conn:
            job = jobs.get(conn, ns, number)
    _tell(job, there.url, as_json=as_json)


def _model(key: str | None, set_: list[str] | None) -> dict[str, Any]:
    """Return the settings that --model and --set say."""
    if key is None:
        if set_:
            raise common.usage_error("--set is of the model that --model names: name it, too")
        return {}
    from palate.models.contract.parameters import plain_value

    model = inputs.new_model(key, None, set_)
    fresh = type(model)().get_params()
    given = {name: plain_value(value) for name, value in model.get_params().items()}
    return {"model": model.key, "parameters": {name: v for name, v in given.items() if v != fresh[name]}}


def _watch(store: Store, ns: Namespace, number: int, process: subprocess.Popen[bytes]) -> None:
    """Show the job's log as it grows, until its process ends."""
    from palate.store import jobs

    shown, running = 0, True
    while running:
        try:
            process.wait(SECONDS)
            running = False
        except subprocess.TimeoutExpired:
            pass
        with store.read() as conn:
            log = jobs.get(conn, ns, number).log
        if len(log) > shown:
            common.tell(log[shown:].rstrip("\n"))
            shown = len(log)


def _tell(job: StoredJob, url: str, *, as_json: bool) -> None:
    """Tell what came of the job, and what can be done then."""
    from palate.errors import PalateError

    if job.state != "done":
        last = job.log.strip().rpartition("\n")[2]
        raise PalateError.of(f"retraining (job {job.number})", f"{job.state}: {last}", code="failed", value=job.number)
    done, verdict = job.outcome, job.outcome["verdict"]
    if as_json:
        common.emit({"job": job.number, **done})
        return
    stdout = common.console()
    state = "answers" if done["activated"] else "is kept, and does not answer"
    stdout.print(f"version {done['version']} {state}")
    if verdict["decision"] == "refused":
        common.show_next(stdout, "versions", "overrule", done["version"], "--by", "NAME", "--store", url)
