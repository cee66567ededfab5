"""A paramagnetic sphere is positive, and as strong as it is, however the slices lie: through real files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from qsmnode.dicom.source import load
from qsmnode.engine import Recipe
from qsmnode.node.offline import eligible, look_at
from qsmnode.node.reconstruction import reconstructed, remarks
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, Cosines, Protocol, tilted
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import Sphere, simulate_sphere

SPHERE = Sphere(radius_mm=12.0, chi_ppm=0.5, offset_mm=(8.0, -5.0, 11.0), gel_radius_mm=45.0)
GEL = Recipe.from_mapping({"mask": "signal"})


@pytest.mark.parametrize(
    "orientation",
    [AXIAL, SAGITTAL, CORONAL, tilted(AXIAL, 30.0, 20.0)],
    ids=["axial", "sagittal", "coronal", "double oblique"],
)
def test_a_paramagnetic_sphere_is_positive_in_every_orientation(orientation: Cosines, tmp_path: Path) -> None:
    protocol = Protocol(
        echo_times_s=(0.004, 0.010, 0.016),
        shape=(56, 56, 56),
        voxel_mm=(2.0, 2.0, 2.0),
        orientation=orientation,
    )
    phantom = simulate_sphere(SPHERE, protocol)
    write_classic(phantom, tmp_path)
    found = look_at([tmp_path])
    (acquisition,) = eligible(found)
    source = load(acquisition, found.paths)
    np.testing.assert_allclose(source.affine, phantom.affine, atol=1e-3)
    context = reconstructed(source, GEL, datetime(2026, 1, 1))  # noqa: DTZ001 - a time inside objects

    chi = context.maps.susceptibility
    inside = (phantom.susceptibility_ppm > 0.49) & context.maps.mask
    around = (phantom.susceptibility_ppm == 0) & context.maps.mask
    contrast = float(chi[inside].mean() - chi[around].mean())
    assert np.count_nonzero(inside) > 500
    assert contrast == pytest.approx(SPHERE.chi_ppm, rel=0.15)
    strongest = np.unravel_index(np.argmax(chi), chi.shape)
    place = source.affine @ (*strongest, 1.0)
    assert np.linalg.norm(place[:3] - np.array(SPHERE.offset_mm)) <= SPHERE.radius_mm


def test_why_the_offset_stays_is_said() -> None:
    (single,) = remarks({"offset_corrected": 0.0, "input_echoes": 1.0})
    assert single == "one echo: the phase offset is not corrected"
    (chosen,) = remarks({"offset_corrected": 0.0, "input_echoes": 5.0})
    assert chosen == "as the recipe says: the phase offset is not corrected"
