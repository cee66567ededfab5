"""Fuzzing of what comes over the wire: PDUs into a receiver's session, files into the reading of headers.

    .venv/bin/python -m tests.campaigns.fuzz --cases 1000000              # a million of each; says its seed
    .venv/bin/python -m tests.campaigns.fuzz --cases 20000 --seed 7 --part files

A case that raises, breaks a promise or takes longer than its limit is made as small as it gets, printed, and
ends the run with exit code 1. The blocking tests run a few hundred cases of each part.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import secrets
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.errors import UnreadableDicom
from qsmnode.ledger import Store
from qsmnode.node.receiver.addresses import Addresses
from qsmnode.node.receiver.door import Door
from qsmnode.node.receiver.intake import Intake
from qsmnode.node.receiver.reserve import Reserve
from qsmnode.node.receiver.session import House, Session
from qsmnode.node.receiver.settings import ListedPeer, ReceiverSettings
from qsmnode.node.wire import acse
from qsmnode.node.wire.connection import Connection
from tests.campaigns.files import FILES
from tests.campaigns.mutants import mutants
from tests.campaigns.talk import TALKS

_BATCH = 2000
CHANGED = 4
"""Cases that are a made one with a little of it changed, for each of those."""
_LONGEST_CASE_S = 30
_TOLD_EVERY = 50_000
_SETTINGS = ReceiverSettings(
    ae_title="QSMNODE",
    bind="127.0.0.1",
    peers=(ListedPeer("mr1", "MR1", "127.0.0.1", True),),
    reserve=Reserve(),
    largest_object=1_000_000,
    max_associations=8,
    max_strangers=8,
    max_strangers_per_address=8,
    acse_timeout_s=10,
    pdu_timeout_s=10,
    dimse_timeout_s=10,
    network_timeout_s=10,
)


class Listener:
    """A receiver's session, fed with all that a peer says at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._intake = Intake(store, Reserve(), largest=_SETTINGS.largest_object)
        self._door = Door(8, 8, 8)
        self._house = House(_SETTINGS, self._intake, self._door, Addresses(), lambda address, why: None)
        self._server = socket.create_server(("127.0.0.1", 0))

    def close(self) -> None:
        self._server.close()

    def hear(self, said: bytes) -> bytes:
        """What it answers to all of this."""
        with socket.create_connection(self._server.getsockname()) as peer:
            link, _ = self._server.accept()
            peer.sendall(said)
            peer.shutdown(socket.SHUT_WR)
            connection = Connection(link)
            assert self._door.enter(connection, "127.0.0.1")
            session = Session(self._house, connection, "127.0.0.1")
            session.serve()
            connection.close()
            self._door.leave(connection)
            if session.association_id is not None:
                self._intake.end_association(session.association_id)
            return _until_closed(peer)

    def check(self) -> int:
        """Every file has its row, every row its file; how many. Then all of it is forgotten."""
        rows = {str(self._store.path(path)) for path in self._store.instances.paths()}
        here = {str(path) for path in self._store.path("instances").rglob("*") if path.is_file()}
        assert here == rows
        if rows:
            with self._store.database.transaction() as connection:
                connection.execute("DELETE FROM instance")
            for path in here:
                Path(path).unlink()
        return len(rows)


def talk(listener: Listener) -> Callable[[bytes], None]:
    """One connection: whatever is said, the answers are PDUs, and the session ends."""

    def case(said: bytes) -> None:
        answer = listener.hear(said)
        while answer:
            kind, length = struct.unpack_from(">BxI", answer)
            assert kind in (acse.ASSOCIATE_AC, acse.ASSOCIATE_RJ, acse.DATA, acse.RELEASE_RP, acse.ABORT)
            assert len(answer) >= 6 + length
            answer = answer[6 + length :]
        listener.check()

    return case


def files(folder: Path) -> Callable[[bytes], None]:
    """One file: its header is read, or refused in the one way that there is."""

    def case(content: bytes) -> None:
        path = folder / "case.dcm"
        path.write_bytes(content)
        try:
            header = read_instance(path)
        except UnreadableDicom:
            return
        assert Instance.from_json(header.to_json()) == header

    return case


def run(
    case: Callable[[bytes], None],
    shapes: st.SearchStrategy[bytes],
    cases: int,
    first_seed: int,
    changed: int = CHANGED,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Run so many cases, ``changed`` of them after each that was made; how many there were.

    ``progress`` hears after each batch how many are done.

    Raises:
        Exception: whatever the first wrong one raised, made as small as it gets.
    """
    done = 0

    def counted(data: bytes) -> None:
        nonlocal done
        for one in (data, *mutants(data, changed)):
            done += 1
            with _limited():
                case(one)

    while done < cases:
        test = settings(
            max_examples=max(1, min(_BATCH, (cases - done) // (1 + changed))),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )(given(shapes)(counted))
        seed(first_seed + done)(test)()
        progress(done)
    return done


@contextmanager
def parts(folder: Path) -> Iterator[dict[str, tuple[Callable[[bytes], None], st.SearchStrategy[bytes]]]]:
    """What is fuzzed, by name, with what."""
    with Store(folder / "store") as store:
        listener = Listener(store)
        try:
            yield {"talk": (talk(listener), TALKS), "files": (files(folder), FILES)}
        finally:
            listener.close()


@contextmanager
def _limited() -> Iterator[None]:
    """A case that hangs shows where, and ends the program."""
    faulthandler.dump_traceback_later(_LONGEST_CASE_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _say(part: str) -> Callable[[int], None]:
    """Tell now and then how far a part has come, so that a run that is broken off has still counted."""
    told = 0

    def progress(done: int) -> None:
        nonlocal told
        if done - told >= _TOLD_EVERY:
            told = done
            print(f"{part}: {done} cases so far, none wrong", flush=True)

    return progress


def _until_closed(peer: socket.socket) -> bytes:
    found = bytearray()
    try:
        while piece := peer.recv(65536):
            found += piece
    except ConnectionResetError:
        pass  # it closed with some of what was said unread
    return bytes(found)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--cases", type=int, default=20_000, help="of each part")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--changed", type=int, default=CHANGED, help="near misses after each made case")
    parser.add_argument("--part", choices=("talk", "files"))
    given_ = parser.parse_args()
    print(f"seed {given_.seed}", flush=True)
    logging.disable(logging.CRITICAL)  # what it says of each case is beside the point
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        parts(Path(folder)) as all_parts,
    ):
        for name, (case, shapes) in all_parts.items():
            if given_.part in (None, name):
                began = time.monotonic()
                done = run(case, shapes, given_.cases, given_.seed, given_.changed, _say(name))
                print(f"{name}: {done} cases in {time.monotonic() - began:.0f} s, none wrong", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
