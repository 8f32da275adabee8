"""Which names a server answers to.

A site of somebody else can make its own name point at this machine (DNS rebinding), and a browser then lets that site
read what the page answers. The name stands in the Host header, so only names that are known to be ours are answered.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

from palate.errors import ParameterError

LOOPBACK = ("localhost", "ip6-localhost")
HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?P<port>:[0-9]{1,5})?", re.ASCII)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Hosts:
    """The names of a server.

    Args:
        host: the address or name that it listens on.
        allowed: further names, as its clients type them.

    Raises:
        ParameterError: a name is none, such as an address with its scheme.
    """

    def __init__(self, host: str = "", allowed: Iterable[str] = ()) -> None:
        own = socket.gethostname().lower()
        short = own.split(".")[0]
        self._names = {*LOOPBACK, own, short, f"{short}.local", host.lower(), *map(_checked, allowed)} - {""}

    def know(self, header: str, reached: str | None) -> bool:
        """Return whether a Host header names this server.

        Args:
            header: its text.
            reached: the address of this machine that the client reached.
        """
        match = HOST.fullmatch(header.lower())
        if match is None:
            return False
        name = match["name"].strip("[]").rstrip(".")
        address = address_of(name)
        if name in self._names or address is None:
            return name in self._names
        return address.is_loopback or address == address_of(reached or "") or str(address) in self._names


def address_of(text: str) -> Address | None:
    """Return an IP address, or None for a name."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def _checked(name: str) -> str:
    """Return an allowed name as a browser would send it."""
    try:
        sent = name.strip("[]").rstrip(".").lower().encode("idna").decode()
    except UnicodeError:
        sent = ""
    address = address_of(sent)
    if address is None and not re.fullmatch(r"[a-z0-9_.-]+", sent):
        raise ParameterError.of(
            "allow_hosts",
            f"takes names alone, such as palate.example.org (no scheme, port or path), got {name!r}",
            value=name,
        )
    return str(address or sent)
