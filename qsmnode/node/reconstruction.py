"""From a source to everything that is made of it: what a job's process and `qsmnode reconstruct` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from qsmnode.config import AcceptanceSettings, SeriesSettings
from qsmnode.dicom.acceptance import refuse_rejected
from qsmnode.dicom.acceptance.data import data_findings
from qsmnode.dicom.acceptance.numbers import number_findings
from qsmnode.dicom.source import Source
from qsmnode.engine import Recipe, reconstruct
from qsmnode.engine.fourier import DEFAULT_BACKEND, backend_name
from qsmnode.engine.types import EchoStack, Maps
from qsmnode.errors import Finding
from qsmnode.measure.regions import Region, measure_regions
from qsmnode.measure.statistics import Measurement, whole_brain
from qsmnode.node.regions.drawn import Draw, for_examination
from qsmnode.node.regions.drawn import measured as measured_regions
from qsmnode.products.context import ProductContext
from qsmnode.products.page.style import PageStyle
from qsmnode.products.revision import Replaced

Progress = Callable[[float, str], None]


def reconstructed(
    source: Source,
    recipe: Recipe,
    created_at: datetime,
    *,
    node: str = "QSMNODE",
    revision: int = 1,
    replaces: Mapping[str, Replaced] | None = None,
    progress: Progress | None = None,
    limits: AcceptanceSettings | None = None,
    findings: Sequence[Finding] = (),
    styles: Mapping[str, SeriesSettings] | None = None,
    page: PageStyle | None = None,
    regions: Sequence[Region] = (),
    draw: Draw | None = None,
    iron: bool = False,
) -> ProductContext:
    """Reconstruct and measure.

    Args:
        limits: of the acceptance checks; None: the defaults.
        findings: what the headers gave already.
        styles: how products present themselves, by name, where not as usual.
        page: what the site chooses of the one-page summary.
        regions: of interest, on the source's grid.
        draw: who draws them on the finished map, instead; what then goes wrong is a reason and no error.
        iron: whether iron is estimated in gray-matter nuclei among them.

    Raises:
        NotEligible: the images cannot become a map; says why, with a finding for each reason.
    """
    done = computed(
        source.stack,
        recipe,
        limits,
        findings=findings,
        progress=progress,
        phase_is_unwrapped=source.phase_is_unwrapped,
    )
    if draw is None:
        measured, failure = measure_regions(done.maps, regions), None
    else:
        measured, failure = measured_regions(
            done.maps, for_examination(draw(done.maps, source), done.findings)
        )
    return ProductContext(
        source=replace(source, warnings=(*source.warnings, *done.remarks), findings=done.findings),
        maps=done.maps,
        measurements=(*done.measurements, *(one.measurement for one in measured if one.measurement)),
        regions=measured,
        region_failure=failure,
        recipe=recipe,
        created_at=created_at,
        node=node,
        revision=revision,
        replaces=replaces or {},
        transforms=done.transforms,
        styles=styles or {},
        page=page or PageStyle(),
        iron=iron,
    )


@dataclass(frozen=True)
class Computed:
    """What came of the arrays of an acquisition.

    Attributes:
        findings: those that came in, and what arrays and maps gave.
        remarks: what there is to say of the reconstruction that is no departure.
        transforms: as in a product's context.
    """

    maps: Maps
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    transforms: str


def computed(
    stack: EchoStack,
    recipe: Recipe,
    limits: AcceptanceSettings | None = None,
    *,
    findings: Sequence[Finding] = (),
    progress: Progress | None = None,
    phase_is_unwrapped: bool = False,
) -> Computed:
    """Judge, reconstruct and measure arrays, wherever they come from.

    Args and Raises:
        As :func:`reconstructed`.
    """
    limits = limits or AcceptanceSettings.default()
    refuse_rejected(findings)
    looked = data_findings(stack, limits, phase_is_unwrapped=phase_is_unwrapped)
    refuse_rejected(looked.findings)
    maps = reconstruct(looked.stack, recipe, progress=progress, phase_is_unwrapped=phase_is_unwrapped)
    afterwards = number_findings(maps.quality, limits)
    refuse_rejected(afterwards)
    brain = whole_brain(maps)
    return Computed(
        maps=maps,
        measurements=() if brain is None else (brain,),
        findings=(*findings, *looked.findings, *afterwards),
        remarks=remarks(maps.quality),
        transforms=_unusual_transforms(),
    )


def _unusual_transforms() -> str:
    """The library of the Fourier transforms where it is not the default one: last bits depend on it."""
    name = backend_name()
    return "" if name.split()[0] == DEFAULT_BACKEND else name


def remarks(quality: Mapping[str, float]) -> tuple[str, ...]:
    """What the reconstruction has to say of itself that is no departure."""
    if quality.get("offset_corrected") != 0:
        return ()
    why = "one echo" if quality.get("input_echoes") == 1 else "as the recipe says"
    return (f"{why}: the phase offset is not corrected",)
