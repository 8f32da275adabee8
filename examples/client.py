"""A client of the service in one file, of the standard library alone: copy it into your own project.

    with Service("http://127.0.0.1:8000", key="palate_…") as service:
        answer = service.recommend("ann", n=5)
        service.tell("ann", answer["items"][0]["item"], "click", answer=answer)

It keeps one connection open, and asks again where the service could not be reached. Feedback carries an event id that
is made here, before the first attempt: however often it is sent, it counts once. Use one `Service` a thread.
"""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

WAITS = (0.1, 0.5, 2.0)  # seconds before the second, third and fourth attempt
AGAIN = (429, 503)  # too fast; not now


class ServiceError(Exception):
    """The service refuses; ``problem`` is its answer (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title')}")
        self.status, self.problem = status, problem


class Service:
    """The service at an address.

    Args:
        url: of the service.
        key: an API key; none where the service takes requests without one.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", key: str | None = None, timeout: float = 10.0) -> None:
        place = urlsplit(url)
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(place.netloc, timeout=timeout)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()

    def recommend(self, user: str | int, n: int = 10, **options: Any) -> dict[str, Any]:
        """Return a list for a user; options are those of ``POST /v1/recommendations``."""
        return self._send("POST", "/v1/recommendations", {"user": user, "n": n, **options})

    def recommend_session(self, items: Iterable[str | int], n: int = 10, **options: Any) -> dict[str, Any]:
        """Return a list for somebody of whom these items are known."""
        session = [{"item": item} for item in items]
        return self._send("POST", "/v1/recommendations/session", {"session": session, "n": n, **options})

    def more(self, answer: Mapping[str, Any], user: str | int | None = None) -> dict[str, Any] | None:
        """Return the following page of a list, or None at its end."""
        if answer["next"] is None:
            return None
        return self._send("POST", "/v1/recommendations/next", {"cursor": answer["next"], "user": user})

    def similar(self, item: str | int, n: int = 10, **options: Any) -> dict[str, Any]:
        """Return what is like an item."""
        return self._send("POST", "/v1/items/similar", {"item": item, "n": n, **options})

    def tell(
        self,
        user: str | int,
        item: str | int,
        kind: str,
        value: float | None = None,
        *,
        answer: Mapping[str, Any] | None = None,
    ) -> str:
        """Send one event, and return its id; with ``answer``, the list that the item was shown in."""
        event = {"user": user, "item": item, "kind": kind, "event_id": str(uuid.uuid4())}
        if value is not None:
            event["value"] = value
        if answer is not None:
            place = next(shown["place"] for shown in answer["items"] if shown["item"] == str(item))
            event |= {"list_id": answer["list_id"], "place": place}
        return str(self._send("POST", "/v1/feedback", event)["event_id"])

    def saw(self, user: str | int, answer: Mapping[str, Any]) -> None:
        """Say that a list is on the user's screen; a list that was answered has not yet been seen."""
        common = {"user": user, "kind": "impression", "list_id": answer["list_id"]}
        seen = [{"item": shown["item"], "place": shown["place"]} for shown in answer["items"]]
        events = [{**common, **each, "event_id": str(uuid.uuid4())} for each in seen]
        if events:
            self._send("POST", "/v1/feedback/batch", {"events": events})

    def undo(self, user: str | int, event_id: str) -> None:
        """Withdraw an event."""
        undo = {"user": user, "kind": "undo", "withdraws": event_id, "event_id": str(uuid.uuid4())}
        self._send("POST", "/v1/feedback", undo)

    def write_items(self, items: Iterable[Mapping[str, Any]]) -> int:
        """Create or update items, each ``{"id": …, "attributes": {"title": …}}``."""
        return int(self._send("POST", "/v1/items", {"items": list(items)})["written"])

    def merge(self, visitor: str | int, account: str | int) -> None:
        """Let a visitor's feedback be an account's."""
        self._send("POST", "/v1/users/merge", {"visitor": visitor, "account": account})

    def forget(self, user: str | int) -> None:
        """Remove everything about a user."""
        self._send("DELETE", "/v1/users?" + urlencode({"id": user}))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request, again where the service was not there, and return its answer."""
        for wait in (*WAITS, None):
            try:
                status, answer = self._once(method, path, None if body is None else json.dumps(body))
            except (OSError, http.client.HTTPException):
                self._connection.close()  # the next attempt opens it anew
                if wait is None:
                    raise
            else:
                if status < 400:
                    return answer
                if status not in AGAIN or wait is None:
                    raise ServiceError(status, answer)
            time.sleep(wait)
        raise AssertionError  # the last attempt returns or raises

    def _once(self, method: str, path: str, body: str | None) -> tuple[int, dict[str, Any]]:
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())
