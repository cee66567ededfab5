"""Maps as a derivative dataset after BIDS 1.10: names, folders and what describes the whole."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qsmnode import __version__
from qsmnode.errors import UsageError
from qsmnode.products.nifti import NiftiImage, NiftiResult, images, sidecar, write_image, write_json
from qsmnode.products.storage import open_private

DESCRIPTION = "dataset_description.json"
BIDS_VERSION = "1.10.0"
# folder, desc-label and suffix of each image; BIDS has no name for those that .bidsignore lists
_NAMES = {
    "susceptibility": ("anat", "", "Chimap"),
    "mask": ("anat", "brain", "mask"),
    "local_field": ("fmap", "local", "fieldmap"),
    "total_field": ("fmap", "total", "fieldmap"),
    "r2star": ("anat", "", "R2starmap"),
    "chi_positive": ("anat", "positive", "Chimap"),
    "chi_negative": ("anat", "negative", "Chimap"),
    "swi": ("anat", "", "swi"),
    "swi_mip": ("anat", "", "minIP"),
}
_IGNORED = "*_swi.*\n*_minIP.*\n"
_README = """\
Susceptibility maps made by qsmnode from multi-echo gradient-echo scans. Research use, not for diagnosis.

anat/*_Chimap is relative susceptibility in ppm, its sidecar says what zero means and how it was made;
fmap/*_fieldmap are fields in Hz, of all sources and of those within the mask.
"""


@dataclass(frozen=True)
class Place:
    """Whose map it is: what the names of its files begin with.

    Args:
        pieces: ``key-label`` each, the subject first.

    Raises:
        UsageError: no subject, or a piece that BIDS does not allow.
    """

    pieces: tuple[str, ...]

    def __post_init__(self) -> None:
        for piece in self.pieces:
            key, dash, label = piece.partition("-")
            if not (dash and key.isalnum() and label.isascii() and label.isalnum()):
                raise UsageError(
                    f"{piece!r}: expected key-label of letters and digits, as BIDS names files; rename it"
                )
        if not self.pieces or not self.pieces[0].startswith("sub-"):
            raise UsageError("a BIDS dataset names its subjects, the source does not: add --subject LABEL")

    @property
    def folder(self) -> Path:
        """Of its subject and session."""
        session = [piece for piece in self.pieces[1:2] if piece.startswith("ses-")]
        return Path(self.pieces[0], *session)

    def path(self, name: str) -> Path:
        """Of an image, without its ending."""
        kind, label, suffix = _NAMES[name]
        described = (f"desc-{label}",) if label else ()
        return self.folder / kind / "_".join((*self.pieces, *described, suffix))


def start(folder: Path, dataset: Path | None = None) -> list[Path]:
    """Make the dataset, or go on with one that this version made.

    Args:
        folder: of the derivative.
        dataset: folder of the BIDS dataset that the sources lie in, where they do.

    Raises:
        UsageError: another dataset lies there, or it cannot be written.
    """
    described = _description(folder, dataset)
    path = folder / DESCRIPTION
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and json.loads(path.read_bytes()) != described:
            raise UsageError(
                f"{path}: of another dataset, or by another version; choose another folder for --bids"
            )
        texts = [_text(folder / "README", _README), _text(folder / ".bidsignore", _IGNORED)]
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror}); choose another --bids") from error
    except ValueError as error:
        raise UsageError(f"{path}: no JSON; choose another folder for --bids") from error
    return [write_json(path, described), *texts]


def write(result: NiftiResult, folder: Path, place: Place) -> list[Path]:
    """Write every image of a reconstruction, each with its sidecar, into a dataset that was started."""
    written = []
    for image in images(result):
        path = folder / place.path(image.name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        as_named = _in_hertz(image, result) if image.name == "local_field" else image
        written.append(write_image(path.with_name(f"{path.name}.nii.gz"), as_named, result))
        written.append(write_json(path.with_name(f"{path.name}.json"), sidecar(as_named, result)))
    return written


def collisions(places: Sequence[Place]) -> list[str]:
    """Names that more than one map would get."""
    names = [str(place.path("susceptibility")) for place in places]
    return sorted({name for name in names if names.count(name) > 1})


def _in_hertz(image: NiftiImage, result: NiftiResult) -> NiftiImage:
    """BIDS' field maps are in Hz, rad/s or T."""
    hertz = image.data * np.float32(result.imaging_frequency_mhz)
    words = "Field of the sources within the mask; 0 outside of the mask"
    own = {**image.own, "Units": "Hz", "Description": words}
    return replace(image, data=hertz, own=own)


def _description(folder: Path, dataset: Path | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "Name": "Susceptibility maps by qsmnode",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "qsmnode", "Version": __version__}],
    }
    if dataset is not None:
        # the sidecars' bids:raw: URIs begin here
        raw = Path(os.path.relpath(dataset.resolve(), folder.resolve())).as_posix()
        described["DatasetLinks"] = {"raw": raw}
    return described


def _text(path: Path, text: str) -> Path:
    with open_private(path) as stream:
        stream.write(text.encode())
    return path
