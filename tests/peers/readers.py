"""What other people's programs read in a report and in a segmentation, in one form for all of them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import numpy.typing as npt
from pydicom.sr.codedict import codes as dictionary

from tests.peers import programs

Numbers = dict[str, dict[str, float]]
"""Of each region, by its tracking UID: volume and statistics by column of the tables."""
Places = dict[str, npt.NDArray[np.float64]]
"""Of each segment, by its tracking UID: (N, 3) centres of its voxels in the patient (L, P, S), mm."""

_VOLUME = "118565006"
_SUSCEPTIBILITY = "126396"
_DERIVATIONS = {
    "373098007": "mean_ppb",
    "386136009": "sd_ppb",
    "373099004": "median_ppb",
    "371888009": "p5_ppb",
    "371889001": "p95_ppb",
}
_UNITS = {_VOLUME: "cm3", _SUSCEPTIBILITY: "[ppb]"}
_TRACKING_UID, _DERIVATION = "112040", "121401"


def _add(numbers: Numbers, region: str, quantity: str, derivation: str, unit: str, value: str) -> None:
    """Note one number; a quantity of another kind is none of the tables'."""
    if quantity not in _UNITS:
        return
    if unit != _UNITS[quantity]:
        raise ValueError(f"{quantity} in {unit!r}, expected {_UNITS[quantity]!r}")
    column = "volume_ml" if quantity == _VOLUME else _DERIVATIONS[derivation]
    found = numbers.setdefault(region, {})
    if column in found:
        raise ValueError(f"{column} of {region} stands there twice")
    found[column] = float(value)


def highdicom_report(path: Path, _folder: Path) -> Numbers:
    """As highdicom reads it."""
    content = highdicom.sr.srread(path).content
    numbers: Numbers = {}
    for group in (*content.get_image_measurement_groups(), *content.get_volumetric_roi_measurement_groups()):
        for name in (dictionary.DCM.MagneticSusceptibility, dictionary.SCT.Volume):
            for item in group.get_measurements(name=name):
                derivation = item.derivation.value if item.derivation is not None else ""
                _add(
                    numbers,
                    str(group.tracking_uid),
                    item.name.value,
                    derivation,
                    item.unit.value,
                    str(item.value),
                )
    return numbers


def dsrdump_report(path: Path, _folder: Path) -> Numbers:
    """As DCMTK's library of structured reports understands and prints it."""
    done = programs.run("dsrdump", "+Pc", path)
    if done.returncode != 0:
        raise ValueError(f"dsrdump: {done.stdout}")
    numbers: Numbers = {}
    region, waiting = "", ("", "", "")
    for line in done.stdout.splitlines():
        if tracking := re.search(rf'UIDREF:\({_TRACKING_UID},DCM,[^=]*="([0-9.]+)"', line):
            region = tracking[1]
        elif number := re.search(r'NUM:\((\w[\w-]*),\w+,"[^"]*"\)="([^"]*)" \(([^,]+),UCUM', line):
            waiting = (number[1], number[3], number[2])
            if number[1] == _VOLUME:
                _add(numbers, region, number[1], "", number[3], number[2])
        elif derivation := re.search(rf'CODE:\({_DERIVATION},DCM,"[^"]*"\)=\((\d+),SCT', line):
            _add(numbers, region, waiting[0], derivation[1], *waiting[1:])
    return numbers


def dcm2json_report(path: Path, _folder: Path) -> Numbers:
    """The content tree as DCMTK writes it in DICOM JSON."""
    numbers: Numbers = {}
    for group in _groups(_dcm2json(path)):
        children = list(_items(group, "0040A730"))
        (region,) = (_value(item, "0040A124") for item in children if _concept(item) == _TRACKING_UID)
        for item in children:
            for measured in _items(item, "0040A300"):
                (unit,) = _items(measured, "004008EA")
                derivations = [
                    _value(next(_items(modifier, "0040A168")), "00080100")
                    for modifier in _items(item, "0040A730")
                    if _concept(modifier) == _DERIVATION
                ]
                value = str(_value(measured, "0040A30A"))
                quantity, derivation = _concept(item), (derivations or [""])[0]
                _add(numbers, str(region), quantity, derivation, _value(unit, "00080100"), value)
    return numbers


def dcmqi_report(path: Path, folder: Path) -> Numbers:
    """As dcmqi's reader of TID 1500 gives it."""
    told = folder / "dcmqi-report.json"
    done = programs.run("tid1500reader", "--inputDICOM", path, "--outputMetadata", told)
    if done.returncode != 0:
        raise ValueError(f"tid1500reader: {done.stdout}")
    numbers: Numbers = {}
    for group in json.loads(told.read_text("utf-8"))["Measurements"]:
        for item in group["measurementItems"]:
            _add(
                numbers,
                group["TrackingUniqueIdentifier"],
                item["quantity"]["CodeValue"],
                item.get("derivationModifier", {}).get("CodeValue", ""),
                item["units"]["CodeValue"],
                item["value"],
            )
    return numbers


def highdicom_segments(path: Path, _folder: Path) -> Places:
    """As highdicom puts the segments into space."""
    read = highdicom.seg.segread(path)
    found = {}
    for number, segment in enumerate(read.SegmentSequence, start=1):
        volume = read.get_volume(segment_numbers=[number])
        indices = np.argwhere(volume.array[..., 0] != 0)
        found[str(segment.TrackingUID)] = _through(volume.affine, indices)
    return found


def dcm2json_segments(path: Path, _folder: Path) -> Places:
    """The frames as DCMTK writes them in DICOM JSON, placed as PS3.3 C.7.6.2.1.1 says."""
    read = _dcm2json(path)
    rows, columns = int(_value(read, "00280010")), int(_value(read, "00280011"))
    frames = list(_items(read, "52009230"))
    packed = np.frombuffer(base64.b64decode(read["7FE00010"]["InlineBinary"]), np.uint8)
    bits = np.unpackbits(packed, bitorder="little")[: len(frames) * rows * columns]
    (shared,) = _items(read, "52009229")
    along = np.array(_inner(shared, "00209116", "00200037")["Value"], np.float64).reshape(2, 3)
    down, across = _inner(shared, "00289110", "00280030")["Value"]
    uids = [str(_value(segment, "00620021")) for segment in _items(read, "00620002")]
    found: dict[str, list[npt.NDArray[np.float64]]] = {uid: [] for uid in uids}
    for frame, pixels in zip(frames, bits.reshape(-1, rows, columns), strict=True):
        corner = np.array(_inner(frame, "00209113", "00200032")["Value"], np.float64)
        number = int(_inner(frame, "0062000A", "0062000B")["Value"][0])
        indices = np.argwhere(pixels)
        places = corner + indices[:, 1:] * across * along[0] + indices[:, :1] * down * along[1]
        found[uids[number - 1]].append(places)
    return {uid: np.concatenate(places) for uid, places in found.items()}


def dcmqi_segments(path: Path, folder: Path) -> Places:
    """As dcmqi's converter writes them in NIfTI files."""
    out = folder / "dcmqi-segments"
    out.mkdir(exist_ok=True)
    options = ("--outputDirectory", out, "--outputType", "nii")
    done = programs.run("segimage2itkimage", "--inputDICOM", path, *options)
    if done.returncode != 0:
        raise ValueError(f"segimage2itkimage: {done.stdout}")
    found = {}
    told = json.loads((out / "meta.json").read_text("utf-8"))
    for (segment,) in told["segmentAttributes"]:
        number = segment["labelID"]
        image = nibabel.load(out / f"{number}.nii.gz")
        indices = np.argwhere(np.asanyarray(image.dataobj) == number)
        to_patient = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
        found[segment["TrackingUniqueIdentifier"]] = _through(to_patient, indices)
    return found


REPORTS: Mapping[str, Callable[[Path, Path], Numbers]] = {
    "highdicom": highdicom_report,
    "dsrdump": dsrdump_report,
    "dcm2json": dcm2json_report,
    "dcmqi": dcmqi_report,
}
SEGMENTATIONS: Mapping[str, Callable[[Path, Path], Places]] = {
    "highdicom": highdicom_segments,
    "dcm2json": dcm2json_segments,
    "dcmqi": dcmqi_segments,
}


def _through(affine: npt.NDArray[np.float64], indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.asarray(indices @ affine[:3, :3].T + affine[:3, 3])


def _dcm2json(path: Path) -> dict[str, Any]:
    done = programs.run("dcm2json", path)
    if done.returncode != 0:
        raise ValueError(f"dcm2json: {done.stdout}")
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def _groups(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The measurement groups (125007, DCM) at any depth."""
    for child in _items(item, "0040A730"):
        if _concept(child) == "125007":
            yield child
        else:
            yield from _groups(child)


def _concept(item: dict[str, Any]) -> str:
    return next((str(_value(name, "00080100")) for name in _items(item, "0040A043")), "")


def _items(item: dict[str, Any], tag: str) -> Iterator[dict[str, Any]]:
    yield from item.get(tag, {}).get("Value", ())


def _inner(item: dict[str, Any], sequence: str, tag: str) -> dict[str, Any]:
    found: dict[str, Any] = next(_items(item, sequence))[tag]
    return found


def _value(item: dict[str, Any], tag: str) -> Any:
    return item[tag]["Value"][0]
