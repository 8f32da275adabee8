"""How sure a model is of pairs of which the users may be people that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.models.contract.abilities import PredictsDistribution, cannot
from palate.models.contract.answers import UserIds, id_list
from palate.models.contract.person import Person, features_of_people, rows_of_people
from palate.models.contract.predictive import Predictive

if TYPE_CHECKING:
    from palate.models.contract.predictor import Predictor


def distribution_of(
    model: Predictor, wanted: Sequence[Any], items: UserIds, on_unknown: str = "raise"
) -> tuple[NDArray[np.intp], Predictive]:
    """Return the places of the pairs that are known, and the distributions of their ratings.

    Args:
        model: fitted.
        wanted: n ids and people, or one against n items.
        items: n ids, or one.
        on_unknown: "raise", or another word: unknown pairs have no place.

    Raises:
        UnknownIdError: an id is unknown, with "raise".
        ParameterError: the model has no distributions, or a person is another model's.
    """
    if not isinstance(model, PredictsDistribution):
        raise cannot(model, "predict_distribution")
    mark = "raise" if on_unknown == "raise" else "mark"
    who, i = paired(np.arange(len(wanted)), model.items_.index(id_list(items), on_unknown=mark))
    is_person = np.array([isinstance(user, Person) for user in wanted])
    users = np.full(len(wanted), -1, np.int32)
    users[~is_person] = model.users_.index([u for u in wanted if not isinstance(u, Person)], on_unknown=mark)
    stored = np.flatnonzero((users[who] >= 0) & (i >= 0))
    found = [(stored, model._distribution(users[who[stored]], i[stored], None))]
    for has_features in (False, True):
        group = [n for n, u in enumerate(wanted) if isinstance(u, Person) and (u.features is not None) is has_features]
        at = np.flatnonzero(np.isin(who, group) & (i >= 0))
        if len(at):
            people = [wanted[n] for n in group]
            rows, features = rows_of_people(model, people), features_of_people(people)
            found.append((at, model._predictive_for(rows, features, np.searchsorted(group, who[at]), i[at])))
    return _joined([one for one in found if len(one[0])] or found[:1])


def _joined(found: list[tuple[NDArray[np.intp], Predictive]]) -> tuple[NDArray[np.intp], Predictive]:
    """Return all places, ascending, and the distributions in their order."""
    places, first = np.concatenate([at for at, _ in found]), found[0][1]
    order = np.argsort(places)
    means, sds = (np.concatenate([getattr(one, name) for _, one in found])[order] for name in ("means", "sds"))
    return places[order], Predictive(means, sds, first.cuts, first.levels, first.n_threads)


def paired(u: NDArray[Any], i: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return as many users as items, one of either repeated.

    Raises:
        ParameterError: there are several of both, and not as many.
    """
    if len(u) != len(i) and 1 not in (len(u), len(i)):
        raise ParameterError(
            f"predict takes as many users as items, or one of either; got {len(u)} and {len(i)}", subject="users"
        )
    users, items = np.broadcast_arrays(u, i)
    return users, items
