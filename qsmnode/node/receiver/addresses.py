"""Whether a connection comes from the host that the configuration names."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time

_KEEP_S = 60.0
_KEEP_FAILURE_S = 10.0


class Addresses:
    """Host names resolved when somebody knocks, remembered for a minute: a scanner's address may change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def belongs(self, address: str, host: str) -> bool:
        """Whether ``address`` (of a connection) is one of ``host`` (a name or an address)."""
        return normalised(address) in self._of(host)

    def _of(self, host: str) -> frozenset[str]:
        if is_address(host):
            return frozenset({normalised(host)})
        with self._lock:
            until, found = self._known.get(host, (0.0, frozenset()))
        if time.monotonic() < until:
            return found
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            answers = []  # unknown today: nobody is admitted by this name, and it is asked again soon
        found = frozenset(normalised(str(answer[4][0])) for answer in answers)
        with self._lock:
            self._known[host] = (time.monotonic() + (_KEEP_S if found else _KEEP_FAILURE_S), found)
        return found


def is_address(host: str) -> bool:
    """Whether this is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def normalised(address: str) -> str:
    """One spelling per address: no scope, no IPv4 inside IPv6."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(parsed)
