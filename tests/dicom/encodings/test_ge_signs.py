"""GE's sign: turned always, and from slice to slice where the data show that it alternates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom import Dataset

from qsmnode.dicom.pixels import alternates, with_every_second_slice_negated
from qsmnode.dicom.source import Source, load
from qsmnode.errors import NotEligible

ROWS, COLUMNS = 6, 8


def signal_of(slices: int, echo: int, empty: int) -> np.ndarray:
    """(slices, rows, columns) complex: a head with ``empty`` slices at its ends."""
    z, y, x = np.mgrid[:slices, :ROWS, :COLUMNS]
    phase = 0.3 + (echo + 1) * (2.2 * z / slices + 0.2 * x - 0.1 * y) / 3
    head = (z >= empty) & (z < slices - empty)
    return np.where(head, 900.0 + 20 * x, 0.0) * np.exp(1j * phase)


def written(slices: int, empty: int, alternating: bool) -> Callable[[Dataset], None]:
    """Puts the head's values into an image as GE would: phase negated, in mrad."""

    def change(ds: Dataset) -> None:
        z = round((float(ds.ImagePositionPatient[2]) - 30.0) / 2.0)
        echo = round(float(ds.EchoTime) / 5.0) - 1
        signal = np.conj(signal_of(slices, echo, empty)[z])
        if alternating and z % 2:
            signal = -signal
        kind = ds[0x0043, 0x102F].value
        values = (np.abs(signal), 1000 * np.angle(signal), signal.real, signal.imag)[kind]
        ds.PixelData = np.round(values).astype(np.int16).tobytes()

    return change


def read(
    builder: Any, kinds: str, slices: int, empty: int, alternating: bool, dimension: str = "3D"
) -> Source:
    made = builder.write(
        dimension=dimension,
        vendor="ge",
        kinds=tuple(kinds),
        slices=slices,
        echo_times_ms=(5.0, 10.0),
        change=written(slices, empty, alternating),
    )
    return load(made.acquisition, made.paths)


@pytest.mark.parametrize("kinds", ["MP", "RI", "MPRI"])
@pytest.mark.parametrize(("slices", "empty"), [(6, 0), (9, 3)])
@pytest.mark.parametrize("alternating", [False, True])
def test_the_head_comes_out_whole(
    builder: Any, kinds: str, slices: int, empty: int, alternating: bool
) -> None:
    source = read(builder, kinds, slices, empty, alternating)
    assert any("alternated" in word for word in source.warnings) is alternating
    for echo in range(2):
        truth = signal_of(slices, echo, empty).transpose(2, 1, 0)
        found = source.stack.magnitude[echo] * np.exp(1j * source.stack.phase[echo])
        # half a turn of all slices together is an offset at echo time 0, which no map knows
        turn = np.vdot(found, truth)
        turn /= abs(turn)
        assert min(abs(turn - 1), abs(turn + 1)) < 1e-2
        assert np.abs(found * np.sign(turn.real) - truth).max() < 0.01 * np.abs(truth).max()


@pytest.mark.parametrize(("dimension", "undone"), [("3D", True), ("", True), ("2D", False)])
def test_a_header_silent_on_its_dimensions_leaves_it_to_the_data(
    builder: Any, dimension: str, undone: bool
) -> None:
    source = read(builder, "RI", 6, 0, True, dimension)
    assert any("alternated" in word for word in source.warnings) is undone


@pytest.mark.parametrize(("dimension", "refused"), [("3D", True), ("2D", False)])
def test_a_sign_that_alternates_on_another_scanner_is_refused(
    builder: Any, dimension: str, refused: bool
) -> None:
    def alternating(ds: Dataset) -> None:
        if ds.ImageType[2] == "P":
            z = round((float(ds.ImagePositionPatient[2]) - 30.0) / 2.0)
            ds.PixelData = np.full((ROWS, COLUMNS), 4095 if z % 2 else 2048, np.uint16).tobytes()

    made = builder.write(dimension=dimension, slices=6, change=alternating)
    if not refused:
        assert load(made.acquisition, made.paths).warnings == ()
        return
    with pytest.raises(NotEligible, match="half a turn from slice to slice") as error:
        load(made.acquisition, made.paths)
    assert [finding.check for finding in error.value.findings] == ["phase_scaling"]


@given(
    hnp.arrays(np.float32, (3, 2, 7), elements=st.floats(-3, 3, width=32)),
    st.integers(2, 7),
)
def test_negating_twice_changes_nothing_and_flips_the_verdict(phase: np.ndarray, slices: int) -> None:
    phase = phase[np.newaxis, ..., :slices]
    turned = with_every_second_slice_negated(phase)
    assert float(np.abs(turned).max()) <= np.pi + 1e-5
    assert np.allclose(np.exp(1j * with_every_second_slice_negated(turned)), np.exp(1j * phase), atol=1e-5)
    even = np.zeros_like(phase)
    magnitude = np.ones(phase.shape[1:], np.float32)
    assert alternates(magnitude, with_every_second_slice_negated(even)[0]) is (slices > 2)
    assert not alternates(magnitude, even[0])


def test_two_slices_and_air_alternate_never() -> None:
    assert not alternates(np.ones((2, 2, 2), np.float32), np.zeros((2, 2, 2), np.float32))
    assert not alternates(np.zeros((2, 2, 9), np.float32), np.zeros((2, 2, 9), np.float32))
    assert not alternates(np.ones((2, 2, 1), np.float32), np.zeros((2, 2, 1), np.float32))
