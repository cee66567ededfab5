"""Enhanced objects whose frames are described in megabytes, in every form that a sequence can have."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from qsmnode.dicom import deferred
from qsmnode.dicom.completeness import COMPLETE, assess
from qsmnode.dicom.instance import read_instance
from qsmnode.dicom.source import load
from qsmnode.errors import UnreadableDicom
from tests.dicom.recoding import recoded


def long_frames(ds: Dataset) -> None:
    """Each frame carries 60 KB of the vendor's own: all of them are longer than what stays on disk."""
    for frame in ds.PerFrameFunctionalGroupsSequence:
        frame.private_block(0x0021, "MAKER", create=True).add_new(0x01, "OB", bytes(60_000))


def unstated(ds: Dataset) -> None:
    long_frames(ds)
    ds["PerFrameFunctionalGroupsSequence"].is_undefined_length = True


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
    ids=lambda syntax: str(syntax.name),
)
@pytest.mark.parametrize("change", [long_frames, unstated], ids=["stated", "unstated"])
def test_every_frame_is_seen_however_long_they_are(builder: Any, change: Any, syntax: UID) -> None:
    made = builder.write_enhanced(builder.Scan(vendor="philips", change=change))
    (path,) = made.paths.values()
    recoded(path, syntax)
    assert len(read_instance(path).frames) == 24
    assert assess(made.acquisition).state == COMPLETE
    assert load(made.acquisition, made.paths).stack.magnitude.shape[0] == 3


def test_frames_beyond_any_measure_and_frames_cut_short_are_unreadable(
    builder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = builder.write_enhanced(builder.Scan(vendor="philips", change=long_frames))
    (path,) = made.paths.values()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableDicom, match="cut short"):
        read_instance(path)
    path.write_bytes(whole)
    monkeypatch.setattr(deferred, "MAX_FRAMES_BYTES", 1 << 20)
    with pytest.raises(UnreadableDicom, match="expected at most 1 MB"):
        read_instance(path)
