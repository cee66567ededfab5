"""DICOM files from anywhere to a peer by C-STORE or STOW-RS, as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmnode.config import Config, DicomPeer, WebPeer
from qsmnode.errors import PeerError, UnreadableDicom, UsageError
from qsmnode.node.sender.cstore import Verdict, batches, open_for, store_one
from qsmnode.node.sender.decide import Outcome
from qsmnode.node.sender.to_web import store
from qsmnode.node.target import target_of, web_target_of
from qsmnode.node.wire.part10 import Part10, read_front
from qsmnode.node.wire.requestor import Target
from qsmnode.node.wire.uids import printable
from qsmnode.node.wire.web import WebSession, WebTarget

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class FileResult:
    """What became of one file; ``status`` where the peer gave one."""

    path: Path
    sent: bool
    status: int | None
    message: str


def send_files(
    config: Config, peer: str, paths: Sequence[Path], progress: Progress | None = None
) -> list[FileResult]:
    """Send DICOM files to a listed peer, in any transfer syntax, byte for byte.

    An association that breaks off is opened again for the file that was under way and for the rest. A
    DICOMweb server that goes away ends it.

    Args:
        config: a loaded configuration.
        peer: name of a DICOM peer with a port, or of a DICOMweb server.
        paths: files; a folder is no file.
        progress: told the fraction of files that are dealt with, and a few words.

    Returns:
        One result per path, in the same order.

    Raises:
        UsageError: there is no such peer, or it is a folder.
        PeerUnreachable: no association could be opened at all, or no server answered.
        PeerRefused: the peer wants no association, or none of our requests.
    """
    target = _target(config, peer)
    results: dict[int, FileResult] = {}
    fronts: dict[int, Part10] = {}
    for index, path in enumerate(paths):
        try:
            fronts[index] = read_front(path)
        except UnreadableDicom as error:
            results[index] = FileResult(path, sent=False, status=None, message=str(error))
        except OSError as error:
            message = f"{path.name}: cannot be read ({error.strerror})"
            results[index] = FileResult(path, sent=False, status=None, message=message)

    def done(index: int, result: FileResult) -> None:
        results[index] = result
        if progress is not None:
            progress(len(results) / len(paths), f"{len(results)} of {len(paths)} files")

    if isinstance(target, WebTarget):
        _post_all(target, fronts, done)
    else:
        _send_all(target, fronts, done)
    return [results[index] for index in range(len(paths))]


def _target(config: Config, name: str) -> Target | WebTarget:
    peer = config.peers.get(name)
    if peer is None:
        known = ", ".join(config.peers) or "none"
        raise UsageError(f"{name!r}: no such peer; the configuration lists {known}")
    if isinstance(peer, WebPeer):
        return web_target_of(config, name, peer)
    if not isinstance(peer, DicomPeer):
        raise UsageError(f"peer {name}: a folder; send is for ports and URLs, copy the files instead")
    return target_of(config, name, peer)


def _result(path: Path, verdict: Verdict) -> FileResult:
    sent = verdict.outcome is Outcome.ACKNOWLEDGED
    comment = f" ({printable(verdict.comment)})" if verdict.comment else ""
    return FileResult(path, sent, verdict.status, verdict.words + comment)


def _send_all(target: Target, fronts: dict[int, Part10], done: Callable[[int, FileResult], None]) -> None:
    left = dict(fronts)
    broke: set[int] = set()
    opened = False
    while left:
        batch = next(batches(left))
        try:
            association = open_for(target, [left[index] for index in batch])
        except PeerError as error:
            if not opened:
                raise
            for index in list(left):
                done(index, FileResult(left.pop(index).path, sent=False, status=None, message=str(error)))
            return
        opened = True
        try:
            with association:
                for index in batch:
                    verdict = store_one(association, left[index])
                    done(index, _result(left.pop(index).path, verdict))
        except (PeerError, UnreadableDicom) as error:
            # a second association for the file that was under way, no third: it may be what breaks them
            if index in broke or isinstance(error, UnreadableDicom):
                done(index, FileResult(left.pop(index).path, sent=False, status=None, message=str(error)))
            broke.add(index)


def _post_all(target: WebTarget, fronts: dict[int, Part10], done: Callable[[int, FileResult], None]) -> None:
    left = dict(fronts)
    order = list(fronts)
    try:
        with WebSession(target) as session:
            for judged in store(session, target, list(fronts.values())):
                for position, verdict in judged:
                    done(order[position], _result(left.pop(order[position]).path, verdict))
    except (PeerError, UnreadableDicom) as error:
        if len(left) == len(fronts) and isinstance(error, PeerError):
            raise
        for index, file in left.items():
            done(index, FileResult(file.path, sent=False, status=None, message=str(error)))
