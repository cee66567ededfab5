"""Iron is estimated in gray-matter nuclei only, by the published factor, and never below zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr.coding import Code

from qsmnode.measure.iron import BELOW_ZERO, Iron, basis, iron
from qsmnode.measure.structures import REGION_OF_INTEREST, STRUCTURES, named

NO_NUCLEUS = (
    "cerebrospinal fluid",
    "choroid plexus",
    "white matter",
    "gray matter",
    "lateral ventricle",
    "vein",
)
NUCLEI = sorted(set(STRUCTURES) - set(NO_NUCLEUS))


@pytest.mark.parametrize("name", NUCLEI)
def test_a_nucleus_has_the_published_estimate(name: str) -> None:
    assert iron(named(name), 110.0) == Iron(100.0, 7.273)


@pytest.mark.parametrize("name", NO_NUCLEUS)
def test_other_tissue_has_none(name: str) -> None:
    assert iron(named(name), 110.0) is None


def test_the_structure_decides_and_not_the_name() -> None:
    assert iron(REGION_OF_INTEREST, 110.0) is None
    assert iron(Code("12738006", "SCT", "Putamen"), 110.0) is None
    assert iron(Code("89278009", "SCT", "whatever"), 110.0) == Iron(100.0, 7.273)
    assert iron(Code("89278009", "SRT", "Putamen"), 110.0) is None


@given(st.floats(-5000, 5000))
def test_it_follows_from_the_stated_susceptibility_and_is_never_negative(mean_ppb: float) -> None:
    found = iron(named("putamen"), mean_ppb)
    assert found is not None
    if round(mean_ppb, 3) < 0:
        assert found == Iron(None, None, BELOW_ZERO)
    else:
        assert found.ug_per_g is not None
        assert found.sd_ug_per_g is not None
        assert found.ug_per_g == pytest.approx(round(mean_ppb, 3) / 1.10, abs=6e-4)
        assert found.sd_ug_per_g == pytest.approx(found.ug_per_g * 0.08 / 1.10, abs=6e-4)
        assert not found.reason


def test_the_words_name_zero_and_source() -> None:
    words = basis("mean of the whole brain mask")
    for part in ("mean of the whole brain mask", "1.10 +- 0.08 ppb", "Zheng", "Relative"):
        assert part in words
    assert "not stated" in basis("")
