"""Files under one SOP Instance UID: a copy is nothing new, another object is named and not used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qsmnode.node.offline import look_at

WriteObject = Callable[..., Path]


def test_a_copy_is_nothing_new(tmp_path: Path, write_object: WriteObject) -> None:
    first = write_object(tmp_path / "a.dcm", "2.25.7", seed=1)
    shutil.copy(first, tmp_path / "b.dcm")
    found = look_at([tmp_path])
    assert (dict(found.paths), found.unreadable) == ({"2.25.7": first}, ())


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_other_bytes_are_named_and_not_used(tmp_path: Path, write_object: WriteObject, order: str) -> None:
    first, second = (write_object(tmp_path / f"{name}.dcm", "2.25.7", seed=ord(name)) for name in order)
    found = look_at([first, second])
    assert dict(found.paths) == {"2.25.7": first}
    ((path, reason),) = found.unreadable
    assert path == second
    assert reason == f"the same SOP Instance UID as {first} with other bytes; the first one is used"
