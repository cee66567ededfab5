"""A small, oblique, asymmetric reconstruction to make products of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from qsmnode.dicom.geometry import slice_normal
from qsmnode.dicom.source import ImageReference, SliceSource, Source
from qsmnode.engine import Recipe
from qsmnode.engine.types import EchoStack, Grid, Maps
from qsmnode.measure.statistics import whole_brain
from qsmnode.products.context import ProductContext

SHAPE = (12, 9, 7)
MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ECHO_TIMES_S = (0.004, 0.008, 0.012)


class FixedRecipe:
    """What products ask of a recipe, without an engine behind it."""

    name = "default"
    version = "default/3"
    hash = "ab" * 32

    def as_mapping(self) -> dict[str, dict[str, Any]]:
        return Recipe.preset("default").as_mapping()


def template(**changes: Any) -> Dataset:
    """A classic scanner's header; a change of None removes the attribute."""
    made = Dataset()
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.5",
        "FrameOfReferenceUID": "1.2.3.4.9",
        "PatientName": "M\u00fcller^J\u00f6rg",
        "PatientID": "P-1",
        "PatientBirthDate": "19600102",
        "PatientSex": "M",
        "PatientAge": "066Y",
        "StudyDate": "20260304",
        "StudyTime": "101112",
        "StudyID": "S7",
        "StudyDescription": "Kopf",
        "AccessionNumber": "A17",
        "ReferringPhysicianName": "Arzt^Anna",
        "SeriesNumber": 7,
        "PositionReferenceIndicator": "",
        "PatientPosition": "HFS",
        "BodyPartExamined": "BRAIN",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Prisma_fit",
        "DeviceSerialNumber": "1234",
        "SoftwareVersions": "syngo MR E11",
        "StationName": "MR1",
        "InstitutionName": "Klinik",
        "ScanningSequence": "GR",
        "SequenceVariant": ["SP", "OSP"],
        "ScanOptions": "PFP",
        "MRAcquisitionType": "3D",
        "RepetitionTime": "35",
        "EchoTrainLength": 3,
        "FlipAngle": "15",
        "MagneticFieldStrength": "3",
        "ImagingFrequency": "123.2",
        "ImagedNucleus": "1H",
    }
    for keyword, value in {**values, **changes}.items():
        if value is not None:
            setattr(made, keyword, value)
    return made


def oblique() -> tuple[float, ...]:
    """ImageOrientationPatient, turned about two axes."""
    a, b = np.deg2rad(20.0), np.deg2rad(-12.0)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turned = np.round(about_x @ about_y, 9)
    return tuple(float(value) for value in (*turned[:, 0], *turned[:, 1]))


def references(index: int, enhanced: bool) -> tuple[ImageReference, ...]:
    found = []
    for number, kind in enumerate(("magnitude", "phase")):
        for echo in range(1, len(ECHO_TIMES_S) + 1):
            if enhanced:
                frame = 1 + index + SHAPE[2] * (echo - 1 + len(ECHO_TIMES_S) * number)
                found.append(ImageReference(ENHANCED_MR, "1.2.3.4.6", frame, kind, echo, "1.2.3.4.5"))
            else:
                uid = f"1.2.3.4.{6 + number}.{echo}.{index + 1}"
                found.append(ImageReference(MR, uid, None, kind, echo, f"1.2.3.4.{5 + 10 * number}"))
    return tuple(found)


def make_source(enhanced: bool = False, **changes: Any) -> Source:
    shape, spacing, between = SHAPE, (0.8, 0.7), 1.3
    grid = Grid(shape, (spacing[1], spacing[0], between), (0.1, 0.3, 0.9487))
    arrays = np.zeros((len(ECHO_TIMES_S), *shape), np.float32)
    orientation = oblique()
    normal = np.array(slice_normal(orientation))
    positions = [np.round(np.array([-31.25, 12.5, -40.0]) + k * between * normal, 9) for k in range(shape[2])]
    slices = tuple(
        SliceSource((float(p[0]), float(p[1]), float(p[2])), references(k, enhanced))
        for k, p in enumerate(positions)
    )
    return Source(
        stack=EchoStack(arrays + 1, arrays, ECHO_TIMES_S, 123.2, grid),
        slices=slices,
        orientation=orientation,
        pixel_spacing_mm=spacing,
        slice_thickness_mm=1.25,
        slice_spacing_mm=between,
        template=template(**changes),
        content_sha256="cd" * 32,
        warnings=("2-D acquisition",),
    )


def make_maps(source: Source) -> Maps:
    shape = source.stack.grid.shape
    x, y, z = np.indices(shape)
    mask = (x > 0) & (x < shape[0] - 2) & (y > 0) & (z > 0)
    chi = np.where(mask, 0.010 * x - 0.020 * y + 0.003 * z * z + 0.0004 * x * y * z, 0).astype(np.float32)
    return Maps(
        susceptibility=chi,
        mask=mask,
        local_field=chi / 3,
        total_field=chi * 100,
        weight=mask.astype(np.float32),
        grid=source.stack.grid,
        quality={"residual_rad": 0.125, "coverage": 0.5},
        reference="mean of the whole brain \u00b1 0",
    )


@pytest.fixture
def made() -> SimpleNamespace:
    """The makers, for tests that need other ones."""
    return SimpleNamespace(source=make_source, maps=make_maps, shape=SHAPE)


@pytest.fixture
def context() -> Callable[..., ProductContext]:
    """context(enhanced=False, maps={...}, context={...}, **header changes) -> ProductContext."""

    def make(
        enhanced: bool = False,
        maps: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        **changes: Any,
    ) -> ProductContext:
        source = make_source(enhanced, **changes)
        result = replace(make_maps(source), **(maps or {}))
        brain = whole_brain(result)
        values = {
            "source": source,
            "maps": result,
            "measurements": () if brain is None else (brain,),
            "recipe": FixedRecipe(),
            "created_at": datetime(2026, 3, 4, 12, 30, 15, 250000, UTC),
            **(context or {}),
        }
        return ProductContext(**values)

    return make
