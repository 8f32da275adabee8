"""Tokens by which an application hands over its user to the page.

A token is ``USER.EXPIRES.SIGNATURE``: the id in base64url, seconds since 1970, and the HMAC-SHA-256 of namespace, user
and time under a secret that the application and the service share (``PALATE_HANDOVER_SECRET``). It holds for five
minutes at most, and once. The application sends its user to ``/#token=…``: what stands behind # reaches no server, and
no log.
"""

from __future__ import annotations

import hmac
import time

from palate.errors import ParameterError, RequestError
from palate.serve.web.once import Once
from palate.serve.web.seals import decoded, encoded

LONGEST = 300  # seconds


def token(secret: str | bytes, namespace: str, user: str | int, seconds: int = 60, *, now: float | None = None) -> str:
    """Return a token that makes whoever brings it to the page, once, a user of the application.

    Args:
        secret: the service's ``PALATE_HANDOVER_SECRET``.
        namespace: the service's, "default" where it was told none.
        user: the id of the user.
        seconds: how long the token holds, 1 to 300.
        now: seconds since 1970; without it, the clock's.

    Raises:
        ParameterError: seconds is not 1 to 300.
    """
    if not 1 <= seconds <= LONGEST:
        raise ParameterError.outside("seconds", f"1 to {LONGEST}", seconds)
    expires = int((time.time() if now is None else now) + seconds)
    return f"{encoded(str(user).encode())}.{expires}.{encoded(_tag(_bytes(secret), namespace, str(user), expires))}"


class Handovers:
    """Takes the tokens of an application.

    Args:
        secret: what it shares with the service.
        namespace: the service's.
        used: remembers tokens.
    """

    def __init__(self, secret: str, namespace: str, used: Once) -> None:
        self._secret, self._namespace, self._used = secret.encode(), namespace, used

    def user(self, given: str, now: float) -> str:
        """Return the user of a token that is used now.

        Raises:
            RequestError: it is none, too old, or was used before.
            UnavailableError: that it was used cannot be written down.
        """
        user, expires, tag = _parts(given)
        right = _tag(self._secret, self._namespace, user, expires)
        if not hmac.compare_digest(decoded(tag), right):
            raise _refused("is not one that the application signed with this service's secret")
        if not now < expires <= now + LONGEST + 1:
            raise _refused("holds no longer, or for too long: go back to the application and come again")
        if not self._used.use(right, expires, now):
            raise _refused("was used before: go back to the application and come again")
        return user


def _parts(given: str) -> tuple[str, int, str]:
    user, _, rest = given.partition(".")
    expires, _, tag = rest.partition(".")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
        raise _refused("is not written as one")
    try:
        return decoded(user).decode(), int(expires), tag
    except UnicodeDecodeError:
        raise _refused("is not written as one") from None


def _tag(secret: bytes, namespace: str, user: str, expires: int) -> bytes:
    return hmac.digest(secret, f"palate handover\0{namespace}\0{user}\0{expires}".encode(), "sha256")


def _bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


def _refused(why: str) -> RequestError:
    return RequestError(f"this token {why}", code="token", subject="token")
