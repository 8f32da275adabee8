"""`/v1/off-policy`: what a policy that was not run would have brought, as a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from palate.serve import off_policy
from palate.serve.bodies import WORD, Asked, ModelAsked, Whole
from palate.serve.learning import JobSaid, JobSettings
from palate.serve.operations import Exchange, Offers, Reply
from palate.serve.routes.jobs import job_said
from palate.serve.routes.said import in_thread, micros
from palate.store import jobs
from palate.store.jobs import StoredJob

offer = Offers("off-policy")
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=WORD)]
BOLD = {"explore": {"policy": "softmax", "temperature": 0.3}, "diversity": 0.3}


class OffPolicyRequest(Asked):
    """A policy to be asked about, a scenario's or a preset, and the lists to learn from."""

    scenario: Annotated[Name | None, Field(description="Whose preset is asked about.")] = None
    preset: Annotated[
        JobSettings | None, Field(description="A preset that no scenario has; {} is the model's order.")
    ] = None
    model: Annotated[
        ModelAsked | None,
        Field(description="A version's number or a model's key, in place of the preset's."),
    ] = None
    lists_of: Annotated[Name | None, Field(description="Lists of this scenario alone.")] = None
    experiment: Annotated[Name | None, Field(description="Lists of this experiment alone.")] = None
    since: Annotated[AwareDatetime | None, Field(description="Lists shown from then on.")] = None
    until: Annotated[AwareDatetime | None, Field(description="Lists shown before then.")] = None
    most: Annotated[
        Whole, Field(ge=1, le=off_policy.LARGEST, description="Lists to replay; of more, so many are drawn.")
    ] = off_policy.MOST


@offer(
    "POST",
    "/v1/off-policy",
    {202: JobSaid},
    role="admin",
    errors=(404, 409),
    examples={"a preset": {"preset": BOLD, "lists_of": "default"}},
)
async def start_off_policy(call: Exchange, asked: OffPolicyRequest) -> Reply:
    """Estimate what a policy would have brought per list, from lists that explored: a job, whose outcome tells.

    It is replayed on the logged lists, with what was known of each person then. Where too little of what it would show
    was shown, the outcome says so in place of a figure.
    """
    record = asked.model_dump(exclude_none=True)
    for name in ("since", "until"):
        if name in record:
            record[name] = micros(record[name])
    return Reply(job_said(await in_thread(_start, call, record)), 202)


def _start(call: Exchange, record: Mapping[str, Any]) -> StoredJob:
    store, ns = call.service.store, call.ns
    number = jobs.only_one(store, ns, off_policy.KIND, off_policy.checked(store, ns, record))
    with store.read() as conn:
        return jobs.get(conn, ns, number)
