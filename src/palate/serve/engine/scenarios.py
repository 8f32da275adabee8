"""Presets and experiments of a namespace in a worker: what a request is answered through, and by which version.

They are read again when the namespace's counter of changes has risen, so that a change holds from the next request on.
Versions beside the active one that presets name are loaded in the background. Until then a scenario stays at its
revision before; requests of one that had none wait for it. A version that cannot be loaded is tried again, and
meanwhile the active one answers for a scenario that had no other: answer and log name the version that did.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palate.errors import NotFoundError, ParameterError, UnavailableError
from palate.serve.engine.asking import Ask
from palate.serve.engine.people import Moment
from palate.serve.engine.presets import through
from palate.serve.engine.space import Tenant
from palate.store import experiments, scenarios
from palate.store.experiments import Experiment
from palate.store.scenarios import USUAL, Scenario
from palate.store.versions import wanted_by

if TYPE_CHECKING:
    from sqlalchemy import Connection


log = logging.getLogger(__name__)


class VersionLoadingError(UnavailableError):
    """The version that a new scenario names is being loaded: ask again in a moment."""


@dataclass(frozen=True, slots=True)
class StandingScenario:
    """A scenario that requests are answered through.

    Attributes:
        scenario: its revision.
        number: of the version that its preset names; None: the active one.
    """

    scenario: Scenario
    number: int | None


class Scenarios:
    """What a worker knows of the scenarios of a namespace. The engine's lock guards it.

    Args:
        main: what answers by the active version.
    """

    def __init__(self, main: Tenant) -> None:
        self.main, self.changes = main, -1
        self._active: int | None = None  # number of the version that the store says is active
        self._wanted: dict[str, StandingScenario] = {}
        self._standing: dict[str, StandingScenario] = {}
        self._experiments: dict[str, Experiment] = {}
        self._tenants: dict[int, Tenant] = {}
        self._behind = False  # a scenario is not at its newest revision

    def __bool__(self) -> bool:
        return bool(self._standing or self._experiments)

    def wait(self) -> None:
        """Wait for the versions that are being loaded."""
        for tenant in list(self._tenants.values()):
            tenant.wait()

    def refresh(self, conn: Connection, moment: Moment) -> None:
        """Bring what is known up to the moment of a read transaction; the main tenant is up to it."""
        if moment.changes != self.changes:
            self._read(conn)
            self.changes = moment.changes
        if self._behind:
            self._go_over(conn, moment)

    def _read(self, conn: Connection) -> None:
        ns, wanted = self.main.ns, self.main.wanted(conn)
        self._active = None if wanted is None else wanted[0]
        self._wanted = {
            one.name: StandingScenario(one, _number_of(conn, self.main, one)) for one in scenarios.listed(conn, ns)
        }
        self._experiments = {one.scenario: one for one in experiments.listed(conn, ns, running=True)}
        self._behind = bool(self._wanted or self._standing)

    def _go_over(self, conn: Connection, moment: Moment) -> None:
        """Let each scenario go over to its newest revision, where the version of that is loaded."""
        before = self._standing
        self._start_loading(conn, moment)
        self._standing = {
            name: newest if name not in before or self.space_of(newest.number) is not None else before[name]
            for name, newest in self._wanted.items()
        }
        self._behind = not all(self._is_settled(one.number) for one in self._wanted.values())
        if not self._behind:
            self._start_loading(conn, moment)  # and drop what nobody names any more

    def _start_loading(self, conn: Connection, moment: Moment) -> None:
        """Have a tenant for each version that is named and not active; one that becomes active goes on until it is."""
        main, before = self.main, self._tenants
        every = {one.number for one in (*self._wanted.values(), *self._standing.values())}
        numbers = [n for n in every if n is not None and (n != self._active or (n in before and not self._is_main(n)))]
        self._tenants = {
            n: before.get(n) or Tenant(main.store, main.ns, main.versions, main.default_share, n) for n in numbers
        }
        for tenant in self._tenants.values():
            tenant.refresh(conn, moment)

    def _is_main(self, number: int) -> bool:
        return self.main.loaded is not None and self.main.loaded.number == number

    def _is_settled(self, number: int | None) -> bool:
        """Return whether a version answers where it is to answer in the end."""
        if number is None:
            return True
        if number == self._active:
            return self._is_main(number)
        return number in self._tenants and self._tenants[number].loaded is not None

    def space_of(self, number: int | None) -> Tenant | None:
        """Return what answers by a version now; None where nothing does."""
        if number is None or self._is_main(number):
            return self.main
        tenant = self._tenants.get(number)
        return tenant if tenant is not None and tenant.loaded is not None else None

    def answering(self, name: str) -> Tenant:
        """Return what answers by the version that a scenario's preset names.

        Raises:
            ParameterError: there is no such scenario.
            VersionLoadingError: the version of a new scenario is not there yet.
        """
        self._check_name(name)
        standing = self._standing.get(name)
        return self.main if standing is None else self._space_for(standing)

    def has(self, name: str) -> bool:
        """Return whether requests may name a scenario."""
        return name == USUAL or name in self._standing

    def _check_name(self, name: str) -> None:
        if not self.has(name):
            raise ParameterError.unknown("no scenario", name, self._standing)

    def spaces(self) -> list[Tenant]:
        """Return what answers by a version now, the active one first."""
        return [self.main, *(one for one in self._tenants.values() if one.loaded is not None)]

    def through(self, ask: Ask, user: str | None) -> tuple[Tenant, Ask]:
        """Return what answers a request, and the request as preset and arm make it.

        Args:
            ask: as it came.
            user: id of whoever takes part in experiments; None for a session, or nobody.

        Raises:
            ParameterError: there is no such scenario, or it and the request together cannot be answered.
            VersionLoadingError: the version of a new scenario is not there yet.
        """
        name = ask.scenario or USUAL
        self._check_name(name)
        experiment = self._experiments.get(name) if user is not None else None
        arm = None if experiment is None or user is None else experiment.arm_of(user)
        standing = self._standing.get(name if arm is None else arm.scenario)
        if standing is None and arm is None:
            return self.main, ask
        preset = None if standing is None else standing.scenario
        if experiment is None or arm is None:
            made = through(ask, preset)
        else:
            made = through(ask, preset, experiment.name, arm.name)
        made.check()
        return self._space_for(standing), made

    def _space_for(self, standing: StandingScenario | None) -> Tenant:
        number = None if standing is None else standing.number
        space = self.space_of(number)
        if space is not None:
            return space
        if self._tenants.get(number or 0, self.main).problem is not None:
            return self.main
        raise VersionLoadingError.of(
            f"the scenario '{standing.scenario.name if standing else USUAL}'",
            f"is answered by model version {number}, which is being loaded: ask again in a second",
        )


def _number_of(conn: Connection, main: Tenant, scenario: Scenario) -> int | None:
    """Return the number of the version that a preset names; None: the active one, also instead of one that is gone."""
    model = None if scenario.preset is None else scenario.preset.model
    try:
        return wanted_by(conn, main.ns, model)
    except NotFoundError as error:
        log.error("namespace %s: scenario %s: %s; the active version answers", main.ns.name, scenario.name, error)
        return None
