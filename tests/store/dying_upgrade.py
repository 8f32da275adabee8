"""Upgrade stores, each killed before another statement: `python dying_upgrade.py STEP URL …`, STEP statements apart."""

from __future__ import annotations

import os
import signal
import sys

from sqlalchemy import Engine, event

from palate.store import upgrade

if __name__ == "__main__":
    step, urls = int(sys.argv[1]), sys.argv[2:]
    for k, url in enumerate(urls):
        if os.fork():
            os.wait()
            continue
        count = 0

        @event.listens_for(Engine, "before_cursor_execute")
        def die(*_: object, at: int = 1 + step * k) -> None:
            global count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

        upgrade(url, backed_up=True)
        os._exit(0)
