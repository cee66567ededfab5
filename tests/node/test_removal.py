"""A folder goes with all that is in it, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from qsmnode.node.removal import remove


def test_what_was_closed_goes_and_what_is_linked_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    folder = tmp_path / "folder"
    (folder / "shut" / "in").mkdir(parents=True)
    (folder / "shut" / "in" / "file").write_text("y")
    (folder / "link").symlink_to(kept)
    (folder / "shut" / "in").chmod(0)
    (folder / "shut").chmod(0)
    kept.chmod(0o500)
    remove(folder)
    assert not folder.exists()
    assert kept.stat().st_mode & 0o777 == 0o500
    assert (kept / "file").read_text() == "x"
    remove(folder)


_AS_ANOTHER = """
import os, sys
from pathlib import Path
from qsmnode.node.removal import remove
if os.geteuid() == 0:
    os.setuid(65534)  # root may enter any folder
folder = Path(sys.argv[1]) / "folder"
(folder / "shut" / "in").mkdir(parents=True)
(folder / "shut" / "in").chmod(0)
(folder / "shut").chmod(0)
remove(folder)
assert not folder.exists()
"""


def test_it_needs_no_rights_but_the_owners() -> None:
    with tempfile.TemporaryDirectory() as place:  # in a folder that others may enter, unlike pytest's
        Path(place).chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", _AS_ANOTHER, place], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
