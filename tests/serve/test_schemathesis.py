"""The service against its own description: requests made from the OpenAPI document, right ones and wrong ones.

All of schemathesis' checks are on but those in `OFF` and `OFF_FOR_QUERIES`, each with its reason.
"""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.python import asgi
from serve.attacked import ROLES, made

from palate.serve import problems
from palate.serve.app import create_app
from palate.serve.settings import Settings

load_all_checks()
OFF = {
    "positive_data_acceptance": "it cannot say all: bytes of an id, columns of conditions, a namespace's kinds",
}


OFF_FOR_QUERIES = {
    "negative_data_rejection": "all values of a query are text: a boolean where an id is asked for is the id 'true'",
}


def checks(operation) -> list:
    off = set(OFF) | set(OFF_FOR_QUERIES if operation.method.upper() != "POST" else ())
    assert off <= set(CHECKS.get_all_names())
    return [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in off]


def offered(app) -> list:
    """Return all operations of the service."""
    return [found.ok() for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations()]


def quickly_wrong(operation) -> bool:
    """Return whether wrong requests are found soon: for two ids in one path hundreds are drawn and thrown away."""
    return operation.path.count("{") < 2


def attack(operations, keys, examples: int, mode: GenerationMode) -> tuple[int, list[str]]:
    """Send so many requests, spread over the operations; return how many were sent, and what was found."""
    sent, found = 0, []
    for operation in operations:
        headers = {"Authorization": f"Bearer {keys[operation.definition.raw.get('x-role', 'read')]}"}
        number, failures = attack_one(operation, headers, -(-examples // len(operations)), mode)
        sent, found = sent + number, found + failures
    return sent, found


def attack_one(operation, headers, examples: int, mode: GenerationMode) -> tuple[int, list[str]]:
    """Attack one operation."""
    sent, allowed = 0, checks(operation)

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
        case.call_and_validate(headers=headers, checks=allowed)

    try:
        each()
    except (FailureGroup, Failure) as failure:
        return sent, [f"{operation.label}: {one!r} {one}" for one in getattr(failure, "exceptions", [failure])]
    except hypothesis.errors.Unsatisfiable:  # an operation that takes nothing has no wrong requests
        assert mode is GenerationMode.NEGATIVE
    return sent, []


@pytest.fixture
def shop(tmp_path):
    """A service of a shop, started by schemathesis' own client, and a key of each role."""
    url = f"sqlite:///{tmp_path}/shop.db"
    keys = made(url)
    yield (
        create_app(Settings(store=url, allow_host=("testserver",), run_jobs=False)),
        {role: keys["default", role] for role in ROLES},
    )
    asgi.shutdown_lifespans()


@pytest.mark.parametrize("mode", GenerationMode)
def test_a_hundred_requests_find_nothing(shop, mode):
    """Right ones to all operations, and wrong ones to all but a dozen that the long test asks."""
    app, keys = shop
    operations = offered(app)
    chosen = [each for each in operations if mode is GenerationMode.POSITIVE or quickly_wrong(each)]
    assert len(operations) - len(chosen) <= 12
    sent, found = attack(chosen, keys, 90, mode)  # some operations have fewer different requests
    assert found == []
    assert sent >= 75


@pytest.mark.long
@pytest.mark.parametrize("mode", GenerationMode)
def test_ten_thousand_requests_find_nothing(shop, mode):
    app, keys = shop
    sent, found = attack(offered(app), keys, 7_000, mode)  # many of Gorse's routes have few different requests
    assert found == []
    assert sent >= 5_000


def test_a_fault_of_the_service_is_found(shop, monkeypatch):
    app, keys = shop
    few = [each for each in offered(app) if each.path.startswith("/v1/items")]
    assert attack(few, keys, 2 * len(few), GenerationMode.NEGATIVE)[1] == []
    monkeypatch.setattr("palate.serve.problems.STATUS", problems.STATUS | {"request": 501})
    found = attack(few, keys, 2 * len(few), GenerationMode.NEGATIVE)[1]
    assert any("507" in failure or "Server error" in failure for failure in found)
