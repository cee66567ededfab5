"""One head through every encoding: the susceptibility is the same.

At 16 bits, and at 12 where the steps are the same, no voxel differs by more than 1 ppb from Siemens classic
at that depth. One step of 12 bits, or of whole mrad, may move a voxel of the rim into the mask or out of it;
then the voxels beside it follow, and what is read off a map stays. docs/accuracy.md has more heads.
"""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.phantom.vendors import VENDORS
from tests.phantom.encodings import Distance, Encoding, Mapped, coarse_head

# every encoding but GE's magnitude and phase, whose whole mrad are coarser than 16 bits
FINE: list[Encoding] = [
    ("siemens-xa", 16),
    ("siemens-xa-split", 12),
    ("philips", 16),
    ("philips-enhanced", 16),
    ("ge", 16),
    ("canon", 16),
    ("uih", 16),
    ("hitachi", 12),
]
COARSE: list[tuple[Encoding, Encoding]] = [
    (("philips", 12), ("siemens", 12)),
    (("ge-polar", 16), ("siemens", 16)),
    (("siemens", 12), ("siemens", 16)),
]


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    return Mapped(coarse_head(1), tmp_path_factory.mktemp("encodings"))


def test_no_encoding_is_left_out() -> None:
    assert {vendor for vendor, _ in (*FINE, *(one for pair in COARSE for one in pair))} == set(VENDORS)


@pytest.mark.parametrize(("vendor", "bits"), FINE)
def test_equal_depth_gives_equal_maps(vendor: str, bits: int, maps: Mapped) -> None:
    one, classic = maps[vendor, bits], maps["siemens", bits]
    assert np.array_equal(one.mask, classic.mask)
    assert Distance.of(one, classic, maps.head).largest_ppb <= 1.0


@pytest.mark.parametrize(("one", "other"), COARSE)
def test_a_coarse_step_moves_a_voxel_of_the_rim_and_no_value(
    one: Encoding, other: Encoding, maps: Mapped
) -> None:
    found = Distance.of(maps[one], maps[other], maps.head)
    assert found.alone <= 1e-3 * found.both
    assert found.median_ppb <= 0.3
    assert found.p99_ppb <= 3.0
    assert found.largest_ppb <= 25.0
    assert found.tissue_ppb <= 0.3
