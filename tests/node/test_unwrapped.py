"""Phase that the scanner has unwrapped, in real files: taken as it is, with a warning, to the same map."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import dcmread

from qsmnode.dicom.source import Source, load
from qsmnode.engine import Recipe
from qsmnode.node.offline import eligible, look_at
from qsmnode.node.reconstruction import reconstructed
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere
from qsmnode.products.context import ProductContext

SPHERE = Sphere(radius_mm=12.0, chi_ppm=1.0, offset_mm=(8.0, -5.0, 11.0), gel_radius_mm=45.0)
PROTOCOL = Protocol(echo_times_s=(0.004, 0.010, 0.016), shape=(26, 26, 26), voxel_mm=(4.0, 4.0, 4.0))
GEL = Recipe.from_mapping({"preset": "fast", "mask": "signal"})


def read(folder: Path) -> Source:
    found = look_at([folder])
    (acquisition,) = eligible(found)
    return load(acquisition, found.paths)


def unwrapped(folder: Path, wrapped: Source, phantom: SimulatedSphere) -> None:
    """Writes the phase images anew: continuous, signed, in mrad, as their header then says."""
    stack = wrapped.stack
    times = np.array(stack.echo_times_s)[:, None, None, None]
    truth = 2 * np.pi * stack.imaging_frequency_mhz * phantom.field_ppm * times
    continuous = stack.phase + 2 * np.pi * np.round((truth - stack.phase) / (2 * np.pi))
    assert float(np.abs(continuous).max()) > 1.5 * np.pi
    for path in folder.rglob("*.dcm"):
        ds = dcmread(path)
        if ds.ImageType[2] != "P":
            continue
        echo = int(np.argmin(np.abs(times.ravel() - float(ds.EchoTime) / 1000)))
        away = [np.subtract(ds.ImagePositionPatient, one.position_mm) for one in wrapped.slices]
        z = int(np.argmin(np.linalg.norm(away, axis=1)))
        picture = continuous[echo, :, :, z].T
        ds.PixelData = np.round(1000 * picture).astype("<i2").tobytes()
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 15, 1
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "0", "mrad"
        ds.save_as(path)


def mapped(source: Source) -> ProductContext:
    return reconstructed(source, GEL, datetime(2026, 1, 1))  # noqa: DTZ001 - a time inside objects


def test_unwrapped_phase_gives_the_map_of_wrapped_phase_and_a_warning(tmp_path: Path) -> None:
    phantom = simulate_sphere(SPHERE, PROTOCOL)
    write_classic(phantom, tmp_path)
    wrapped = read(tmp_path)
    unwrapped(tmp_path, wrapped, phantom)
    continuous = read(tmp_path)
    assert (wrapped.phase_is_unwrapped, continuous.phase_is_unwrapped) == (False, True)
    expected, found = mapped(wrapped), mapped(continuous)
    assert not any("unwrapped by the scanner" in word for word in expected.source.remarks)
    assert any("unwrapped by the scanner" in word for word in found.source.remarks)
    both = expected.maps.mask & found.maps.mask & (phantom.susceptibility_ppm > 0.9)
    means = [float(one.maps.susceptibility[both].mean()) for one in (expected, found)]
    assert np.count_nonzero(both) > 50
    assert abs(means[1] / means[0] - 1) < 0.05
