"""R2* and susceptibility-weighted images of a simulated head against its truth, on a small slab."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead, simulate
from qsmnode.phantom.tissues import WHITE
from tests.bench import contrasts
from tests.bench.heads import noisy

SLAB = Protocol(
    echo_times_s=(0.004, 0.012, 0.020, 0.028),
    shape=(72, 88, 16),
    voxel_mm=(2.0, 2.0, 2.0),
    centre_mm=(0.0, 0.0, 18.0),
)


@pytest.fixture(scope="module")
def clean() -> SimulatedHead:
    """Caudates, ventricles, veins and both lesions, without noise."""
    return simulate(HeadShape(1), replace(SLAB, snr=0.0))


def measured(clean: SimulatedHead, seed: int) -> SimulatedHead:
    """The same with noise."""
    signal = clean.stack.magnitude * np.exp(1j * clean.stack.phase)
    stack = noisy(signal.astype(np.complex64), SLAB, clean.labels == WHITE, np.random.default_rng(seed))
    return replace(clean, protocol=SLAB, stack=stack)


@pytest.fixture(scope="module")
def slab(clean: SimulatedHead) -> SimulatedHead:
    return measured(clean, 0)


@pytest.mark.parametrize("way", contrasts.WAYS)
def test_r2star_of_every_tissue_is_within_five_percent(slab: SimulatedHead, way: str) -> None:
    rows = contrasts.rate_rows(slab, way)
    assert {"white matter", "ventricles", "caudate left"} <= {row["tissue"] for row in rows}
    assert not [row for row in rows if row["off"]]
    (white,) = (row for row in rows if row["tissue"] == "white matter")
    assert abs(white["error"]) < 5
    assert white["typical_error"] < 8


def test_a_wrong_r2star_is_seen(slab: SimulatedHead) -> None:
    faster = np.exp(-3.0 * np.array(SLAB.echo_times_s))[:, None, None, None]
    stack = replace(slab.stack, magnitude=(slab.stack.magnitude * faster).astype(np.float32))
    (white,) = (
        row
        for row in contrasts.rate_rows(replace(slab, stack=stack), "arlo")
        if row["tissue"] == "white matter"
    )
    assert white["error"] == pytest.approx(100 * 3 / white["true"], abs=3)
    assert white["off"]


def test_veins_along_the_field_are_darker_than_in_the_magnitude(
    slab: SimulatedHead, clean: SimulatedHead
) -> None:
    along, across, every = contrasts.vein_rows(slab, measured(clean, 1))
    assert along["darker_ratio"] > 1.3
    assert along["darker_ratio"] > every["darker_ratio"] > across["darker_ratio"]
    assert along["voxels"] + across["voxels"] == every["voxels"]
    assert every["mip_differs"] == 0


def test_blood_is_told_from_chalk_by_what_lies_around_it(slab: SimulatedHead) -> None:
    rows = {row["lesion"]: row for row in contrasts.sign_rows(slab)}
    assert rows["haemorrhage"]["pole"] < 0.9 < 1.0 < rows["haemorrhage"]["equator"]
    assert rows["calcification"]["equator"] < 0.9 < 1.0 < rows["calcification"]["pole"]
    turned = replace(slab, stack=replace(slab.stack, phase=-slab.stack.phase))
    assert [row["told"] for row in contrasts.sign_rows(turned)] == [False, False]
