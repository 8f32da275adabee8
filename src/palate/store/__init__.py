"""The store: users, items, feedback, lists shown, model versions, keys and jobs, in SQLite or PostgreSQL.

```python
from palate.store import open_store, Event
from palate.store import feedback

with open_store("sqlite:///shop.db") as store:
    shop = store.namespace()
    feedback.add(store, shop, [Event("ann", "tea", "purchase", event_id="order-17")])
```
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from palate.errors import missing_extra

if any(find_spec(name) is None for name in ("sqlalchemy", "alembic")):
    raise missing_extra("store", "a store")

if TYPE_CHECKING:
    from palate.store.bulk.importing import import_table as import_table
    from palate.store.records import Event as Event
    from palate.store.records import Namespace as Namespace
    from palate.store.records import Receipt as Receipt
    from palate.store.records import ShownList as ShownList
    from palate.store.records import Thing as Thing
    from palate.store.store import Store as Store
    from palate.store.store import open_store as open_store
    from palate.store.upgrading import upgrade as upgrade

HOMES = {
    "Event": "records",
    "Namespace": "records",
    "Receipt": "records",
    "ShownList": "records",
    "Store": "store",
    "Thing": "records",
    "import_table": "bulk.importing",
    "open_store": "store",
    "upgrade": "upgrading",
}
__all__ = [
    "Event",
    "Namespace",
    "Receipt",
    "ShownList",
    "Store",
    "Thing",
    "import_table",
    "open_store",
    "upgrade",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in HOMES:
        raise AttributeError(f"module 'palate.store' has no attribute '{name}'")
    return getattr(import_module(f"palate.store.{HOMES[name]}"), name)
