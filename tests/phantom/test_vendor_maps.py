"""One head through every encoding: the susceptibility is the same.

Encodings whose phase has the same steps give the same map. Where the steps differ, rounding decides whether a
few voxels at the rim belong to the mask, and their neighbours follow; values that are read off a map stay.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qsmnode.engine import Maps, Recipe, reconstruct
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.vendors import VENDORS, write
from tests.phantom.reading import Arrived

EQUAL_STEPS = [
    name for name, made in VENDORS.items() if 12 in made.depths and not name.startswith("philips")
][1:]
OTHER_STEPS = [("philips", ()), ("philips-enhanced", ()), ("ge", ("alternating_sign",)), ("ge-polar", ()),
               ("canon", ()), ("uih", ())]  # fmt: skip


def mapped(files: list[Path]) -> Maps:
    return reconstruct(Arrived.of(files).source.stack, Recipe.preset("default"))


@pytest.fixture(scope="module")
def head() -> SimulatedHead:
    protocol = Protocol((0.006, 0.014, 0.022), shape=(38, 43, 24), voxel_mm=(5.0, 5.0, 7.5))
    return simulate(HeadShape(7), protocol)


@pytest.fixture(scope="module")
def classic(head: SimulatedHead, tmp_path_factory: pytest.TempPathFactory) -> Maps:
    return mapped(write_classic(head, tmp_path_factory.mktemp("classic")))


@pytest.mark.parametrize("vendor", EQUAL_STEPS)
def test_equal_steps_give_equal_maps(vendor: str, head: SimulatedHead, classic: Maps, tmp_path: Path) -> None:
    maps = mapped(write(vendor, head, tmp_path, bits=12))
    assert np.array_equal(maps.mask, classic.mask)
    assert 1000 * np.abs(maps.susceptibility - classic.susceptibility).max() <= 1.0


@pytest.mark.parametrize(("vendor", "faults"), OTHER_STEPS)
def test_other_steps_give_the_same_values(
    vendor: str, faults: tuple[str, ...], head: SimulatedHead, classic: Maps, tmp_path: Path
) -> None:
    maps = mapped(write(vendor, head, tmp_path, faults=faults))
    both = maps.mask & classic.mask
    assert np.count_nonzero(maps.mask != classic.mask) < 2e-3 * both.sum()
    difference_ppb = 1000 * np.abs(maps.susceptibility - classic.susceptibility)[both]
    assert np.median(difference_ppb) <= 1.0
    tissues = [label for label in np.unique(head.labels[both]) if (both & (head.labels == label)).sum() > 20]
    assert len(tissues) >= 3
    for label in tissues:
        inside = both & (head.labels == label)
        means = [1000 * float(one.susceptibility[inside].mean()) for one in (maps, classic)]
        assert means[0] == pytest.approx(means[1], abs=1.0), head.label_names[int(label)]
