"""`listen`: the socket of a server, taken before any work, so that a port in use is told at once."""

from __future__ import annotations

import os
import socket

from palate.errors import ParameterError

BACKLOG = 1024  # connections that wait to be accepted while all workers are at work
EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (these listen on all addresses)


def listen(host: str, port: int, *, backlog: int = 128) -> socket.socket:
    """Return a listening socket.

    Raises:
        ParameterError: the port is out of range or in use, or the host is not an address of this machine.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ParameterError.outside("port", "a whole number from 0 to 65535", port)
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise ParameterError(
            f"cannot listen on {host}:{port}: {why}; choose another port (0 takes a free one) or host", subject="port"
        ) from None


def address(host: str, sock: socket.socket) -> str:
    """Return where a client of this machine finds a listening socket."""
    shown = EVERYWHERE.get(host, host)
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{sock.getsockname()[1]}/"
