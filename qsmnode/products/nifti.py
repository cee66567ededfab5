"""Maps as NIfTI with sidecars after BIDS, for research: the same bytes for the same maps."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from qsmnode import __version__
from qsmnode.dicom.identity import derive_uid
from qsmnode.engine.contrasts import UNITS
from qsmnode.engine.quality import NUMBERS
from qsmnode.engine.types import Maps
from qsmnode.errors import Finding
from qsmnode.measure.regions import Issue, MeasuredRegion, in_words
from qsmnode.measure.statistics import Measurement
from qsmnode.products.context import ProductContext, RecipeFacts
from qsmnode.products.storage import open_private

# NIfTI coordinates point right and anterior where DICOM's point left and posterior
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SUSCEPTIBILITY = "susceptibility"
SIDECAR = f"{SUSCEPTIBILITY}.json"
USE = "research use, not for diagnosis"
_DESCRIPTIONS = {
    SUSCEPTIBILITY: "Magnetic susceptibility relative to the reference; 0 outside of the mask",
    "mask": "Where the susceptibility map is meant",
    "local_field": "Field of the sources within the mask, relative to B0; 0 outside of the mask",
    "total_field": "Field of all sources",
    "r2star": "Rate of the signal's decay",
    "swi": "Susceptibility-weighted image",
    "swi_mip": "Minimum-intensity projection of the susceptibility-weighted image over neighbouring slices",
    "chi_positive": "Susceptibility of the paramagnetic sources",
    "chi_negative": "Susceptibility of the diamagnetic sources",
}
_UNITS = {SUSCEPTIBILITY: "ppm", "local_field": "ppm", "total_field": "Hz", "mask": "arbitrary", **UNITS}


@dataclass(frozen=True)
class NiftiResult:
    """One reconstruction, whatever its source came in.

    Attributes:
        maps: in the axes that the files get.
        affine: (4, 4), index to mm: right, anterior, superior.
        echo_times_s: of the source.
        imaging_frequency_mhz: of the source.
        recipe: how it was made.
        measurements: what was measured in it.
        findings: what the acceptance checks found.
        remarks: findings and warnings in words.
        content_sha256: of what was read.
        sources: the files that it was made from, where they may be named.
        dataset: the folder of the BIDS dataset that the sources lie in, where they do.
        transforms, regions, region_failure, iron: as in a product's context.
    """

    maps: Maps
    affine: npt.NDArray[np.float64]
    echo_times_s: tuple[float, ...]
    imaging_frequency_mhz: float
    recipe: RecipeFacts
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    content_sha256: str
    sources: tuple[str, ...] = ()
    dataset: Path | None = None
    transforms: str = ""
    regions: tuple[MeasuredRegion, ...] = ()
    region_failure: Issue | None = None
    iron: bool = False

    @property
    def withheld(self) -> bool:
        """Whether no number of susceptibility may be given."""
        return any(finding.severity == "withhold" for finding in self.findings)

    def uid(self, *parts: str) -> str:
        """A UID that follows from the files' content, recipe, version and ``parts``."""
        transforms = (f"transforms {self.transforms}",) if self.transforms else ()
        return derive_uid("nifti", self.content_sha256, self.recipe.hash, __version__, *transforms, *parts)


@dataclass(frozen=True)
class NiftiImage:
    """One image to write, with what its sidecar says of it alone."""

    name: str
    data: npt.NDArray[Any]
    own: Mapping[str, Any]


def result_of(context: ProductContext) -> NiftiResult:
    """The reconstruction of a DICOM source; nothing in it names patient or study."""
    source = context.source
    return NiftiResult(
        maps=context.maps,
        affine=_LPS_TO_RAS @ source.affine,
        echo_times_s=source.stack.echo_times_s,
        imaging_frequency_mhz=source.stack.imaging_frequency_mhz,
        recipe=context.recipe,
        measurements=context.measurements,
        findings=context.findings,
        remarks=(*source.remarks, *in_words(context.regions), *_missing(context)),
        content_sha256=source.content_sha256,
        transforms=context.transforms,
        regions=context.regions,
        region_failure=context.region_failure,
        iron=context.iron,
    )


def _missing(context: ProductContext) -> tuple[str, ...]:
    failed = context.region_failure
    return () if failed is None else (f"no regions of interest: {failed.words}",)


def write(made: ProductContext | NiftiResult, folder: Path) -> list[Path]:
    """Write susceptibility (ppm), mask, local_field (ppm), total_field (Hz), contrasts, a sidecar to each."""
    result = result_of(made) if isinstance(made, ProductContext) else made
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = [write_image(folder / f"{image.name}.nii.gz", image, result) for image in images(result)]
    return written + [
        write_json(folder / f"{image.name}.json", sidecar(image, result)) for image in images(result)
    ]


def describe(made: ProductContext | NiftiResult) -> Mapping[str, Any]:
    """What the susceptibility map is: units, reference, how it was made, and how well."""
    result = result_of(made) if isinstance(made, ProductContext) else made
    return sidecar(images(result)[0], result)


def images(result: NiftiResult) -> list[NiftiImage]:
    """Every image of a reconstruction, the susceptibility map first."""
    maps = result.maps
    data: dict[str, npt.NDArray[Any]] = {
        SUSCEPTIBILITY: maps.susceptibility,
        "mask": maps.mask.astype(np.uint8),
        "local_field": maps.local_field,
        "total_field": maps.total_field,
        **maps.contrasts,
    }
    return [NiftiImage(name, values, _own(name, result)) for name, values in data.items()]


def _own(name: str, result: NiftiResult) -> dict[str, Any]:
    """What only this image's sidecar says."""
    own: dict[str, Any] = {"Description": _DESCRIPTIONS[name], "Units": _UNITS[name]}
    if name == "mask":
        own["Type"] = "Brain"
    if name in (SUSCEPTIBILITY, "local_field"):
        own["SkullStripped"] = True
    if name == SUSCEPTIBILITY:
        own["Reference"] = result.maps.reference
    return own


def sidecar(image: NiftiImage, result: NiftiResult) -> dict[str, Any]:
    """What stands beside an image; beside the susceptibility map also how well it was made."""
    recipe = result.recipe
    software = {
        "Name": "qsmnode",
        "Version": __version__,
        "Recipe": recipe.version,
        "RecipeSHA256": recipe.hash,
    }
    if result.transforms:
        software["FourierTransforms"] = result.transforms
    described = {
        **image.own,
        "EchoTime": list(result.echo_times_s),
        "ImagingFrequency": result.imaging_frequency_mhz,
        "B0DirectionInArrayAxes": list(result.maps.grid.b0_direction),
        **({"Sources": list(result.sources)} if result.sources else {}),
        "SourceSHA256": result.content_sha256,
        "GeneratedBy": [software],
        "Use": USE,
    }
    return described | (_how_well(result) if image.name == SUSCEPTIBILITY else {})


def _how_well(result: NiftiResult) -> dict[str, Any]:
    """Recipe, quality, measurements and what is wrong."""
    quality = {
        # JSON has no word for NaN
        name: float(value) if math.isfinite(value) else None
        for name, value in sorted(result.maps.quality.items())
        if not (result.withheld and name in NUMBERS and NUMBERS[name][0] == "ppm")
    }
    recipe = result.recipe
    return {
        "Recipe": {"Version": recipe.version, "SHA256": recipe.hash, "Steps": recipe.as_mapping()},
        "Quality": quality,
        "Measurements_ppb": [] if result.withheld else [vars(item) for item in result.measurements],
        "Warnings": list(result.remarks),
        "Findings": [vars(item) for item in result.findings],
    }


def write_json(path: Path, values: Mapping[str, Any]) -> Path:
    """Write a JSON file."""
    with open_private(path) as stream:
        stream.write(json.dumps(values, indent=2).encode() + b"\n")
    return path


def write_image(path: Path, image: NiftiImage, result: NiftiResult) -> Path:
    """Write a NIfTI file, packed."""
    make: Any = nibabel.Nifti1Image  # nibabel's constructors carry no types
    file = make(np.asfortranarray(image.data), result.affine)
    file.header.set_xyzt_units("mm")
    file.set_qform(result.affine, code=1)
    file.set_sform(result.affine, code=1)
    # no name and no time in the gzip header, or equal maps would be unequal files
    with open_private(path) as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as stream:
        stream.write(file.to_bytes())
    return path
