"""Each form of the setting leads to whoever draws so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qsmnode.config import RegionFolder, RegionProgram, Regions
from qsmnode.dicom.source import Source
from qsmnode.engine.types import Maps
from qsmnode.errors import Finding
from qsmnode.measure.regions import Region
from qsmnode.measure.structures import named
from qsmnode.node.regions.drawer import Drawer
from qsmnode.node.regions.drawn import Drawn, for_examination, measured

FINDER = "qsmnode.measure.nuclei"
COPY = """
shutil.copy("mask.nii.gz", "labels.nii.gz")
open("labels.tsv", "w").write("number\\tname\\n1\\tby a program\\n")
"""


def _titles(regions: Regions, maps: Maps, source: Source, place: Path) -> list[str]:
    drawer = Drawer(regions, ("1.2.3.4.5",), place / "private", 1)
    drawn = drawer(maps, source)
    assert drawer.drawn is drawn
    return [region.title for region in drawn.regions] or [drawn.failure.kind if drawn.failure else ""]


def test_each_form_is_drawn_in_its_way(
    maps: Maps,
    source: Source,
    labels: Callable[..., Path],
    program: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "rois").mkdir()
    lookup = "number\tname\n1\tin a folder\n"
    labels(tmp_path / "rois/1.2.3.4.5.nii", maps.mask.astype(np.uint8), lookup=lookup)
    seen = []

    def find(found: Maps, affine: np.ndarray, magnitude: np.ndarray, times: Any) -> tuple[Region, ...]:
        assert magnitude.shape == (len(times), *found.mask.shape)
        seen.append((found, affine))
        return (Region("by the atlas", "", 1, found.mask, named(""), "the atlas", True, True),)

    module: Any = SimpleNamespace(find_nuclei=find, available=lambda: "")
    monkeypatch.setitem(sys.modules, FINDER, module)
    assert _titles("nuclei", maps, source, tmp_path) == ["by the atlas"]
    assert seen[0][0] is maps
    np.testing.assert_array_equal(seen[0][1], source.affine)
    assert _titles(RegionFolder(folder=tmp_path / "rois"), maps, source, tmp_path) == ["in a folder"]
    assert _titles(RegionProgram(program=(program(COPY),)), maps, source, tmp_path) == ["by a program"]
    monkeypatch.setitem(sys.modules, FINDER, None)
    assert _titles("nuclei", maps, source, tmp_path) == ["regions_unavailable"]


def test_regions_that_cannot_be_told_apart_have_no_numbers(maps: Maps) -> None:
    twice = [Region("one", "", number, maps.mask, named("one"), "x") for number in (1, 2)]
    found, failure = measured(maps, Drawn(tuple(twice)))
    assert found == ()
    assert failure is not None
    assert (failure.kind, failure.words) == (
        "regions_unusable",
        "regions: expected each title once, got 'one' twice",
    )


def test_an_atlas_is_not_meant_for_a_neck_or_after_a_contrast_agent(maps: Maps) -> None:
    """Even where a site lets such examinations have numbers; what a reader drew keeps its own."""
    drawn = Drawn(
        (
            Region("by the atlas", "", 1, maps.mask, named(""), "the atlas", True, True),
            Region("by a reader", "", 2, maps.mask, named(""), "a reader"),
        )
    )
    told = for_examination(drawn, [Finding("contrast_agent", "warn", "none", "a contrast agent was given")])
    automatic, manual = told.regions
    assert automatic.refused is not None
    assert automatic.refused.kind == "not_meant"
    assert "a contrast agent was given" in automatic.refused.words
    assert manual.refused is None
    assert for_examination(drawn, [Finding("echoes", "warn", "3", "2")]) is drawn
