"""At the start: a file that no row speaks for gets its row again where it is whole, and goes where it is not.

Success is answered when a file is durable under its name. Its row is written a moment later, and synced later
still: a crash or a power cut may take the last rows, never the files.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qsmnode.ledger.store import Store, fsync_folder
from qsmnode.node.receiver.seal import Sealed, read_sealed
from qsmnode.node.receiver.settings import ListedPeer

_log = logging.getLogger(__name__)
FOLDER = "instances"
_NOT_KNOWN = "not known"


@dataclass
class Recovery:
    """What was found in the store. ``peers`` gives a sender its name by its AE title."""

    store: Store
    peers: Sequence[ListedPeer] = ()
    adopted: int = 0
    removed: int = 0
    _associations: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """Look at every file; nothing may be received meanwhile."""
        instances, root = self.store.instances, self.store.root
        spoken_for, purged = instances.paths(), instances.purged_paths()
        touched = set()
        for path in sorted((root / FOLDER).glob("*/*.dcm")):
            relative = path.relative_to(root).as_posix()
            if relative in spoken_for:
                continue
            try:
                sealed = None if relative in purged else read_sealed(path)
                if sealed is None or instances.known(sealed.front.sop_instance_uid, sealed.sha256):
                    path.unlink()
                    touched.add(path.parent)
                    self.removed += 1
                    continue
            except OSError as error:
                _log.error("%s: kept, without a row: it cannot be read (%s)", relative, error.strerror)
                continue
            self._adopt(relative, path, sealed)
        for folder in touched:
            fsync_folder(folder)
        for association in self._associations.values():
            instances.end_association(association)

    def _adopt(self, relative: str, path: Path, sealed: Sealed) -> None:
        front = sealed.front
        self.store.instances.add(
            sop_instance_uid=front.sop_instance_uid,
            sop_class_uid=front.sop_class_uid,
            transfer_syntax=front.transfer_syntax,
            sha256=sealed.sha256,
            size=path.stat().st_size,
            path=relative,
            association_id=self._association(front.source_ae),
        )
        self.adopted += 1

    def _association(self, calling_ae: str) -> int:
        """One for all that a sender had sent: which ones they came in is lost."""
        if calling_ae not in self._associations:
            name = next((peer.name for peer in self.peers if peer.ae_title == calling_ae), calling_ae)
            self._associations[calling_ae] = self.store.instances.open_association(
                name, calling_ae, _NOT_KNOWN
            )
        return self._associations[calling_ae]
