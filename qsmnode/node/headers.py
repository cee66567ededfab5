"""Headers of received files, read in a process of its own whose memory and time are limited.

A file of a kilobyte may be made so that reading it takes all memory, or no end. Such a file ends the process
that reads it, never the node: the file is told apart, and another process reads the next ones.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmnode.dicom.instance import Instance
from qsmnode.errors import QsmnodeError, UnreadableDicom

READY = b"ready"
HEADER, REASON = b"+", b"-"
_START_S = 60.0
_BEYOND_S = 5.0  # the process ends itself at its limit; this long after it, it is killed
_LONGEST_ANSWER = 1 << 27
_TRIES = 2
_STOP_S = 2.0


@dataclass(frozen=True)
class HeaderLimits:
    """What reading headers may take; see the settings of the same names."""

    timeout_s: float = 30.0
    memory_mb: int = 1024
    expanded_mb: int = 4400


class _Ended(Exception):
    """The process ended, or was ended, before it answered."""


class HeaderReader:
    """Reads headers of files below a folder, many per request, in one process that is kept.

    A process that ends while it reads a file is replaced, and reads that file once more; a file that ends it
    again is unreadable.

    Args:
        root: the folder.
        limits: what reading may take.
    """

    def __init__(self, root: Path, limits: HeaderLimits) -> None:
        self._root = root
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._pending = bytearray()
        self._closed = False
        self._busy = threading.Lock()
        self._starting = threading.Lock()  # so that closing never misses a process that just starts

    def start(self) -> None:
        """Start the process, so that the first file does not wait for it."""
        with self._busy, contextlib.suppress(_Ended):  # closed before it started: nothing will be read
            self._spawn()

    def read(self, paths: Sequence[str]) -> Iterator[Instance | UnreadableDicom]:
        """One answer per path, in order; fewer after :meth:`close`.

        Args:
            paths: relative to the folder.

        Raises:
            QsmnodeError: the process cannot be started at all.
        """
        with self._busy:
            yield from self._read(paths)

    def close(self) -> None:
        """End the process, whatever it reads; nothing is read afterwards."""
        with self._starting:
            self._closed = True
            process = self._process
            if process is not None:
                process.kill()
        if self._busy.acquire(timeout=_STOP_S):
            try:
                self._end()
            finally:
                self._busy.release()

    def _read(self, paths: Sequence[str]) -> Iterator[Instance | UnreadableDicom]:
        done, tries = 0, 0
        while done < len(paths) and not self._closed:
            try:
                for answer in self._ask(paths[done:] if not tries else paths[done : done + 1]):
                    yield answer
                    done, tries = done + 1, 0
            except _Ended as end:
                self._end()
                tries += 1
                if tries == _TRIES and not self._closed:
                    yield UnreadableDicom(f"{Path(paths[done]).name}: {end}")
                    done, tries = done + 1, 0

    def _ask(self, paths: Sequence[str]) -> Iterator[Instance | UnreadableDicom]:
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(paths).encode() + b"\n")
            process.stdin.flush()
        except OSError as error:
            raise _Ended(self._why(process)) from error
        for path in paths:
            answer = self._line(process, self._limits.timeout_s + _BEYOND_S)
            if answer[:1] == HEADER:
                yield Instance.from_json(answer[1:].decode())
            else:
                yield UnreadableDicom(f"{Path(path).name}: {json.loads(answer[1:])}")

    def _started(self) -> subprocess.Popen[bytes]:
        process = self._spawn()
        if self._ready:
            return process
        try:
            if self._line(process, _START_S) != READY:
                raise _Ended("it said something else than that it is ready")
        except _Ended as end:
            self._end()
            if self._closed:
                raise
            raise QsmnodeError(
                "the process that reads headers does not start: is there memory for it?"
            ) from end
        self._ready = True
        return process

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        limits = self._limits
        arguments = [str(self._root), str(limits.timeout_s), str(limits.memory_mb), str(limits.expanded_mb)]
        self._ready = False
        self._pending.clear()
        with self._starting:
            if self._closed:
                raise _Ended("nothing is read after closing")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "qsmnode.node.header_process", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a traceback may quote a header
                start_new_session=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a thread's stack counts as memory
            )
            return self._process

    def _line(self, process: subprocess.Popen[bytes], patience_s: float) -> bytes:
        """The next line that it says."""
        assert process.stdout is not None
        poller = select.poll()
        poller.register(process.stdout, select.POLLIN)
        deadline = time.monotonic() + patience_s
        while (end := self._pending.find(b"\n")) < 0:
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(left * 1000):
                raise _Ended(f"its header takes longer than {self._limits.timeout_s:g} s to read")
            piece = os.read(process.stdout.fileno(), 1 << 20)
            self._pending += piece
            if not piece or len(self._pending) > _LONGEST_ANSWER:
                raise _Ended(self._why(process))
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line

    def _why(self, process: subprocess.Popen[bytes]) -> str:
        """What ended it, for the file that it read then."""
        try:
            code = process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            return "its header makes an answer beyond any measure"
        if code == -signal.SIGALRM:
            return f"its header takes longer than {self._limits.timeout_s:g} s to read"
        name = f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"reading its header ended the process that did so ({name}), within {self._limits.memory_mb} MB"
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not written concerns nobody any more
                    pipe.close()
