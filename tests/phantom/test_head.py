"""The simulated head: determinism, plausible anatomy, signs, and truth that agrees with itself."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import fourier
from qsmnode.errors import EngineInputError
from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead, simulate
from qsmnode.phantom.protocol import AXIAL, SAGITTAL, quick_protocol, tilted
from qsmnode.phantom.tissues import NUCLEUS_NAMES, TISSUES, nucleus_label

VOLUMES_ML = {  # both sides together, adult brains
    "thalamus": (5, 16),
    "caudate": (3.5, 12),
    "putamen": (4, 14),
    "globus pallidus": (1, 5),
    "red nucleus": (0.1, 1),
    "substantia nigra": (0.3, 2),
    "dentate nucleus": (0.8, 4),
}


def volume_ml(head: SimulatedHead, *labels: int) -> float:
    return float(np.isin(head.labels, labels).sum() * head.stack.grid.voxel_volume_mm3 / 1000)


def test_shapes_types_and_ranges(small_head: SimulatedHead) -> None:
    shape = small_head.protocol.shape
    assert small_head.stack.phase.shape == (5, *shape)
    for array in (small_head.susceptibility_ppm, small_head.local_field_ppm, small_head.total_field_hz):
        assert array.shape == shape
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    assert np.abs(small_head.stack.phase).max() <= np.float32(np.pi)
    assert set(np.unique(small_head.labels)) <= set(small_head.label_names)


def test_volumes_are_those_of_a_head(small_head: SimulatedHead) -> None:
    brain = small_head.brain_mask.sum() * small_head.stack.grid.voxel_volume_mm3 / 1000
    assert 1000 < brain < 1700
    for name, (low, high) in VOLUMES_ML.items():
        sides = [volume_ml(small_head, nucleus_label(name, side)) for side in ("left", "right")]
        assert low < sum(sides) < high, name
        assert 0.5 < sides[0] / sides[1] < 2.0, name
    assert 0.4 < volume_ml(small_head, 4) / volume_ml(small_head, 5) < 2.0  # grey to white matter
    assert 5 < volume_ml(small_head, 6) < 60  # ventricles


def test_left_is_left(small_head: SimulatedHead) -> None:
    for name in NUCLEUS_NAMES:
        for side, sign in (("left", 1), ("right", -1)):
            where = np.argwhere(small_head.labels == nucleus_label(name, side))
            if len(where) == 0:
                assert name == "subthalamic nucleus"  # smaller than half a voxel of this grid
                continue
            patient = small_head.affine[:3, :3] @ where.mean(axis=0) + small_head.affine[:3, 3]
            assert sign * patient[0] > 2.0, (name, side)


def test_nuclei_have_their_susceptibility(small_head: SimulatedHead) -> None:
    for name in ("putamen", "caudate", "globus pallidus", "dentate nucleus"):
        for side in ("left", "right"):
            label = nucleus_label(name, side)
            inside = small_head.susceptibility_ppm[small_head.labels == label]
            expected = TISSUES[label].chi_ppm  # less the partial volume of 3 mm voxels
            assert np.median(inside) == pytest.approx(expected, rel=0.3, abs=0.012), (name, side)


def test_local_field_is_what_the_brain_alone_makes(small_head: SimulatedHead) -> None:
    """Total minus local field is harmonic inside the brain: its Laplacian all but vanishes."""

    def laplacian(field: np.ndarray) -> np.ndarray:
        found = -6 * field
        for axis in range(3):
            found = found + np.roll(field, 1, axis) + np.roll(field, -1, axis)
        return found

    deep = small_head.scoring_mask(9.0)
    total = small_head.total_field_hz / np.float32(small_head.protocol.frequency_mhz)
    local = small_head.local_field_ppm
    assert laplacian(total - local)[deep].std() < 0.05 * laplacian(local)[deep].std()
    assert 0.004 < local[small_head.scoring_mask()].std() < 0.04


def test_phase_is_the_field(small_head: SimulatedHead) -> None:
    """Phase rises with +gamma dB TE: the difference of two echoes gives the field back."""
    stack, mask = small_head.stack, small_head.scoring_mask(6.0)
    gap_s = stack.echo_times_s[1] - stack.echo_times_s[0]
    turn = np.angle(np.exp(1j * (stack.phase[1] - stack.phase[0])))
    difference = turn / (2 * np.pi * gap_s) - small_head.total_field_hz
    assert abs(np.median(difference[mask])) < 0.3
    assert np.percentile(np.abs(difference[mask]), 90) < 2.0


def test_same_arguments_give_the_same_bytes_on_any_number_of_threads() -> None:
    protocol = quick_protocol(6.0, echo_times_s=(0.005, 0.015))
    before = fourier.threads()
    try:
        fourier.set_threads(1)
        first = simulate(HeadShape(3), protocol)
    finally:
        fourier.set_threads(before)
    second = simulate(HeadShape(3), protocol)
    for name in ("susceptibility_ppm", "local_field_ppm", "total_field_hz", "labels", "brain_mask"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name
    assert first.stack.magnitude.tobytes() == second.stack.magnitude.tobytes()
    assert first.stack.phase.tobytes() == second.stack.phase.tobytes()


def test_seed_and_noise_seed_change_what_they_should() -> None:
    protocol = quick_protocol(6.0, echo_times_s=(0.005,))
    first = simulate(HeadShape(3), protocol)
    again = simulate(HeadShape(3), quick_protocol(6.0, echo_times_s=(0.005,), noise_seed=1))
    other = simulate(HeadShape(4), protocol)
    assert np.array_equal(first.susceptibility_ppm, again.susceptibility_ppm)
    assert not np.array_equal(first.stack.phase, again.stack.phase)
    assert not np.array_equal(first.labels, other.labels)


def test_orientation_leaves_the_head_where_it_is() -> None:
    """The same patient points carry the same tissue, field and local field in any orientation."""
    plain = simulate(HeadShape(5), quick_protocol(4.0, snr=0, echo_times_s=(0.005,)))
    for orientation, shape in ((SAGITTAL, (54, 45, 48)), (tilted(AXIAL, 20.0, 8.0), (52, 58, 50))):
        turned = simulate(
            HeadShape(5),
            quick_protocol(4.0, snr=0, shape=shape, orientation=orientation, echo_times_s=(0.005,)),
        )
        direction = turned.geometry.axes @ np.array(turned.stack.grid.b0_direction)
        np.testing.assert_allclose(direction, [0, 0, 1], atol=1e-9)
        points = np.argwhere(plain.scoring_mask(8.0))[::23]
        patient = plain.affine[:3, :3] @ points.T + plain.affine[:3, 3:]
        there = np.rint(np.linalg.solve(turned.affine[:3, :3], patient - turned.affine[:3, 3:])).astype(int)
        for name, tolerance in (("total_field_hz", 2.0), ("local_field_ppm", 0.012)):
            a, b = getattr(plain, name)[tuple(points.T)], getattr(turned, name)[tuple(there)]
            assert np.corrcoef(a, b)[0, 1] > 0.7, name
            assert np.median(np.abs(a - b)) < tolerance, name
        same = plain.labels[tuple(points.T)] == turned.labels[tuple(there)]
        assert same.mean() > 0.6


def test_slab_feels_the_sources_outside_it() -> None:
    whole = simulate(HeadShape(5), quick_protocol(4.0, snr=0, shimmed=False, echo_times_s=(0.005,)))
    first = 18
    slab = simulate(
        HeadShape(5),
        quick_protocol(
            4.0,
            snr=0,
            shimmed=False,
            echo_times_s=(0.005,),
            shape=(48, 54, 8),
            centre_mm=(0.0, 0.0, 4.0 * (first + 3.5 - 22.0)),
        ),
    )
    inside = slab.brain_mask & whole.brain_mask[:, :, first : first + 8]
    difference = (slab.total_field_hz - whole.total_field_hz[:, :, first : first + 8])[inside]
    assert inside.sum() > 500
    assert np.abs(difference).max() < 0.05 * np.ptp(whole.total_field_hz[whole.brain_mask])
    assert difference.std() < 1.0


def test_field_strength_and_imperfections_reach_the_signal(small_head: SimulatedHead) -> None:
    low = simulate(HeadShape(7), quick_protocol(6.0, field_t=1.5, snr=0, echo_times_s=(0.004, 0.028)))
    high = simulate(HeadShape(7), quick_protocol(6.0, field_t=7.0, snr=0, echo_times_s=(0.004, 0.028)))
    inside = low.scoring_mask(6.0)
    decay = [np.median(h.stack.magnitude[1][inside] / h.stack.magnitude[0][inside]) for h in (low, high)]
    assert decay[1] < 0.85 * decay[0]
    assert high.stack.imaging_frequency_mhz == pytest.approx(297.2)
    plain = {"snr": 0, "echo_times_s": (0.004, 0.008, 0.012)}
    smooth = simulate(HeadShape(7), quick_protocol(6.0, **plain))
    bipolar = simulate(HeadShape(7), quick_protocol(6.0, bipolar_rad=2.0, **plain))
    ghosted = simulate(HeadShape(7), quick_protocol(6.0, ghost=0.1, **plain))
    odd_even = np.angle(np.exp(1j * (bipolar.stack.phase - smooth.stack.phase)))[:, inside]
    assert np.corrcoef(odd_even[0], odd_even[1])[0, 1] < -0.99
    assert not np.allclose(ghosted.stack.magnitude, smooth.stack.magnitude)
    assert bipolar.stack.bipolar is True


def test_snr_is_what_was_asked(small_head: SimulatedHead) -> None:
    corner = small_head.stack.magnitude[0][:4, :4, -4:]
    noise = np.sqrt(np.mean(corner**2) / 2)
    white = small_head.stack.magnitude[0][small_head.labels == 5].mean()
    assert white / noise == pytest.approx(60.0, rel=0.1)


def test_a_view_without_brain_is_refused() -> None:
    with pytest.raises(EngineInputError, match="no brain"):
        simulate(HeadShape(1), quick_protocol(6.0, shape=(16, 16, 8), centre_mm=(0.0, 0.0, -160.0)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"echo_times_s": (4.0, 10.0)}, "echo_times_s"),
        ({"echo_times_s": (0.01, 0.005)}, "echo_times_s"),
        ({"orientation": (1.0, 0.0, 0.0, 0.5, 0.5, 0.0)}, "orientation"),
        ({"voxel_mm": (1.0, 0.0, 1.0)}, "voxel_mm"),
        ({"ghost": 1.5}, "ghost"),
    ],
)
def test_bad_protocols_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(EngineInputError, match=message):
        Protocol(**changes)
