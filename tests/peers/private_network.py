"""Brings loopback up in a network namespace of its own, then becomes the command that follows.

`unshare --net python tests/peers/private_network.py COMMAND...`: some real peers listen on every interface,
and in a private namespace there is only loopback.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_IFREQ = "16sh14x"
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def bring_loopback_up() -> None:
    """Sets IFF_UP on `lo`. OSError where the kernel does not allow it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack(_IFREQ, b"lo", 0))
        flags = struct.unpack(_IFREQ, answer)[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP))


def check_loopback() -> None:
    """One connection to itself. OSError where loopback does not carry it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def drop_capabilities() -> None:
    """What it took to bring loopback up is not handed on: a person's tests run with a person's rights."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "capabilities could not be dropped")


if __name__ == "__main__":
    bring_loopback_up()
    check_loopback()
    drop_capabilities()
    if len(sys.argv) > 1:
        os.execvp(sys.argv[1], sys.argv[1:])
