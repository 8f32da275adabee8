"""What a model file must be to become a version of a namespace, and what it says of the log it was trained on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from palate.data.ids import Ids
from palate.errors import ModelFileError, shown
from palate.models import Recommender
from palate.store.hashes import identity

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
LONGEST = 512  # bytes of an id, as everywhere in the store


class Origin(NamedTuple):
    """What a version was trained on.

    Attributes:
        newest_event: time of the newest event in it, microseconds; None where that is not known.
        trained_to: key of that event in this namespace's log; None where it was trained elsewhere.
    """

    newest_event: int | None
    trained_to: int | None


def origin_of(store: Store, ns: Namespace, model: Recommender) -> Origin:
    """Return what a model says of the log that it was trained on."""
    log = model.log_
    if log is None:
        return Origin(None, None)
    own = log.store == identity(store.secret) and log.namespace == ns.name
    return Origin(log.newest_event, log.trained_to if own else None)


def check_ids(model: Recommender, ns: Namespace) -> None:
    """Refuse a model some of whose ids no user or item of the namespace can have.

    Raises:
        ModelFileError: names one of them.
    """
    for ids in (model.users_, model.items_):
        if ids.kind == "text":
            _check_texts(ids, ns)


def _check_texts(ids: Ids, ns: Namespace) -> None:
    for text in ids.values:
        if not 0 < len(text.encode()) <= LONGEST or "\0" in text:
            raise ModelFileError.of(
                f"the {ids.what} id {shown(text)}",
                f"cannot be asked for: ids have 1 to {LONGEST} bytes, none of them NUL",
            )
        if ns.id_kind == "integer" and INTEGER.fullmatch(text) is None:
            raise ModelFileError.of(
                f"the {ids.what} id {shown(text)}",
                f"is no integer, and namespace '{ns.name}' has integer ids: train on its ids, or add the model to "
                "another namespace",
                code="ids",
            )
