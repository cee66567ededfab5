"""Which NIfTI files make one gradient-echo scan: magnitude and phase of every echo."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmnode.bids.name import IMAGES, Name, parsed
from qsmnode.errors import NotEligible, UsageError

SUFFIXES = ("MEGRE", "GRE")
DESCRIPTION = "dataset_description.json"
MAGNITUDE, PHASE = "mag", "phase"
_NO_IMAGES = frozenset({"derivatives", "sourcedata", "code", "stimuli"})
_EXPECTED = "expected *_part-mag_MEGRE.nii.gz and *_part-phase_MEGRE.nii.gz, with echo-1, echo-2 ... or 4-D"


@dataclass(frozen=True)
class ImageFile:
    """One NIfTI file by its name."""

    path: Path
    name: Name


@dataclass(frozen=True)
class Scan:
    """The files of one scan.

    Attributes:
        name: what their names share.
        root: the dataset that they lie in, or their own folder.
        magnitude: in the order of ``echo``; one file where it has a fourth dimension.
        phase: the same.
    """

    name: Name
    root: Path
    magnitude: tuple[ImageFile, ...]
    phase: tuple[ImageFile, ...]

    @property
    def label(self) -> str:
        """The name that messages use."""
        return "_".join((*self.name.pieces, self.name.suffix))

    @property
    def dataset(self) -> Path | None:
        """The folder of the dataset that they lie in, None where they lie in none."""
        return self.root if (self.root / DESCRIPTION).is_file() else None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file, magnitude first."""
        return tuple(image.path for image in (*self.magnitude, *self.phase))


def holds_nifti(paths: Iterable[Path]) -> bool:
    """Whether the paths name NIfTI files, a BIDS dataset, or a folder with a scan in NIfTI files."""
    for path in paths:
        if path.is_dir():
            if (path / DESCRIPTION).is_file() or any(True for _ in _of_scans(path)):
                return True
        elif path.name.lower().endswith(IMAGES):
            return True
    return False


def scans_under(paths: Sequence[Path]) -> tuple[Scan, ...]:
    """Every scan that the paths name or hold, in a stable order.

    Raises:
        UsageError: a path does not exist.
        NotEligible: there is no scan, or the files of one do not fit together.
    """
    images: dict[Path, ImageFile] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        path = path.absolute()  # the dataset may begin above the working folder
        for image in _of_scans(path) if path.is_dir() else [_named(path)]:
            images.setdefault(image.path.resolve(), image)
    groups: dict[tuple[Path, tuple[str, ...], str], list[ImageFile]] = {}
    for image in images.values():
        key = (image.path.parent, image.name.scan, image.name.suffix)
        groups.setdefault(key, []).append(image)
    if not groups:
        raise NotEligible(f"{', '.join(map(str, paths))}: no scan in NIfTI files; {_EXPECTED}")
    return tuple(_scan(Name(name, suffix), groups[folder, name, suffix]) for folder, name, suffix in groups)


def _named(path: Path) -> ImageFile:
    """A file that the caller names has to be part of a scan."""
    name = parsed(path.name)
    if name is None or name.suffix not in SUFFIXES:
        raise NotEligible(f"{path.name}: no name of a scan's image; {_EXPECTED}")
    return ImageFile(path, name)


def _of_scans(folder: Path) -> Iterator[ImageFile]:
    """The images of scans under a folder; in a dataset only what was measured."""
    for top, below, files in os.walk(folder):
        not_raw = _NO_IMAGES if DESCRIPTION in files else frozenset()
        below[:] = sorted(each for each in below if not each.startswith(".") and each not in not_raw)
        for file in sorted(files):
            name = parsed(file)
            if name is not None and name.suffix in SUFFIXES and not file.startswith("."):
                yield ImageFile(Path(top) / file, name)


def _scan(name: Name, images: Sequence[ImageFile]) -> Scan:
    """The files of one scan, magnitude beside phase."""
    label = "_".join((*name.pieces, name.suffix))
    parts: dict[str, dict[int, ImageFile]] = {MAGNITUDE: {}, PHASE: {}}
    for image in images:
        part = image.name.entities.get("part", "")
        if part not in parts:
            raise NotEligible(f"{image.path.name}: part: expected mag or phase, got {part!r}; {_EXPECTED}")
        echo = _echo_of(image)
        if echo in parts[part]:
            raise NotEligible(
                f"{image.path.name}: {parts[part][echo].path.name} is the same echo and part; keep one"
            )
        parts[part][echo] = image
    missing = [
        f"part-{part}" + (f" of echo-{echo}" if echo else "")
        for part, other in ((MAGNITUDE, PHASE), (PHASE, MAGNITUDE))
        for echo in sorted(parts[other].keys() - parts[part].keys())
    ]
    if missing:
        raise NotEligible(f"{label}: missing: {', '.join(missing)}; {_EXPECTED}", check="complete")
    magnitude, phase = (tuple(parts[part][echo] for echo in sorted(parts[part])) for part in parts)
    if len(phase) > 1 and 0 in parts[PHASE]:
        raise NotEligible(
            f"{phase[0].path.name}: echo: expected a number, as its neighbours have one; name every echo"
        )
    return Scan(name, _root_of(magnitude[0].path), magnitude, phase)


def _echo_of(image: ImageFile) -> int:
    """The number of the echo, 0 where the name has none."""
    text = image.name.entities.get("echo")
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise NotEligible(f"{image.path.name}: echo: expected a number from 1, got {text!r}; rename the file")
    return int(text)


def _root_of(image: Path) -> Path:
    """The dataset's folder, or the image's own."""
    return next((above for above in image.parents if (above / DESCRIPTION).is_file()), image.parent)
