"""Write events one by one, and say each id when it is acknowledged: `python writing_process.py URL FOLDER NAME`."""

from __future__ import annotations

import sys

from palate.store import Event, feedback, open_store

if __name__ == "__main__":
    url, folder, name = sys.argv[1:]
    with open_store(url, folder=folder) as store:
        ns = store.namespace()
        for k in range(25):
            same = Event("everybody", "tea", "click", event_id="shared")
            own = Event("everybody", f"{name} {k}", "click", event_id=f"{name}-{k}")
            receipts = feedback.add(store, ns, [own, same])
            if receipts[0].status == "new" and receipts[1].status in ("new", "known"):
                print(own.event_id, flush=True)
