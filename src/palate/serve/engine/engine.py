"""The engine of a worker: requests in, answers out, of one moment of the store and one version of the model.

One read transaction gives the counters, what changed, and the events of whoever asks; one product scores all known
users of a batch, one fold-in all others; the lists are kept by the store's group commit before anybody is answered.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from palate.errors import PalateError, StoreError, UnavailableError
from palate.parallel import single_blas_thread
from palate.serve import measures
from palate.serve.engine import listing
from palate.serve.engine.asking import Answer, Ask, Left, Predicted, Reasons, Scale
from palate.serve.engine.begun import Begun
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.engine.others import Others
from palate.serve.engine.own import listed_items, own_ratings, trained_ratings
from palate.serve.engine.pages import following
from palate.serve.engine.parts import parts_of
from palate.serve.engine.people import NOBODY, KnownPerson, Moment, moment_of
from palate.serve.engine.questions import knows_itself
from palate.serve.engine.scenarios import Scenarios
from palate.serve.engine.space import LoadsVersions, Tenant
from palate.serve.engine.spread import Spread
from palate.serve.engine.titles import TitleIndex
from palate.serve.engine.typed import typed_user
from palate.store import lists
from palate.store.records import Namespace, ShownList

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from palate.serve.engine.catalogue import Catalogue
    from palate.store.store import Store

NEW_ITEMS_SHARE = 0.1
WRITING = 10.0  # seconds that a list may take to be written
PATIENCE = 2.0  # seconds that a following page waits for being kept; it is answered then, and may be kept later
PAGES = 4  # that wait for the store at once


class Engine:
    """Answers for all namespaces of a store. Safe for several threads; `close` it at the end.

    Args:
        store: what is read and written.
        new_items_share: of places, for new items that a model cannot score; a namespace's settings may say another.
        versions: loads model versions, as `palate.store.versions` does.
        clock: returns now, microseconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        new_items_share: float = NEW_ITEMS_SHARE,
        versions: LoadsVersions | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.store, self.share = store, new_items_share
        self.versions = versions if versions is not None else _versions()
        self.clock = clock or (lambda: time.time_ns() // 1000)
        self._spaces: dict[int, Tenant] = {}
        self._scenarios: dict[int, Scenarios] = {}
        self._titles: dict[int, tuple[Catalogue, int, TitleIndex]] = {}
        self._lock = threading.RLock()
        self._pages = ThreadPoolExecutor(PAGES, thread_name_prefix="palate-pages")
        self._stack = ExitStack()
        self._stack.enter_context(single_blas_thread())

    def close(self) -> None:
        """Wait for versions that are being loaded, and give BLAS its threads back."""
        for key, space in self._spaces.items():
            space.wait()
            self._scenarios[key].wait()
        self._pages.shutdown()
        self._stack.close()

    # -- lists ------------------------------------------------------------------------------------------------------

    def answer(self, asks: Sequence[Ask]) -> list[Answer | PalateError]:
        """Return the answer of each request, or why there is none; their lists are committed, or marked as not."""
        begun = self.begin(asks)
        wait([future for _, future in begun.writes], WRITING)
        return begun.results()

    def begin(self, asks: Sequence[Ask]) -> Begun:
        """Return the answers of requests while their lists are being written."""
        begun = Begun([NOT_ANSWERED] * len(asks))
        by_namespace: dict[int, list[int]] = {}
        for at, ask in enumerate(asks):
            try:
                ask.check()
            except PalateError as error:
                begun.answers[at] = error
            else:
                by_namespace.setdefault(ask.ns.key, []).append(at)
        for of in by_namespace.values():
            self._begin([asks[at] for at in of], of, begun)
        return begun

    def _begin(self, asks: list[Ask], of: list[int], begun: Begun) -> None:
        """Answer the requests of one namespace."""
        started, now = time.perf_counter(), self.clock()
        timings: dict[str, float] = {}
        answers: list[Answer | PalateError] = [NOT_ANSWERED] * len(asks)
        shown: list[ShownList] = []
        try:
            with self._lock:
                ids = [ask.user for ask in asks if ask.user is not None]
                with self._moment(asks[0].ns, ids) as (space, conn, moment):
                    parts, refused = parts_of(self._scenarios[space.ns.key], conn, moment, asks, now)
                read = time.perf_counter()
                for at, error in refused.items():
                    answers[at] = error
                for part in parts:
                    made, lists_made = part.answered(now, timings)
                    self._count(part.space, made)
                    shown += lists_made
                    for at, answer in zip(part.at, made, strict=True):
                        answers[at] = answer
            timings |= {"store": read - started, "model": time.perf_counter() - read}
        except PalateError as error:
            answers, shown = [error] * len(asks), []
        for at, answer in zip(of, answers, strict=True):
            begun.answers[at] = answer
        if shown:
            kept = [at for at, answer in zip(of, answers, strict=True) if isinstance(answer, Answer)]
            begun.writes.append((kept, self._write(asks[0].ns, shown)))

    def _count(self, space: Tenant, answers: Sequence[Answer | PalateError]) -> None:
        """Tell what `/metrics` shows."""
        for policy, n in Counter(answer.policy for answer in answers if isinstance(answer, Answer)).items():
            measures.LISTS.labels(policy).inc(n)
        hits, misses, folded = space.people.counted()
        measures.FOLD_INS.inc(folded)
        measures.CACHE.labels("hit").inc(hits)
        measures.CACHE.labels("miss").inc(misses)

    def _write(self, ns: Namespace, shown: Sequence[Any]) -> Future[None]:
        try:
            return self.store.writer.lists(ns, shown)
        except StoreError as error:
            refused: Future[None] = Future()
            refused.set_exception(error)
            return refused

    def following(self, ns: Namespace, list_id: str, first: int, n: int) -> Answer:
        """Return a page of a list that was shown: places ``first`` to ``first + n - 1`` of the order that it had then.

        Items that have become forbidden since (hidden, deleted, chosen or hidden by the user, no longer meeting the
        list's conditions) are left out, and counted as ``withheld``. Scores are told by the first page alone.

        Raises:
            NotFoundError: there is no such list, or the version that it was made by is gone.
            UnavailableError: the store cannot be read.
        """
        now = self.clock()
        with self._lock, self._moment(ns) as (space, conn, moment):
            shown = lists.get(conn, ns, list_id)
            space = self._scenarios[ns.key].space_of(shown.version) or space
            space.refresh(conn, moment)
            answer = following(space, conn, shown, first, n, now)
        if not answer.places:
            return answer
        written = self._pages.submit(lists.add_page, self.store, ns, list_id, first, answer.places, now)
        try:
            written.result(PATIENCE)
        except (UnavailableError, TimeoutError):
            measures.UNLOGGED.inc()
            return replace(answer, logged=False)
        return answer

    # -- other questions --------------------------------------------------------------------------------------------

    def similar(
        self,
        ns: Namespace,
        item: str,
        n: int = 10,
        where: tuple[str, ...] = (),
        include: tuple[str, ...] | None = None,
        exclude: tuple[str, ...] = (),
    ) -> Answer:
        """Return the items most like one, by the model.

        Raises:
            NotFoundError: neither the model nor the store has the item, or the model cannot tell what is like it.
            ParameterError: the model has no likeness of items, or a condition is wrong.
        """
        ask = Ask(ns=ns, n=n, where=where, include=include, exclude=exclude)
        with self._others(ns) as others:
            answer = others.similar(item, ask)
        return self._kept(ask, answer, {"item": item})

    def onboarding(
        self,
        ns: Namespace,
        n: int = 10,
        where: tuple[str, ...] = (),
        include: tuple[str, ...] | None = None,
        exclude: tuple[str, ...] = (),
        user: str | None = None,
        session: tuple[tuple[str, float | None], ...] | None = None,
        skipped: tuple[str, ...] = (),
    ) -> Answer:
        """Return what to ask somebody about next (`palate.serve.engine.questions`); the score is what each is worth.

        A version that knows how sure it is chooses, the active one or one that a scenario names; else the active one.

        Args:
            ns, n, where, include, exclude: which items may be asked about.
            user, session: who is asked, by their feedback or by what they said until now; neither: nobody is known.
            skipped: ids of what they said they do not know.

        Raises:
            ParameterError: user and session are both given, or an item of the session needs a rating and has none.
        """
        ask = Ask(ns=ns, n=n, user=user, session=session, where=where, include=include, exclude=exclude)
        ask.check()
        with self._lock, self._moment(ns) as (space, conn, _):
            spaces = self._scenarios[ns.key].spaces()
            others = Others(next((one for one in spaces if knows_itself(one.loaded)), space), conn)
            answer = others.onboarding(ask, self._asked(others, ask), skipped)
        return self._kept(ask, answer, {"skipped": len(skipped)} if skipped else None)

    def _asked(self, others: Others, ask: Ask) -> KnownPerson:
        """Return whom a request is about.

        Raises:
            ParameterError: their session cannot be read.
        """
        if ask.user is not None:
            return self._person(others, ask.user)
        if ask.session is None:
            return NOBODY
        (person,) = others.space.people.of_sessions([ask.session])
        if isinstance(person, PalateError):
            raise person
        return person

    def best(
        self,
        ns: Namespace,
        kind: str,
        n: int = 10,
        where: tuple[str, ...] = (),
        include: tuple[str, ...] | None = None,
        exclude: tuple[str, ...] = (),
        days: int | None = None,
    ) -> Answer:
        """Return what is "popular", "trending" or "latest" among the items that meet the conditions."""
        ask = Ask(ns=ns, n=n, where=where, include=include, exclude=exclude)
        with self._others(ns) as others:
            answer = others.best(kind, ask, days)
        return self._kept(ask, answer, {} if days is None else {"days": days})

    def popular_for(self, ask: Ask) -> Answer:
        """Return what is popular with everybody and a user has neither had nor hidden: what a model has to beat.

        Raises:
            ParameterError: a condition is wrong.
            UnavailableError: the store cannot be read.
        """
        ask.check()
        now, ns = self.clock(), ask.ns
        with self._others(ns) as others:
            known = NOBODY if ask.user is None else self._person(others, ask.user)
            person = replace(known, place=-1, scorer=None, rows=None)  # of whom no taste is known
            orders = others.space.ranking.orders([ask], [person])
            answers, shown = listing.answered(others.space, [ask], [person], orders, now, {})
        begun = Begun(answers, [([0], self._write(ns, shown))] if shown else [])
        wait([future for _, future in begun.writes], WRITING)
        (answer,) = begun.results()
        if isinstance(answer, PalateError):
            raise answer
        return answer

    def _kept(self, ask: Ask, answer: Answer, said: Mapping[str, Any] | None = None) -> Answer:
        """Return an answer that is nobody's own when its list is committed, or marked as not."""
        begun = listing.kept(ask, answer, self.clock(), said or {})
        wait([written := self._write(ask.ns, [begun])], WRITING)
        made = Begun([replace(answer, list_id=begun.list_id)], [([0], written)])
        (told,) = made.results()
        measures.LISTS.labels(answer.policy).inc()
        return cast(Answer, told)

    def predict(
        self,
        ns: Namespace,
        user: str,
        items: Sequence[str],
        interval: float | None = None,
        scenario: str | None = None,
    ) -> Predicted:
        """Return what a user would think of items.

        Args:
            ns, user, items: whose.
            interval: the probability that the interval holds the rating; None for no intervals. Models without a
                distribution have none.
            scenario: by the version that this scenario's preset names; None: by the active one.

        Raises:
            ParameterError: the model predicts no values, interval is not between 0 and 1, or there is no such scenario.
            UnavailableError: the scenario's version is being loaded.
        """
        with self._others(ns, scenario) as others:
            return others.predict(self._person(others, user), items, interval)

    def explain(self, ns: Namespace, user: str, item: str, n: int = 10, scenario: str | None = None) -> Reasons:
        """Return of what the score of a user and an item is made: the parts add up to it.

        Args:
            ns, user, item: whose, of what.
            n: own items that are told.
            scenario: by the version that this scenario's preset names; None: by the active one.

        Raises:
            NotFoundError: the model does not know the item.
            ParameterError: the model cannot explain, or there is no such scenario.
            UnavailableError: the scenario's version is being loaded.
        """
        with self._others(ns, scenario) as others:
            return others.explain(self._person(others, user), item, n)

    def has_scenario(self, ns: Namespace, name: str) -> bool:
        """Return whether requests may name a scenario.

        Raises:
            UnavailableError: the store cannot be read.
        """
        with self._lock, self._moment(ns):
            return self._scenarios[ns.key].has(name)

    def own_ratings(self, ns: Namespace, user: str, scenario: str | None = None) -> dict[str, float]:
        """Return what somebody rated, by item, as they last did: in the log, and before it in a version's training.

        What only stands for a rating, as "hide" may, is none.

        Args:
            ns, user: whose.
            scenario: the version is that which this scenario's preset names; None: the active one.

        Raises:
            ParameterError: there is no such scenario.
            UnavailableError: the scenario's version is being loaded.
        """
        now = self.clock()
        with self._lock, self._moment(ns, [user]) as (space, conn, moment):
            answering = space if scenario is None else self._scenarios[ns.key].answering(scenario)
            return own_ratings(answering, conn, moment.stands[user], now)

    def trained_ratings(self, ns: Namespace, user: str, scenario: str | None = None) -> dict[str, float]:
        """Return what somebody rated before the log began, by item: in the training of a version, as `own_ratings`."""
        with self._lock, self._moment(ns, [user]) as (space, _, moment):
            answering = space if scenario is None else self._scenarios[ns.key].answering(scenario)
            return trained_ratings(answering, moment.stands[user])

    # -- what is known of items -------------------------------------------------------------------------------------

    def version(self, ns: Namespace) -> LoadedVersion | None:
        """Return the version that answers; None without one. Nothing of it ever changes."""
        with self._lock, self._moment(ns) as (space, *_):
            return space.loaded

    def listed(self, ns: Namespace, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the attributes of items that a list may hold, a title among them; others are left out."""
        with self._lock, self._moment(ns) as (space, *_):
            return listed_items(space.catalogue, ids)

    def facts(self, ns: Namespace) -> tuple[bool, Spread]:
        """Return whether a model answers, and what the catalogue spans."""
        with self._others(ns) as others:
            return others.space.loaded is not None, others.catalogue.spread

    def typed_user(self, ns: Namespace, typed: str) -> str:
        """Return the id of the user that somebody typed, whom the store or the model knows.

        Raises:
            NotFoundError: it is nobody's; in a sentence for whoever typed it.
        """
        with self._others(ns) as others:
            return typed_user(others.conn, ns, others.space.loaded, typed)

    def left(self, ask: Ask) -> Left:
        """Return what the list of a request is chosen from.

        Raises:
            ParameterError: a condition is wrong.
        """
        with self._others(ask.ns, ask.scenario) as others:
            person = NOBODY if ask.user is None else self._person(others, ask.user)
            return others.space.ranking.left(ask, person)

    def items(self, ns: Namespace, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the attributes of items as lists show them, with a title; unknown ones are left out."""
        with self._others(ns) as others:
            places = others.catalogue.index(ids)
            return dict(others.catalogue.shown(places[places >= 0].tolist()))

    def scale(self, ns: Namespace, scenario: str | None = None) -> Scale | None:
        """Return the ratings that the active version, or a scenario's, has learned from; None where there are none."""
        with self._others(ns, scenario) as others:
            if others.space.loaded is None:
                return None
            model = others.space.loaded.model
            low, high = model.rating_range_
            return Scale(float(low), float(high), model.score_kind == "rating") if low < high else None

    def titles(self, ns: Namespace) -> TitleIndex:
        """Return all items by their titles; made anew where one of them changed."""
        with self._lock, self._moment(ns) as (space, *_):
            catalogue = space.catalogue
            kept = self._titles.get(ns.key)
            if kept is None or kept[:2] != (catalogue, catalogue.counter):
                kept = self._titles[ns.key] = catalogue, catalogue.counter, TitleIndex.of(catalogue.every())
            return kept[2]

    def _person(self, others: Others, user: str) -> KnownPerson:
        return others.space.person(others.conn, user, self.clock())

    # -- the state of a worker --------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Load what all namespaces need, and wait for it.

        Raises:
            UnavailableError: the store cannot be read, or a namespace's model not be loaded.
        """
        for ns in self.store.namespaces():
            with self._lock, self._moment(ns) as (space, *_):
                pass
            space.wait()
            self._scenarios[ns.key].wait()
            with self._lock, self._moment(ns):
                pass

    def ready(self) -> None:
        """Return where every namespace answers by its active version.

        Raises:
            UnavailableError: one does not, and why.
        """
        for ns in self.store.namespaces():
            with self._lock, self._moment(ns) as (space, *_):
                error = space.problem
            if error is not None:
                raise UnavailableError.of(
                    f"namespace '{ns.name}'", f"does not answer by its active version: {error}", value=ns.name
                )

    @contextmanager
    def _others(self, ns: Namespace, scenario: str | None = None) -> Iterator[Others]:
        with self._lock, self._moment(ns) as (space, conn, _):
            yield Others(space if scenario is None else self._scenarios[ns.key].answering(scenario), conn)

    @contextmanager
    def _moment(self, ns: Namespace, users: Sequence[str] = ()) -> Iterator[tuple[Tenant, Connection, Moment]]:
        """Read in one transaction, with a namespace brought up to its moment."""
        space = self._spaces.get(ns.key)
        if space is None:
            space = self._spaces[ns.key] = Tenant(self.store, ns, self.versions, self.share)
            self._scenarios[ns.key] = Scenarios(space)
        with self.store.read() as conn:
            moment = moment_of(conn, ns, users)
            space.refresh(conn, moment)
            self._scenarios[ns.key].refresh(conn, moment)
            yield space, conn, moment


NOT_ANSWERED = UnavailableError.of("the request", "was not answered: ask again")


def _versions() -> LoadsVersions:
    from palate.store import versions

    return versions
