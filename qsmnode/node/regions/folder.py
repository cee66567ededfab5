"""Regions that somebody leaves in a folder: looked up, and waited for."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from pydicom import Dataset
from pydicom.filereader import read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian, SegmentationStorage

from qsmnode.config import RegionFolder
from qsmnode.dicom.reading import BROKEN, quiet, read_header, text
from qsmnode.dicom.source import Source
from qsmnode.dicom.streams import Piecewise
from qsmnode.errors import UnreadableDicom
from qsmnode.node.regions.drawn import Drawn, failed, from_file
from qsmnode.node.regions.names import Segmentation, Wanted, by_header, by_name, pause_s
from qsmnode.node.wire.part10 import read_front

MOST_FILES = 2000
_FRAME_OF_REFERENCE = 0x0020_0052


class FolderLook:
    """Looks into a folder again and again; a file that did not change is opened once.

    Args:
        settings: of the route.
        series: UIDs of the source series.
    """

    def __init__(self, settings: RegionFolder, series: tuple[str, ...]) -> None:
        self._folder = settings.folder
        self._wait_s = settings.wait_s
        self._series = series
        self._read: dict[tuple[str, int, int], Segmentation | None] = {}

    def draw(self, source: Source) -> Drawn:
        """The regions of the file that belongs to the source, or why there are none."""
        study, accession, frame = (
            text(source.template, name)
            for name in ("StudyInstanceUID", "AccessionNumber", "FrameOfReferenceUID")
        )
        wanted = Wanted(self._series, study, accession, frame)
        began = time.monotonic()
        while True:
            drawn = self._look(wanted, source)
            # what cannot be used may still be on its way
            pause = pause_s(drawn.failure is None, time.monotonic() - began, self._wait_s)
            if pause is None:
                return drawn
            time.sleep(pause)

    def _look(self, wanted: Wanted, source: Source) -> Drawn:
        try:
            names = self._fitting(wanted)
        except OSError as error:
            return failed("regions_unavailable", f"the folder of regions cannot be read ({error.strerror})")
        if not names:
            waited = f" within {self._wait_s:g} s" if self._wait_s else ""
            return failed("regions_none", f"no file of regions of this study came into the folder{waited}")
        if len(names) > 1:
            words = (
                f"{len(names)} files belong to it alike; name one after the series, or take the others away"
            )
            return failed("regions_several", words)
        return from_file(self._folder / names[0], source)

    def _fitting(self, wanted: Wanted) -> tuple[str, ...]:
        """Names of the files that belong to an acquisition, by the most particular sign that there is."""
        with os.scandir(self._folder):
            pass  # a folder that is not there is another thing than one without a file
        for names in by_name(wanted):
            there = tuple(name for name in names if (self._folder / name).is_file())
            if there:
                return there
        return by_header(self._segmentations(), wanted)

    def _segmentations(self) -> list[Segmentation]:
        """Of the newest files of the folder, those that are DICOM Segmentations."""
        files = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # it may have been taken away meanwhile
                    if entry.is_file():
                        found = entry.stat()
                        files.append((found.st_mtime_ns, entry.name, found.st_size))
        seen = {}
        for changed, name, size in sorted(files, reverse=True)[:MOST_FILES]:
            key = (name, changed, size)
            seen[key] = self._read[key] if key in self._read else _segmentation(self._folder / name)
        self._read = seen
        return [one for one in seen.values() if one is not None]


def _segmentation(path: Path) -> Segmentation | None:
    try:
        front = read_front(path)
        if front.sop_class_uid != SegmentationStorage:
            return None
        deflated = front.transfer_syntax == DeflatedExplicitVRLittleEndian
        header = read_header(path).dataset if deflated else _beginning(path)
        return Segmentation(path.name, text(header, "StudyInstanceUID"), text(header, "FrameOfReferenceUID"))
    except (*BROKEN, UnreadableDicom, MemoryError):
        return None  # whatever it is, it names no study


def _beginning(path: Path) -> Dataset:
    """Up to the frame of reference: the frames behind it are many, and there may be many files."""
    with quiet(), path.open("rb") as stream:
        return read_partial(
            cast(BinaryIO, Piecewise(stream)), stop_when=lambda tag, vr, length: tag > _FRAME_OF_REFERENCE
        )
