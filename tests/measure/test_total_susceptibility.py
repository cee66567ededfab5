"""Susceptibility times volume of small sources: closed forms, and a microbleed at two sets of echo times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from qsmnode.engine import Recipe, reconstruct
from qsmnode.errors import EngineInputError
from qsmnode.measure.total_susceptibility import Reach, TotalSusceptibility, total_susceptibility
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.sphere import Sphere, simulate_sphere

SHAPE = (25, 25, 25)
VOXEL_MM = (1.0, 1.0, 1.0)
SHORT_S = (0.003, 0.008, 0.013, 0.018)
LONG_S = (0.005, 0.015, 0.025, 0.035, 0.045)


def blob(chi_ppm: float = 1.0, blur: float = 0.0, background: float = 0.0) -> np.ndarray:
    """Seven voxels of ``chi_ppm`` in the middle, blurred, on a background."""
    cross = np.zeros(SHAPE)
    cross[12, 12, 12] = 1
    cross = ndimage.binary_dilation(cross).astype(float) * chi_ppm
    return (ndimage.gaussian_filter(cross, blur) + background).astype(np.float32)


def middle() -> np.ndarray:
    region = np.zeros(SHAPE, bool)
    region[12, 12, 12] = True
    return region


def measured(chi: np.ndarray, region: np.ndarray | None = None, **more: Any) -> TotalSusceptibility:
    known = more.pop("known", np.ones(chi.shape, bool))
    found = total_susceptibility(
        chi, middle() if region is None else region, more.pop("voxel_mm", VOXEL_MM), known, **more
    )
    assert found is not None
    return found


@settings(max_examples=25, deadline=None)
@given(
    chi=st.floats(0.05, 5.0),
    sign=st.sampled_from([1.0, -1.0]),
    blur=st.floats(0.0, 0.9),
    background=st.floats(-0.5, 0.5),
    edge=st.floats(0.8, 1.2),
)
def test_the_sum_depends_on_neither_blur_nor_background(
    chi: float, sign: float, blur: float, background: float, edge: float
) -> None:
    found = measured(blob(sign * chi, blur, background), voxel_mm=(edge, edge, edge))
    assert found.ppm_mm3 == pytest.approx(sign * 7 * chi * edge**3, rel=0.03, abs=1e-3)
    assert found.surrounding_ppb == pytest.approx(1000 * background, abs=5 + 0.2 * chi)
    assert math.copysign(1, found.peak_ppb) == sign
    assert found.missing_voxels == 0


def test_the_half_maximum_region_is_the_source_itself_where_nothing_blurs_it() -> None:
    found = measured(blob(2.0))
    assert (found.half_maximum_mm3, found.peak_ppb) == (7.0, pytest.approx(2000.0))


def test_a_neighbour_within_reach_is_not_grown_into_where_it_does_not_touch() -> None:
    chi = blob()
    chi[19, 12, 12] = 3.0  # nearer than what is summed would have to be to matter
    assert measured(chi).half_maximum_mm3 == 7.0
    everywhere = np.ones(SHAPE, np.float32)
    everywhere[:4] = 0
    grown = measured(everywhere + blob(), reach=Reach(growth=2.0))
    assert grown.half_maximum_mm3 == 7.0


def test_a_roughly_drawn_region_gives_the_same_as_one_voxel() -> None:
    chi = blob(1.0, 0.8)
    rough = ndimage.binary_dilation(middle(), iterations=3)
    assert measured(chi, rough).ppm_mm3 == pytest.approx(measured(chi).ppm_mm3, rel=0.01)


def test_voxels_without_a_value_are_counted_and_add_nothing() -> None:
    chi, known = blob(), np.ones(SHAPE, bool)
    known[13, 12, 12] = False
    chi[11, 12, 12] = np.nan
    found = measured(chi, known=known)
    assert (found.missing_voxels, found.ppm_mm3) == (2, pytest.approx(5.0))


def test_what_cannot_be_measured_is_none() -> None:
    chi, known, nowhere = blob(), np.ones(SHAPE, bool), np.zeros(SHAPE, bool)
    assert total_susceptibility(chi, nowhere, VOXEL_MM, known) is None
    assert total_susceptibility(chi, middle(), VOXEL_MM, nowhere) is None
    assert total_susceptibility(chi, middle(), VOXEL_MM, ndimage.binary_dilation(middle())) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"region": np.zeros((2, 2, 2), bool)}, "region: expected a boolean mask"),
        ({"known": np.ones(SHAPE)}, "known: expected a boolean mask"),
        ({"voxel_mm": (1.0, 0.0, 1.0)}, "voxel_mm: expected three edges above 0"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], named: str) -> None:
    given = {"region": middle(), "known": np.ones(SHAPE, bool), "voxel_mm": VOXEL_MM, **change}
    with pytest.raises(EngineInputError, match=named):
        total_susceptibility(blob(), **given)
    with pytest.raises(EngineInputError, match="reach: expected growth and margin"):
        Reach(shell=0.0)


@pytest.mark.parametrize(("radius_mm", "chi_ppm"), [(1.5, 1.5), (3.0, 0.5)])
def test_a_microbleed_has_the_same_sum_at_short_and_at_long_echo_times(
    radius_mm: float, chi_ppm: float
) -> None:
    found = [_scanned(radius_mm, chi_ppm, times) for times in (SHORT_S, LONG_S)]
    sums = [one.ppm_mm3 for one in found]
    assert sums[1] == pytest.approx(sums[0], rel=0.10)
    true = chi_ppm * 4 / 3 * math.pi * radius_mm**3
    assert sums == pytest.approx([true, true], rel=0.05)
    if radius_mm < 2:
        short, long = (one.peak_ppb for one in found)
        assert abs(long / short - 1) > 0.15, "its peak is no such measure"


def _scanned(radius_mm: float, chi_ppm: float, times_s: tuple[float, ...]) -> TotalSusceptibility:
    """A sphere between the voxels' centres, in gel, scanned and reconstructed."""
    sphere = Sphere(radius_mm, chi_ppm, (1.3, -0.6, 0.4), gel_radius_mm=22.0)
    made = simulate_sphere(sphere, Protocol(times_s, shape=(48, 48, 48), voxel_mm=VOXEL_MM))
    maps = reconstruct(made.stack, Recipe.preset("default"), mask=made.mask)
    return measured(
        maps.susceptibility, made.susceptibility_ppm == made.susceptibility_ppm.max(), known=maps.mask
    )
