"""Reads what a simulated scanner wrote through the package's own doors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsmnode.dicom.acquisition import Acquisition, Grouping, group
from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.dicom.source import Source, load


@dataclass(frozen=True)
class Arrived:
    """Files by SOP instance UID, the first one under each, and what they hold."""

    paths: dict[str, Path]
    headers: dict[str, Instance]

    @classmethod
    def of(cls, files: Iterable[Path]) -> Arrived:
        paths: dict[str, Path] = {}
        headers: dict[str, Instance] = {}
        for path in files:
            header = read_instance(path)
            if header.sop_instance_uid not in paths:
                paths[header.sop_instance_uid] = path
                headers[header.sop_instance_uid] = header
        return cls(paths, headers)

    @property
    def grouping(self) -> Grouping:
        return group(self.headers.values())

    @property
    def acquisition(self) -> Acquisition:
        (one,) = self.grouping.acquisitions
        return one

    @property
    def source(self) -> Source:
        return load(self.acquisition, self.paths)


def turned(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """By how many rad two phases differ, whole turns aside."""
    return np.abs(np.angle(np.exp(1j * (one.astype(np.float64) - other))))
