"""Scans in NIfTI files, reconstructed without a node: judged by the same checks as DICOM images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qsmnode.bids.name import IMAGES
from qsmnode.bids.recording import Recording, recorded
from qsmnode.bids.scan import Scan
from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance import header_findings
from qsmnode.dicom.encodings.encoding import Encoding
from qsmnode.dicom.encodings.registry import encoding_for
from qsmnode.dicom.pixels import alternates, with_every_second_slice_negated
from qsmnode.engine import Recipe
from qsmnode.engine.types import EchoStack, Float, Maps
from qsmnode.errors import NotEligible, UsageError
from qsmnode.measure import label_image
from qsmnode.measure.grids import Box
from qsmnode.measure.regions import Region, in_words, measure_regions
from qsmnode.node.reconstruction import computed
from qsmnode.node.regions.drawn import for_examination
from qsmnode.node.regions.drawn import measured as measured_regions
from qsmnode.node.regions.nuclei import draw_nuclei
from qsmnode.products.nifti import NiftiResult

Progress = Callable[[float, str], None]
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class _Slices:
    spacing_mm: float


@dataclass(frozen=True)
class _Facts:
    """A recording as the checks of headers want it."""

    imaging_frequency_mhz: float
    field_t: float
    dimensions: int | None
    echo_times_s: tuple[float, ...]
    voxel_mm: tuple[float, float, float]
    slice_thickness_mm: float | None
    grid: _Slices
    shape: tuple[int, int]
    orientation: tuple[float, ...]
    slices: Sequence[int]


@dataclass(frozen=True)
class _Header:
    keywords: Mapping[str, tuple[str, ...]]


def reconstruct_scan(
    scan: Scan,
    recipe: Recipe,
    progress: Progress | None = None,
    limits: AcceptanceSettings | None = None,
    roi: Path | None = None,
    *,
    nuclei: bool = False,
    iron: bool = False,
) -> NiftiResult:
    """Reconstruct one scan; its maps get the axes and the affine of its files.

    Args:
        limits: of the acceptance checks; None: the defaults.
        roi: regions to measure: NIfTI labels with their lookup.
        nuclei: whether the atlas looks for deep nuclei, instead.
        iron: whether iron is estimated in gray-matter nuclei among the regions.

    Raises:
        NotEligible: it cannot become a map, or the regions cannot be placed on it; names file and key, or
            the check.
        UsageError: the regions come in no NIfTI file.
    """
    limits = limits or AcceptanceSettings.default()
    recording = recorded(scan)
    regions = () if roi is None else _regions(roi, recording)
    stack, remarks = _by_vendor(recording)
    said = {"ContrastBolusAgent": recording.contrast_agent, "BodyPartExamined": recording.body_part}
    header = _Header({name: (text,) for name, text in said.items() if text})
    findings = header_findings(_facts(recording), [header], limits)
    done = computed(stack, recipe, limits, findings=findings, progress=progress)
    maps = _in_file_axes(done.maps, recording)
    if nuclei:
        magnitude = np.stack([recording.placement.back(echo) for echo in stack.magnitude])
        affine = _TO_LPS @ recording.placement.affine
        drawn = for_examination(draw_nuclei(maps, affine, magnitude, stack.echo_times_s), done.findings)
        measured, failure = measured_regions(maps, drawn)
    else:
        measured, failure = measure_regions(maps, regions), None
    missing = () if failure is None else (f"no regions of interest: {failure.words}",)
    return NiftiResult(
        maps=maps,
        affine=recording.placement.affine,
        echo_times_s=stack.echo_times_s,
        imaging_frequency_mhz=stack.imaging_frequency_mhz,
        recipe=recipe,
        measurements=(*done.measurements, *(one.measurement for one in measured if one.measurement)),
        findings=done.findings,
        remarks=(
            *map(str, done.findings),
            *recording.remarks,
            *remarks,
            *done.remarks,
            *in_words(measured),
            *missing,
        ),
        content_sha256=recording.content_sha256,
        sources=recording.sources,
        dataset=scan.dataset,
        transforms=done.transforms,
        regions=measured,
        region_failure=failure,
        iron=iron,
    )


def _regions(roi: Path, recording: Recording) -> tuple[Region, ...]:
    """Regions in the files' axes."""
    if not roi.is_file() or not roi.name.lower().endswith(IMAGES):
        raise UsageError(f"--roi {roi}: expected a NIfTI label image, as the scan comes in NIfTI files")
    return label_image.read(roi, Box(recording.placement.shape, _TO_LPS @ recording.placement.affine))


def _facts(recording: Recording) -> _Facts:
    stack, grid = recording.stack, recording.placement.engine_grid
    return _Facts(
        imaging_frequency_mhz=stack.imaging_frequency_mhz,
        field_t=recording.field_t,
        dimensions=recording.dimensions,
        echo_times_s=stack.echo_times_s,
        voxel_mm=grid.voxel_mm,
        slice_thickness_mm=recording.slice_thickness_mm,
        grid=_Slices(grid.voxel_mm[2]),
        shape=(grid.shape[1], grid.shape[0]),
        orientation=recording.placement.orientation,
        slices=range(grid.shape[2]),
    )


def _by_vendor(recording: Recording) -> tuple[EchoStack, tuple[str, ...]]:
    """Phase that rises with the field, and what to say of it: converters keep what a scanner wrote."""
    stack, encoding = recording.stack, encoding_for(recording.manufacturer)
    remarks = []
    if encoding.phase_sign < 0:
        stack = replace(stack, phase=-stack.phase)
        remarks.append(f"direction of phase ({encoding.name}): taken as falling with the field")
    elif not encoding.direction_checked:
        remarks.append(f"direction of phase ({encoding.name}): taken as rising with the field, not checked")
    if recording.dimensions != 2 and alternates(stack.magnitude[0], stack.phase[0]):
        stack = replace(stack, phase=_steady(stack, encoding, recording.scan.label))
        remarks.append("slices alternated in sign: every second one negated")
    return stack, tuple(remarks)


def _steady(stack: EchoStack, encoding: Encoding, label: str) -> Float:
    """Phase that neighbouring slices share."""
    if not encoding.may_alternate:
        raise NotEligible(
            f"{label}: phase goes by half a turn from slice to slice, which images of {encoding.name} are "
            "not known to do: expected phase that neighbouring slices share; look at the phase images",
            check="phase_scaling",
        )
    return with_every_second_slice_negated(stack.phase)


def _in_file_axes(maps: Maps, recording: Recording) -> Maps:
    """The maps as the files' axes run."""
    back = recording.placement.back
    return replace(
        maps,
        susceptibility=back(maps.susceptibility),
        mask=back(maps.mask),
        local_field=back(maps.local_field),
        total_field=back(maps.total_field),
        weight=back(maps.weight),
        grid=recording.placement.file_grid,
        contrasts={name: back(image) for name, image in maps.contrasts.items()},
    )
