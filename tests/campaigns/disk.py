"""What of a store is on the disk for good, kept beside it, so that a power cut can be played.

Strict: a file has the content of its last sync, a folder the names of its last sync, and what no synced
folder names is gone. Both are kept by inode, so that what is renamed stays what it is; an inode that is given
to a new file is another one from then on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_LEDGER = ("ledger.sqlite", "ledger.sqlite-wal")
_APART = ("ledger", "control", "lock")  # SQLite syncs its files itself; a socket and a lock are of no use
_FOLDER, _FILE = "folder", "file"


class Disk:
    """Records of one store.

    Args:
        root: of the store, which may not be there yet.
        shadow: an empty folder for the records.
    """

    def __init__(self, root: Path, shadow: Path) -> None:
        self.root = root
        self.shadow = shadow

    def begin(self) -> None:
        """All that is there now has been synced long ago."""
        for folder, folders, files in os.walk(self.root):
            for name in (folder, *(str(Path(folder) / each) for each in folders + files)):
                path = Path(name)
                if path.is_dir() or not path.name.startswith(_APART):
                    self._keep(path, path.stat().st_ino)
        self.note_ledger()

    def created(self, inode: int) -> None:
        """A new file or folder has this number; whatever had it before keeps its record under another."""
        seen = self.shadow / f"seen|{inode}"
        if seen.exists():
            before = f"{inode}.{sum(1 for _ in self.shadow.glob(f'{_FILE}|{inode}.*')) + 1}"
            (self.shadow / f"{_FILE}|{before}").touch()
            for kind in (_FILE, _FOLDER):
                if (self.shadow / f"{kind}|{inode}").exists():
                    (self.shadow / f"{kind}|{inode}").replace(self.shadow / f"{kind}|{before}")
            for listing in self.shadow.glob(f"{_FOLDER}|*"):
                lines = [line.split(" ", 2) for line in listing.read_text().splitlines()]
                if any(number == str(inode) for number, _, _ in lines):
                    renamed = (" ".join((before if n == str(inode) else n, *rest)) for n, *rest in lines)
                    listing.write_text("\n".join(renamed))
        seen.touch()

    def synced(self, descriptor: int) -> None:
        """This open file or folder was synced just now."""
        path = Path(f"/proc/self/fd/{descriptor}")
        if path.readlink().is_relative_to(self.root):
            self._keep(path, os.fstat(descriptor).st_ino)

    def note_ledger(self) -> None:
        """The ledger as it is now was synced; nobody may write it meanwhile."""
        for name in _LEDGER:
            partial = self.shadow / f"{name}.part"
            if (self.root / name).exists():
                shutil.copyfile(self.root / name, partial)
                partial.replace(self.shadow / name)

    def cut(self) -> None:
        """The power is gone and back: the store is what was synced."""
        left = self.root.with_name(f"{self.root.name}-left")
        left.mkdir(mode=0o700)
        if self.root.exists():
            self._lay_out(str(self.root.stat().st_ino), left)
            shutil.rmtree(self.root)
        for name in _LEDGER:
            if (self.shadow / name).exists():
                shutil.copyfile(self.shadow / name, left / name)
        for path in left.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        left.rename(self.root)

    def _lay_out(self, inode: str, target: Path) -> None:
        for number, kind, name in self._listed(inode):
            if kind == _FOLDER:
                (target / name).mkdir()
                self._lay_out(number, target / name)
            elif not name.startswith(_APART):
                content = self.shadow / f"{_FILE}|{number}"
                (target / name).write_bytes(content.read_bytes() if content.exists() else b"")

    def _listed(self, inode: str) -> Iterator[tuple[str, str, str]]:
        listing = self.shadow / f"{_FOLDER}|{inode}"
        for line in listing.read_text().splitlines() if listing.exists() else ():
            number, kind, name = line.split(" ", 2)
            yield number, kind, name

    def _keep(self, path: Path, inode: int) -> None:
        (self.shadow / f"seen|{inode}").touch()
        if path.is_dir():
            names = "\n".join(
                f"{each.inode()} {_FOLDER if each.is_dir(follow_symlinks=False) else _FILE} {each.name}"
                for each in os.scandir(path)
            )
            (self.shadow / f"{_FOLDER}|{inode}").write_text(names)
        else:
            with path.open("rb") as stream:
                (self.shadow / f"{_FILE}|{inode}").write_bytes(stream.read())
