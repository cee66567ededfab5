"""What came of a wish for regions: some, or why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from qsmnode.dicom.reading import BROKEN
from qsmnode.dicom.source import Source
from qsmnode.engine.types import Maps
from qsmnode.errors import EngineInputError, Finding, NotEligible, UsageError
from qsmnode.measure.region_files import read_regions
from qsmnode.measure.regions import Issue, MeasuredRegion, Region, measure_regions

_NOT_FOR_AN_ATLAS = ("contrast_agent", "neck")


@dataclass(frozen=True)
class Drawn:
    """Regions, or why there are none.

    Attributes:
        regions: on the map's grid.
        failure: why there are none; None where there are.
        output: what the program that drew them said, line by line.
    """

    regions: tuple[Region, ...] = ()
    failure: Issue | None = None
    output: tuple[str, ...] = ()


Draw = Callable[[Maps, Source], Drawn]
"""Whoever draws on a finished map."""


def failed(kind: str, words: str) -> Drawn:
    """No regions, and why."""
    return Drawn(failure=Issue(kind, words))


def from_file(path: Path, source: Source, *, named: bool = True) -> Drawn:
    """The regions of a file that may be anything.

    Args:
        path: of a label image or a segmentation.
        source: of the map.
        named: whether a segmentation has to name the source's study and frame of reference.
    """
    try:
        return Drawn(read_regions(path, source, named=named))
    except (NotEligible, UsageError) as error:
        return failed("regions_unusable", _without_names(str(error), path) if named else str(error))
    except (*BROKEN, MemoryError) as error:
        return failed("regions_unusable", f"the file cannot be read ({type(error).__name__})")


def measured(maps: Maps, drawn: Drawn) -> tuple[tuple[MeasuredRegion, ...], Issue | None]:
    """The regions with their numbers, or why there are none."""
    if drawn.failure is not None:
        return (), drawn.failure
    if not drawn.regions:
        return (), Issue("regions_none", "no region was drawn")
    try:
        return measure_regions(maps, drawn.regions), None
    except EngineInputError as error:
        return (), Issue("regions_unusable", str(error))


def for_examination(drawn: Drawn, findings: Iterable[Finding]) -> Drawn:
    """Without what an atlas found where it does not hold: after a contrast agent, in a neck."""
    why = [str(finding) for finding in findings if finding.check in _NOT_FOR_AN_ATLAS]
    if not why:
        return drawn
    issue = Issue("not_meant", f"no atlas is meant for it: {'; '.join(why)}")
    return replace(
        drawn,
        regions=tuple(
            replace(one, refused=one.refused or issue) if one.experimental else one for one in drawn.regions
        ),
    )


def _without_names(words: str, path: Path) -> str:
    """A file's name may be a person's."""
    stem = path.name.removesuffix(path.suffix).removesuffix(".nii")
    words = words.replace(str(path), "it")
    for name in (path.name, f"{stem}.json", f"{stem}.tsv"):
        words = words.replace(name, name.replace(stem, "*", 1))
    return words
