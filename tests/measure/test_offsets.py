"""Offsets of other references: a number where it is known, words where it is not, never 0 for unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qsmnode.engine.measured import Measured
from qsmnode.engine.reference.csf import csf
from qsmnode.engine.reference.ventricles import Parameters
from qsmnode.engine.types import Grid, Maps
from qsmnode.measure.offsets import reference_offsets
from qsmnode.measure.statistics import whole_brain

TIMES = (0.004, 0.008, 0.012)
SHAPE = (4, 3, 2)


def maps(**changes: Any) -> Maps:
    """20 ppb everywhere."""
    chi = np.full(SHAPE, 0.020, np.float32)
    made = Maps(chi, np.ones(SHAPE, dtype=bool), chi, chi, chi, Grid(SHAPE, (1.0, 1.0, 1.0)), {}, "none")
    return replace(made, **changes)


def test_both_are_means_relative_to_the_maps_zero() -> None:
    made = maps(quality={"reference_csf_offset_ppm": -0.0123456})
    whole, fluid = reference_offsets(made, whole_brain(made), TIMES)
    assert (whole.name, whole.ppb, whole.reason) == ("whole brain", 20.0, "")
    assert (fluid.name, fluid.ppb, fluid.reason) == ("cerebrospinal fluid", -12.346, "")
    assert (whole.structure.value, fluid.structure.value) == ("12738006", "65216001")
    assert str(fluid) == "cerebrospinal fluid relative to the zero of the scale: -12.346 ppb"
    assert "subtract" in whole.meaning


@pytest.mark.parametrize(
    ("times", "quality", "words"),
    [
        (TIMES, {}, "no fluid of the ventricles was found"),
        ((0.004, 0.008), {}, "three or more equally spaced echoes"),
        ((0.004, 0.008, 0.030), {}, "three or more equally spaced echoes"),
        (TIMES, {"reference_csf_offset_ppm": float("nan")}, "no finite value"),
    ],
)
def test_fluid_that_is_not_known_has_words_and_no_number(
    times: tuple[float, ...], quality: dict[str, float], words: str
) -> None:
    made = maps(quality=quality)
    _, fluid = reference_offsets(made, whole_brain(made), times)
    assert fluid.ppb is None
    assert words in fluid.reason
    assert f"not known: {fluid.reason}" in str(fluid)


def test_fluid_that_is_the_zero_lies_at_zero() -> None:
    x, y, z = np.indices((24, 24, 24)) - 12
    radius = np.sqrt(x * x + y * y + z * z) * 3
    brain, inside = radius < 33, radius < 12
    decay = np.where(inside, 1.0, 20.0)
    magnitude = np.stack([100 * np.exp(-time * decay) for time in TIMES]).astype(np.float32)
    grid = Grid((24, 24, 24), (3.0, 3.0, 3.0))
    _, region, words = csf(
        np.zeros(brain.shape, np.float32),
        brain,
        grid,
        Parameters(),
        measured=Measured(magnitude, echo_times_s=TIMES),
    )
    assert region.any()
    made = maps(reference=words)
    assert reference_offsets(made, whole_brain(made), TIMES)[1].ppb == 0.0


def test_an_empty_map_has_no_offset() -> None:
    made = maps(mask=np.zeros(SHAPE, dtype=bool))
    assert [one.ppb for one in reference_offsets(made, whole_brain(made), TIMES)] == [None, None]
