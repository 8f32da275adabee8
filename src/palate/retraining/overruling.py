"""A person says otherwise than the gate, by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from palate.errors import ConflictError
from palate.store.ids import checked_text
from palate.store.times import now
from palate.store.versions import Version, activate
from palate.store.versions.keeping import set_version, version_of

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store


def overrule(store: Store, ns: Namespace, number: int, by: str, why: str = "") -> Version:
    """Let a version answer that the gate refused; who said so, and why, is kept with it.

    Args:
        store, ns, number: which version.
        by: the name of whoever takes it upon them.
        why: in their words.

    Raises:
        ParameterError: by is no name of 1 to 200 bytes, or why has more than 2,000.
        NotFoundError: there is no such version.
        ConflictError: the gate did not refuse it, or its files were removed.
        ModelFileError: its files are damaged; the version that is active stays so.
    """
    said = {"name": checked_text(by, "by", 200), "why": checked_text(why, "why", 2_000) if why else "", "time": now()}
    with store.write() as conn:
        version = version_of(conn, ns, number)
        verdict = version.details.get("verdict")
        if verdict is None or verdict["decision"] != "refused":
            raise ConflictError.of(
                f"version {number}", "was not refused by the gate: activate it as it is", value=number
            )
        details = {**version.details, "verdict": {**verdict, "overruled_by": said}}
        set_version(conn, ns, number, details=json.dumps(details))
    return activate(store, ns, number)
