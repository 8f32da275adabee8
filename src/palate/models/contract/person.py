"""People whom a model has not seen, known by their rows and features; asked about together with those it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.features import Features
from palate.data.ids import Id, Ids
from palate.data.interactions import Interactions
from palate.errors import ParameterError
from palate.models.contract.answers import check_64_bits
from palate.models.contract.newcomers import features_on, row_of, rows_of
from palate.models.contract.ranker import Ranker
from palate.models.contract.training_part import check_features
from palate.sparse import Rows, stacked

if TYPE_CHECKING:
    from palate.models.contract.ranked import Ranked

RowsGiven = Interactions | Mapping[Id, float] | Iterable[Id] | None


@dataclass(frozen=True, eq=False, repr=False)
class Person:
    """Somebody whom a model has not seen, as `Recommender.person` makes them; may stand wherever a user's id does.

    Attributes:
        id: shown in answers; None for somebody nameless.
        rows: what they gave, a single row by position of the model's items.
        features: (1, n_features), or None.
        items: of the model.
    """

    id: Id | None
    rows: Rows
    features: NDArray[Any] | None
    items: Ids

    def __repr__(self) -> str:
        known = [] if self.features is None else ["features"]
        return f"Person({', '.join([repr(self.id), f'{len(self.rows.indices):,} rows', *known])})"


@dataclass(frozen=True, eq=False)
class People:
    """Any number of people whom a model has not seen.

    Attributes:
        ids: the ids to show, one a person; null for somebody who has none.
        rows: what they gave, by position of the model's items.
        asked: (n,) positions of those who want an answer.
        features: (n, n_features) of all of them, or None.
    """

    ids: pl.Series
    rows: Rows
    asked: NDArray[np.int32]
    features: NDArray[Any] | None

    def person(self, items: Ids) -> Person:
        """Return the one person who is asked about.

        Raises:
            ParameterError: there are several, or none.
        """
        if len(self.asked) != 1:
            raise ParameterError.of("a person", f"is one user; rows or features of {len(self.asked):,} are given")
        at = int(self.asked[0])
        features = None if self.features is None else self.features[at : at + 1]
        return Person(self.ids[at], self.rows.take(self.asked), features, items)


Users = Id | Person | Iterable[Id | Person] | pl.Series


@dataclass(frozen=True, eq=False)
class Group:
    """Users of an answer whom one ranker knows.

    Attributes:
        ranker: whose positions these are.
        users: (m,) positions.
        at: (m,) their places in the answer.
    """

    ranker: Ranker
    users: NDArray[np.int32]
    at: NDArray[np.intp]


def users_of(model: Ranked, wanted: Sequence[Any], on_unknown: str) -> tuple[pl.Series, list[Group]]:
    """Return the ids to show, and the groups of whom is asked about; unknown users, where marked, stand in none.

    Args:
        model: fitted.
        wanted: ids and people.
        on_unknown: "raise" or "mark".

    Raises:
        UnknownIdError: an id is unknown, with "raise", or of the wrong type.
        ParameterError: a person is another model's, or people's ids are of two types.
    """
    if not any(isinstance(user, Person) for user in wanted):
        index = model.users_.index(wanted, on_unknown=on_unknown)
        check_64_bits(wanted)
        known = np.flatnonzero(index >= 0)
        return pl.Series(wanted, dtype=model.users_.dtype), [Group(model.ranker, index[known], known)]
    is_person = np.array([isinstance(user, Person) for user in wanted])
    _, groups = users_of(model, [u for u in wanted if not isinstance(u, Person)], on_unknown)
    places = np.flatnonzero(~is_person)
    groups = [Group(group.ranker, group.users, places[group.at]) for group in groups if len(group.at)]
    for has_features in (False, True):
        at = [n for n, u in enumerate(wanted) if isinstance(u, Person) and (u.features is not None) is has_features]
        if at:
            groups.append(
                Group(_ranker_of(model, [wanted[n] for n in at]), np.arange(len(at), dtype=np.int32), np.array(at))
            )
    return _ids_of(wanted, model.users_), groups


def _ranker_of(model: Ranked, people: list[Person]) -> Ranker:
    return model.ranker_of(rows_of_people(model, people), features_of_people(people))


def rows_of_people(model: Ranked, people: Sequence[Person]) -> Rows:
    """Return the rows of people, one each.

    Raises:
        ParameterError: a person is another model's.
    """
    for person in people:
        if person.items is not model.items_ and person.items != model.items_:
            raise ParameterError.of("a person", "is of the model that made it: give model.person(…) of this one")
    return stacked([person.rows for person in people])


def features_of_people(people: Sequence[Person]) -> NDArray[Any] | None:
    """Return the features of people of whom all have some, or none has."""
    features = [person.features for person in people if person.features is not None]
    return np.concatenate(features) if features else None


def _ids_of(wanted: Sequence[Any], users: Ids) -> pl.Series:
    """Return the ids of an answer as a column: of the model's type, or that which people's own have."""
    ids = [user.id if isinstance(user, Person) else user for user in wanted]
    kinds = {type(id_) for id_ in ids if id_ is not None}
    if len(kinds) > 1:
        raise ParameterError(
            "the ids of these users and people are of two types, integers and text: ask for each apart", subject="users"
        )
    return pl.Series(ids, dtype=pl.String if kinds == {str} else pl.Int64 if kinds else users.dtype)


def people_of(given: RowsGiven, features: Features | None, model: Ranked, on_unknown: str) -> People:
    """Return people by what they gave, and by their features.

    Args:
        given: rows of any users; or what one nameless person gave: {item: value}, or items; or None.
        features: of these users; where no rows are given, those of whom attributes alone are known.
        model: a fitted one.
        on_unknown: "drop" or "raise", of an item that the model does not know.

    Raises:
        ParameterError: nothing is given, or features do not fit the model.
        DataError: a user has no features where some are given, or a basket cannot be read.
        UnknownIdError: an unknown item, with ``on_unknown="raise"``.
    """
    if given is None and features is None:
        raise ParameterError(
            "nothing is known of whom to recommend for: give their rows, {item: value}, a list of items, or features=",
            code="no_history",
            subject="interactions",
        )
    if features is not None and (given is None or (isinstance(given, Interactions) and not len(given))):
        check_features("features", features)
        n, ids = len(features.ids), features.ids
        return People(ids.values, Rows.empty(n), np.arange(n, dtype=np.int32), features_on(features, ids, model))
    if not isinstance(given, Interactions):
        rows, nobody = row_of(given or {}, model, on_unknown), pl.Series([None], dtype=model.users_.dtype)
        if features is None:
            return People(nobody, rows, np.zeros(1, np.int32), None)
        check_features("features", features)
        if len(features.ids) != 1:
            raise ParameterError.of("features", f"of {len(features.ids)} users are given beside the items of one")
        return People(features.ids.values, rows, np.zeros(1, np.int32), features_on(features, features.ids, model))
    rows = rows_of(given, model.items_, on_unknown)
    asked = np.unique(given.user_index) if features is None else np.arange(given.n_users)
    return People(given.users.values, rows, asked.astype(np.int32), features_on(features, given.users, model))
