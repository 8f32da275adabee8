"""The service against its own description: requests made from the OpenAPI document, right ones and wrong ones.

All of schemathesis' checks are on but those in `OFF`, each with its reason.
"""

from __future__ import annotations

import hypothesis
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode

load_all_checks()
OFF = {
    "positive_data_acceptance": "it cannot say all: bytes of an id, columns of conditions, a namespace's kinds",
}
EXAMPLES = {"quick": 500, "long": 10_000}


def checks() -> list:
    assert set(OFF) <= set(CHECKS.get_all_names())
    return [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in OFF]


def attack(app, keys, examples: int, mode: GenerationMode) -> tuple[int, list[str]]:
    """Send so many requests, spread over all operations; return how many were sent, and what was found."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    sent, found = 0, []
    for operation in operations:
        headers = {"Authorization": f"Bearer {keys[operation.definition.raw.get('x-role', 'read')]}"}
        number, failures = attack_one(operation, headers, -(-examples // len(operations)), mode)
        sent, found = sent + number, found + failures
    return sent, found


def attack_one(operation, headers, examples: int, mode: GenerationMode) -> tuple[int, list[str]]:
    """Attack one operation."""
    sent = 0

    @hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def each(case):
        nonlocal sent
        sent += 1
        case.call_and_validate(headers=headers, checks=checks())

    try:
        each()
    except (FailureGroup, Failure) as failure:
        return sent, [f"{operation.label}: {one}" for one in getattr(failure, "exceptions", [failure])]
    except hypothesis.errors.Unsatisfiable:  # an operation that takes nothing has no wrong requests
        assert mode is GenerationMode.NEGATIVE
    return sent, []
