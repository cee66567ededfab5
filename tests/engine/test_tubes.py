"""Tubes of known concentration, measured from wrapped phase with the recipe for phantoms."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import EngineInputError, Maps, Recipe, reconstruct
from qsmnode.phantom.protocol import AXIAL, Cosines, Protocol, tilted
from qsmnode.phantom.tubes import (
    CALCIUM_PPM_PER_MOLAR,
    GADOLINIUM_PPM_PER_MM,
    Jar,
    SimulatedTubes,
    Solution,
    Tube,
    TubePhantom,
    TubeShape,
    rack,
    simulate_tubes,
)

# short enough that even the wall of the strongest tube makes less than half a turn per voxel
TIMES = (0.0020, 0.0045, 0.0070, 0.0095, 0.0120, 0.0145)
GADOLINIUM_MM = (0.0, 0.5, 1.15, 2.3, 4.6, 9.2)
CALCIUM_MOLAR = (0.5, 1.0, 2.0, 3.0, 4.0)
SMALL_JAR = {"ring_mm": 25.0, "length_mm": 60.0, "jar_radius_mm": 44.0, "jar_length_mm": 88.0}


def measured(
    solutions: tuple[Solution, ...],
    direction: tuple[float, float, float],
    size: int = 48,
    orientation: Cosines = AXIAL,
) -> SimulatedTubes:
    protocol = Protocol(TIMES, shape=(size,) * 3, voxel_mm=(2.0,) * 3, orientation=orientation)
    return simulate_tubes(rack(solutions, direction, radii_mm=(6.0,), **SMALL_JAR), protocol)


def line(simulated: SimulatedTubes, maps: Maps) -> tuple[float, float]:
    """Slope of mean susceptibility over concentration, and R squared."""
    tubes = range(len(simulated.phantom.tubes))
    means = [float(maps.susceptibility[simulated.tube(n, 1.5)].mean()) for n in tubes]
    concentrations = [tube.solution.concentration for tube in simulated.phantom.tubes]
    return float(np.polyfit(concentrations, means, 1)[0]), float(
        np.corrcoef(concentrations, means)[0, 1] ** 2
    )


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0)], ids=["along B0", "across B0"])
def test_gadolinium_is_read_off_in_proportion(direction: tuple[float, float, float]) -> None:
    simulated = measured(tuple(map(Solution.gadolinium, GADOLINIUM_MM)), direction)
    maps = reconstruct(simulated.stack, Recipe.preset("phantom"), reference_mask=simulated.water())
    slope, squared = line(simulated, maps)
    assert squared >= 0.99
    assert slope == pytest.approx(GADOLINIUM_PPM_PER_MM, rel=0.1)
    # no tube falls out of the mask, not even the darkest
    assert all(maps.mask[simulated.tube(n)].all() for n in range(len(GADOLINIUM_MM)))
    assert maps.reference == "mean of the given region"


@pytest.mark.parametrize(
    ("direction", "size", "orientation"),
    [((1, 0, 0), 48, AXIAL), ((1.0, 0.5, 1.0), 56, tilted(AXIAL, 20.0, 15.0))],
    ids=["across B0", "oblique tubes in oblique slices"],
)
def test_calcium_chloride_is_read_off_in_proportion(
    direction: tuple[float, float, float], size: int, orientation: Cosines
) -> None:
    simulated = measured(tuple(map(Solution.calcium_chloride, CALCIUM_MOLAR)), direction, size, orientation)
    recipe = Recipe.preset("phantom")
    maps = reconstruct(simulated.stack, recipe, simulated.mask, reference_mask=simulated.water())
    slope, squared = line(simulated, maps)
    assert squared >= 0.98
    assert slope == pytest.approx(CALCIUM_PPM_PER_MOLAR, rel=0.1)


def _long_tube(direction: tuple[float, float, float]) -> SimulatedTubes:
    tube = Tube(Solution.gadolinium(3.0), TubeShape((0, 0, 0), direction, 6.0, 196.0))
    phantom = TubePhantom((tube,), Jar(TubeShape((0, 0, 0), direction, 20.0, 200.0)), wall_mm=0.0)
    empty = TubePhantom((Tube(Solution.gadolinium(0.0), tube.shape),), phantom.jar, wall_mm=0.0)
    protocol = Protocol((0.002,), shape=(16, 16, 16), voxel_mm=(1.5,) * 3, snr=0, shimmed=False)
    with_tube, without = (simulate_tubes(p, protocol) for p in (phantom, empty))
    difference = (with_tube.total_field_hz - without.total_field_hz) / protocol.frequency_mhz
    return SimulatedTubes(**{**vars(with_tube), "total_field_hz": difference})


@pytest.mark.parametrize(
    ("direction", "square_cosine"), [((0, 0, 1), 1.0), ((0, 1, 0), 0.0), ((0, 1, 1), 0.5)]
)
def test_a_long_tube_has_its_closed_form_field_inside(
    direction: tuple[float, float, float], square_cosine: float
) -> None:
    """With the sphere of Lorentz: chi (cos^2 - 1/3) / 2."""
    simulated = _long_tube(direction)
    chi = 3.0 * GADOLINIUM_PPM_PER_MM
    inside = simulated.total_field_hz[simulated.tube(0, 2.0)]
    assert inside.mean() == pytest.approx(chi * (square_cosine - 1 / 3) / 2, abs=0.01 * chi)


def test_strong_tubes_are_dark_in_late_echoes_and_walls_give_no_signal() -> None:
    simulated = measured(tuple(map(Solution.gadolinium, GADOLINIUM_MM)), (0, 0, 1))
    decay = [
        float(np.log(first / last) / (TIMES[-1] - TIMES[0]))
        for tube in range(len(GADOLINIUM_MM))
        for inside in [simulated.tube(tube, 2.0)]
        for first, last in [(simulated.stack.magnitude[e][inside].mean() for e in (0, -1))]
    ]
    expected = [3.0 + 6.0 * c for c in GADOLINIUM_MM]
    assert np.all(np.array(decay) >= np.array(expected) - 1.5)
    assert decay == pytest.approx(expected, rel=0.15, abs=2.0)
    wall = simulated.labels == 2
    assert wall.any()
    assert (
        simulated.stack.magnitude[0][wall].mean()
        < 0.8 * simulated.stack.magnitude[0][simulated.water()].mean()
    )


def test_labels_masks_and_truth_agree() -> None:
    simulated = measured(tuple(map(Solution.calcium_chloride, CALCIUM_MOLAR)), (1, 0, 0), 40)
    for n, molar in enumerate(CALCIUM_MOLAR):
        core = simulated.tube(n, 2.0)
        assert core.any()
        assert (simulated.labels[core] == 3 + n).all()
        assert simulated.susceptibility_ppm[core] == pytest.approx(CALCIUM_PPM_PER_MOLAR * molar, abs=1e-4)
    assert (simulated.labels[simulated.water()] == 1).all()
    assert not simulated.susceptibility_ppm[simulated.water()].any()
    assert not simulated.labels[~simulated.mask].any()


def test_same_arguments_give_the_same_bytes() -> None:
    protocol = Protocol(TIMES[:2], shape=(20,) * 3, voxel_mm=(5.0,) * 3)
    solutions = (Solution.gadolinium(1.0),)
    one, again, other = (simulate_tubes(rack(solutions, seed=seed), protocol) for seed in (3, 3, 4))
    assert one.stack.phase.tobytes() == again.stack.phase.tobytes()
    assert one.stack.phase.tobytes() != other.stack.phase.tobytes()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(EngineInputError, match="tubes: expected 1 to 250, got 0"):
        TubePhantom(())
    with pytest.raises(EngineInputError, match="radius_mm, length_mm: expected lengths above 0"):
        TubeShape(radius_mm=0.0)
    with pytest.raises(EngineInputError, match="direction: expected a vector of length > 0"):
        TubeShape(direction=(0.0, 0.0, 0.0))
    with pytest.raises(EngineInputError, match="wall_mm: expected at least 0"):
        rack((Solution.gadolinium(1.0),), wall_mm=-1.0)
    far = Protocol(TIMES, shape=(8, 8, 8), voxel_mm=(2.0,) * 3, centre_mm=(300.0, 0.0, 0.0))
    with pytest.raises(EngineInputError, match="field of view holds nothing of the jar"):
        simulate_tubes(rack((Solution.gadolinium(1.0),)), far)
