"""The body of a STOW-RS request: as long as it says, as the files are, and never in memory as a whole."""

from __future__ import annotations

import socket
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.errors import UnreadableDicom
from qsmnode.node.wire.multipart import Multipart
from qsmnode.node.wire.tls import TlsFiles
from qsmnode.node.wire.web import WebSession, WebTarget

_LARGE = 150_000_000
_ALLOWED = 8_000_000


@given(st.lists(st.binary(max_size=600), max_size=4))
def test_it_is_what_it_says(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("parts")
    paths = [folder / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    body = Multipart(paths)
    whole = b"".join(body)
    assert len(body) == len(whole)
    assert b"".join(body) == whole  # again, for a second try
    boundary = body.content_type.partition('boundary="')[2].rstrip('"').encode()
    first, *parts = whole.split(b"--" + boundary)
    assert first == b""
    assert parts[-1] == b"--\r\n"
    head = b"\r\nContent-Type: application/dicom\r\n\r\n"
    assert parts[:-1] == [head + content + b"\r\n" for content in contents]


def test_a_file_that_goes_or_shrinks_meanwhile_is_told(tmp_path: Path) -> None:
    path = tmp_path / "object.dcm"
    path.write_bytes(bytes(1000))
    body = Multipart([path])
    path.write_bytes(bytes(999))
    with pytest.raises(UnreadableDicom, match=r"object\.dcm: it became shorter while it was sent"):
        list(body)
    path.unlink()
    with pytest.raises(UnreadableDicom, match=r"object\.dcm: cannot be read"):
        list(body)
    with pytest.raises(UnreadableDicom, match=r"object\.dcm: cannot be read"):
        Multipart([path])


def _swallow(listener: socket.socket, took: list[int]) -> None:
    """A server that has no memory: it counts what it is sent, and answers."""
    link, _ = listener.accept()
    with link:
        buffer = bytearray(1 << 16)
        head = b""
        while b"\r\n\r\n" not in head:
            head += link.recv(1 << 12)
        lines = head.partition(b"\r\n\r\n")[0].lower().splitlines()
        (length,) = (int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        left = length - len(head.partition(b"\r\n\r\n")[2])
        while left > 0:
            left -= link.recv_into(buffer)
        took.append(length)
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def test_a_large_object_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    with path.open("wb") as file:
        file.truncate(_LARGE)
    took: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_swallow, args=(listener, took), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/dicom-web"
        target = WebTarget("web", url, None, None, None, 50, 1, 20.0, 20.0, TlsFiles(""))
        with WebSession(target) as session:
            tracemalloc.start()
            try:
                answer = session.store([path])
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        thread.join(20)
    print(f"{took[0] / 1e6:.0f} MB sent with at most {peak / 1e6:.1f} MB of memory")
    assert answer.status == 200
    assert took[0] > _LARGE
    assert peak < _ALLOWED
