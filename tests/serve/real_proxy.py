"""A small reverse proxy over real sockets: one request a connection, rewritten as common servers rewrite it.

`plain` is nginx's bare ``proxy_pass`` (HTTP/1.0 to the service, Host rewritten to the service's own address, nothing
added); `plain11` the same with HTTP/1.1, as newer nginx does; the others add what Apache, Caddy, Traefik or a line of
configuration add.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ADDED = {
    "plain": {},
    "plain11": {},
    "host": {},
    "x-forwarded-for": {"X-Forwarded-For": "203.0.113.7"},
    "x-forwarded-proto": {"X-Forwarded-Proto": "https"},
    "x-forwarded-host": {"X-Forwarded-Host": "shop.example"},
    "x-real-ip": {"X-Real-IP": "203.0.113.7"},
    "forwarded": {"Forwarded": "for=203.0.113.7;proto=https"},
    "via": {"Via": "1.1 proxy"},
}


def rewritten(head: bytes, kind: str, service: tuple[str, int]) -> bytes:
    """Return the request's head as a proxy of this kind sends it on."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    kept = [line for line in lines if line and line.partition(":")[0].lower() not in {"connection", "host"}]
    host = next((line for line in lines if line.lower().startswith("host:")), "Host: shop.example")
    if kind != "host":
        host = f"Host: {service[0]}:{service[1]}"
    version = "HTTP/1.0" if kind == "plain" else "HTTP/1.1"
    added = [f"{name}: {value}" for name, value in ADDED[kind].items()]
    return "\r\n".join([f"{method} {target} {version}", host, "Connection: close", *added, *kept, "", ""]).encode(
        "latin-1"
    )


def piped(source: socket.socket, to: socket.socket) -> None:
    """Send on whatever comes until the source ends."""
    try:
        while data := source.recv(65536):
            to.sendall(data)
    except OSError:
        pass  # one of the two went away: so does the other
    finally:
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RD if end is source else socket.SHUT_WR)
            except OSError:
                continue


@contextmanager
def reverse_proxy(service: tuple[str, int], kind: str) -> Iterator[tuple[str, int]]:
    """Run a proxy before the service and yield its address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data = b""
            while b"\r\n\r\n" not in data:
                more = self.request.recv(65536)
                if not more:
                    return
                data += more
            head, _, rest = data.partition(b"\r\n\r\n")
            with socket.create_connection(service) as behind:
                behind.sendall(rewritten(head, kind, service) + rest)
                sending = threading.Thread(target=piped, args=(self.request, behind), daemon=True)
                sending.start()
                while answer := behind.recv(65536):
                    self.request.sendall(answer)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.server_address[0], server.server_address[1]
        server.shutdown()
