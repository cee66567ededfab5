from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, Sequence
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, SegmentationStorage

from qsmnode.dicom.geometry import affine_of, slice_normal
from qsmnode.errors import NotEligible
from qsmnode.measure import segmentation_file
from qsmnode.measure.grids import Box
from qsmnode.measure.structures import REGION_OF_INTEREST

STUDY, FRAME = "1.2.3.4", "1.2.3.4.9"
SHAPE = (9, 7, 6)
TILT = np.deg2rad(20)
ORIENTATION = (1.0, 0.0, 0.0, 0.0, float(np.cos(TILT)), float(np.sin(TILT)))
SPACING, BETWEEN, ORIGIN = (0.7, 0.8), 1.5, (-12.0, 3.5, 40.0)
BOX = Box(SHAPE, affine_of(ORIENTATION, SPACING, BETWEEN, ORIGIN))


def code(value: str, scheme: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def masks() -> dict[int, np.ndarray]:
    """Two asymmetric regions; the second has no voxel in the slice between."""
    first, second = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    first[1:4, 2:4, 1:4] = first[1, 5, 2] = True
    second[5:8, 1, 0] = second[6, 2:5, 3] = second[7, 5, 5] = True
    return {1: first, 4: second}


def item_of(number: int, label: str, kind: Sequence) -> Dataset:
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = number, label
    segment.SegmentAlgorithmType = "MANUAL"
    segment.SegmentedPropertyTypeCodeSequence = kind
    return segment


def frame_of(number: int, z: int) -> Dataset:
    frame, plane, which = Dataset(), Dataset(), Dataset()
    position = np.asarray(ORIGIN) + z * BETWEEN * np.asarray(slice_normal(ORIENTATION))
    plane.ImagePositionPatient = [f"{value:.6f}" for value in position]
    which.ReferencedSegmentNumber = number
    frame.PlanePositionSequence, frame.SegmentIdentificationSequence = Sequence([plane]), Sequence([which])
    return frame


def segmentation() -> Dataset:
    """As another program may write it: only slices with voxels have a frame, in descending order."""
    made, shared, measures, plane = Dataset(), Dataset(), Dataset(), Dataset()
    made.SOPClassUID, made.SOPInstanceUID = SegmentationStorage, "1.2.3.4.5.6"
    made.StudyInstanceUID, made.FrameOfReferenceUID = STUDY, FRAME
    made.SegmentationType = "BINARY"
    putamen = code("89278009", "SCT", "Putamen")
    putamen[0].SegmentedPropertyTypeModifierCodeSequence = code("24028007", "SCT", "Right")
    segments = [item_of(1, "Putamen", putamen), item_of(4, "CCM", code("X1", "99OTHER", "Cavernoma"))]
    segments[1].TrackingID, segments[1].TrackingUID = "CCM-1", "1.2.3.99"
    segments[1].SegmentAlgorithmType, segments[1].SegmentAlgorithmName = "AUTOMATIC", "finder"
    made.SegmentSequence = Sequence(segments)
    measures.PixelSpacing, measures.SliceThickness = list(SPACING), 1.2
    plane.ImageOrientationPatient = list(ORIENTATION)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([plane])
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    places = [
        (n, z) for n, mask in masks().items() for z in range(SHAPE[2] - 1, -1, -1) if mask[:, :, z].any()
    ]
    made.PerFrameFunctionalGroupsSequence = Sequence([frame_of(n, z) for n, z in places])
    made.NumberOfFrames, made.Rows, made.Columns = len(places), SHAPE[1], SHAPE[0]
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit = 0
    made.PixelData = pack_bits(np.stack([masks()[n][:, :, z].T for n, z in places]).astype(np.uint8))
    made["PixelData"].VR = "OB"
    return made


def written(made: Dataset, folder: Path) -> Path:
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / "drawn.dcm"
    made.save_as(path, enforce_file_format=True)
    return path


def read(made: Dataset, folder: Path, box: Box = BOX) -> Any:
    return segmentation_file.read(written(made, folder), box, STUDY, FRAME)


def test_segments_come_with_voxels_name_side_code_and_tracking(tmp_path: Path) -> None:
    first, second = read(segmentation(), tmp_path)
    for region, mask in zip((first, second), masks().values(), strict=True):
        np.testing.assert_array_equal(region.mask, mask)
        assert (region.drawn_voxels, region.beyond_voxels) == (mask.sum(), 0)
    assert (first.title, first.structure.value, first.automatic) == ("Putamen right", "89278009", False)
    assert (second.title, second.structure, second.automatic) == ("CCM", REGION_OF_INTEREST, True)
    assert (second.tracking_id, second.tracking_uid) == ("CCM-1", "1.2.3.99")
    assert (first.tracking_id, first.tracking_uid) == ("", "")
    assert "finder" in second.drawn_by


def test_another_grid_of_the_frame_of_reference_is_looked_up(tmp_path: Path) -> None:
    half = np.diag([0.5, 0.5, 0.5, 1.0])
    half[:3, 3] = -0.25
    finer = Box((18, 14, 12), BOX.affine @ half)
    first, _ = read(segmentation(), tmp_path, finer)
    doubled = np.repeat(np.repeat(np.repeat(masks()[1], 2, 0), 2, 1), 2, 2)
    np.testing.assert_array_equal(first.mask, doubled)


def test_one_slice_alone_has_the_thickness_that_it_states(tmp_path: Path) -> None:
    made = segmentation()
    _keep(made, [0])
    found = read(made, tmp_path)
    np.testing.assert_array_equal(found[0].mask[:, :, 3], masks()[1][:, :, 3])
    assert np.count_nonzero(found[0].mask) == np.count_nonzero(masks()[1][:, :, 3])
    assert not found[1].mask.any()
    assert found[1].drawn_voxels == 0


def test_the_stated_distance_counts_where_neighbouring_slices_have_no_frame(tmp_path: Path) -> None:
    made = segmentation()
    made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = BETWEEN
    _keep(made, [0, 2])
    (found, _) = read(made, tmp_path)
    assert np.flatnonzero(found.mask.any(axis=(0, 1))).tolist() == [1, 3]


def test_equal_names_are_told_apart_and_an_empty_one_gets_its_number(tmp_path: Path) -> None:
    made = segmentation()
    made.SegmentSequence[0].SegmentLabel = made.SegmentSequence[1].SegmentLabel = "ROI"
    made.SegmentSequence[0].SegmentedPropertyTypeCodeSequence = code("52988006", "SCT", "Lesion")
    assert [one.title for one in read(made, tmp_path)] == ["ROI 1", "ROI 4"]
    made.SegmentSequence[0].SegmentLabel = "\u5c71"
    made.SpecificCharacterSet = "ISO_IR 192"
    assert [one.title for one in read(made, tmp_path)] == ["segment 1", "ROI"]


def _keep(made: Dataset, frames: list[int]) -> None:
    pixels = np.stack([masks()[1][:, :, z].T for z in (3, 2, 1)])[frames]
    kept = [made.PerFrameFunctionalGroupsSequence[index] for index in frames]
    made.PerFrameFunctionalGroupsSequence = Sequence(kept)
    made.NumberOfFrames = len(frames)
    made.PixelData = pack_bits(pixels.astype(np.uint8))


def _off_grid(made: Dataset) -> None:
    plane = made.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    plane.ImagePositionPatient[2] += 0.4


def _turned(made: Dataset) -> None:
    plane = Dataset()
    plane.ImageOrientationPatient = [0, 1, 0, 1, 0, 0]
    made.PerFrameFunctionalGroupsSequence[1].PlaneOrientationSequence = Sequence([plane])


def _unplaced(made: Dataset) -> None:
    del made.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence


def _far(made: Dataset) -> None:
    for frame in made.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].ImagePositionPatient[0] += 900


def _doubled(made: Dataset) -> None:
    made.SegmentSequence[1].SegmentNumber = 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: setattr(made, "StudyInstanceUID", "1.2.8"), "it belongs to another study"),
        (lambda made: setattr(made, "FrameOfReferenceUID", "1.2.8"), "drawn in another frame of reference"),
        (lambda made: delattr(made, "FrameOfReferenceUID"), "drawn in another frame of reference"),
        (lambda made: setattr(made, "SegmentationType", "FRACTIONAL"), "of type BINARY, got FRACTIONAL"),
        (
            lambda made: setattr(made, "SOPClassUID", MRImageStorage),
            "a NIfTI label image, got MR Image Storage",
        ),
        (
            lambda made: setattr(made, "NumberOfFrames", 60000000),
            "pixels in all frames, got 60000000 x 7 x 9",
        ),
        (lambda made: setattr(made, "SegmentSequence", Sequence([])), "expected 1 to 256 segments, got 0"),
        (lambda made: setattr(made, "NumberOfFrames", 3), "expected a description of each frame, got 6"),
        (lambda made: setattr(made, "PixelData", b"\1\0"), "its pixels cannot be read"),
        (_doubled, "a number of its own for each segment"),
        (_off_grid, "expected frames on one regular grid of slices"),
        (_turned, "expected all frames in one orientation"),
        (_unplaced, "frame 3: expected segment, position, orientation and spacing"),
        (_far, "no segment but a whole brain has a voxel in the map's field of view"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(
    tmp_path: Path, change: Callable[[Dataset], None], words: str
) -> None:
    made = segmentation()
    change(made)
    with pytest.raises(NotEligible, match=f"drawn.dcm: .*{words}"):
        read(made, tmp_path)
