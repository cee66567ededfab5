"""An archive that answers questions as a test tells it to."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt

from qsmnode.node.wire.requestor import Target
from qsmnode.node.wire.uids import STUDY_ROOT_FIND, STUDY_ROOT_MOVE

Answers = Callable[[Dataset], Iterator[Any]]


@pytest.fixture
def asked_archive() -> Iterator[Callable[..., Target]]:
    """asked_archive(find=..., move=..., classes=...): starts one; handlers get the identifier."""
    with ExitStack() as stack:
        stack.callback(gc.collect)  # what pynetdicom leaves open is found here, not in a later test

        def start(
            find: Answers | None = None,
            move: Answers | None = None,
            classes: tuple[str, ...] = (STUDY_ROOT_FIND, STUDY_ROOT_MOVE),
            patience_s: float = 5.0,
        ) -> Target:
            entity = AE(ae_title="ARCHIVE")
            for sop_class in classes:
                entity.add_supported_context(sop_class)
            handlers: list[Any] = []
            if find is not None:
                handlers.append((evt.EVT_C_FIND, lambda event: find(event.identifier)))
            if move is not None:
                handlers.append((evt.EVT_C_MOVE, lambda event: move(event.identifier)))
            server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
            stack.callback(server.shutdown)
            stack.callback(lambda: [association.join(20) for association in server.active_associations])
            port = server.socket.getsockname()[1]
            return Target("archive", "127.0.0.1", port, "ARCHIVE", "QSMNODE", patience_s, patience_s)

        yield start
