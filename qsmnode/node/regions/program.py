"""Regions by a program of the site: images in a private folder, labels back from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np
import numpy.typing as npt

from qsmnode.config import RegionProgram
from qsmnode.dicom.source import Source
from qsmnode.engine.mask.intensity import combined
from qsmnode.engine.types import Maps
from qsmnode.measure.lookup import cleaned
from qsmnode.node.regions import guard
from qsmnode.node.regions.drawn import Drawn, failed, from_file
from qsmnode.node.removal import remove

LABELS, SEGMENTATION = "labels.nii.gz", "segmentation.dcm"
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT_BYTES = 16_384
_KEPT_LINES, _LONGEST_LINE = 20, 200
_SLACK_S = 30.0  # for the keeper to end what it keeps


def draw_by_program(settings: RegionProgram, place: Path, threads: int, maps: Maps, source: Source) -> Drawn:
    """Let the program draw.

    Args:
        settings: of the route.
        place: of a folder for it alone; must not exist, and does not afterwards.
        threads: that it may take, as far as it asks.
        maps: finished.
        source: of them.
    """
    place.mkdir(mode=0o700)
    try:
        _hand_over(place, maps, source)
        ended, output = _run(settings, place, threads)
        failure = _failure(ended, settings)
        drawn = _left(place, source) if failure is None else failed(*failure)
    finally:
        with suppress(OSError):  # the job's folder goes afterwards, with whatever is left
            remove(place)
    name = cleaned(Path(settings.program[0]).name) or "of the site"
    regions = tuple(replace(one, drawn_by=f"program {name}", automatic=True) for one in drawn.regions)
    return replace(drawn, regions=regions, output=output)


def _hand_over(place: Path, maps: Maps, source: Source) -> None:
    """Nothing of them names a patient."""
    affine = _TO_RAS @ source.affine
    images: dict[str, npt.NDArray[Any]] = {
        "magnitude": combined(source.stack.magnitude).astype(np.float32),
        "susceptibility": maps.susceptibility.astype(np.float32),
        "mask": maps.mask.astype(np.uint8),
    }
    make: Any = nibabel.Nifti1Image  # nibabel's constructors carry no types
    for name, values in images.items():
        image = make(np.asfortranarray(values), affine)
        image.header.set_xyzt_units("mm")
        image.set_qform(affine, code=1)
        image.set_sform(affine, code=1)
        nibabel.save(image, place / f"{name}.nii.gz")


def _run(settings: RegionProgram, place: Path, threads: int) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """How it ended, as its keeper says, and the end of what it said."""
    told, tell = os.pipe()
    keeper = [sys.executable, "-P", str(Path(guard.__file__)), str(tell), str(settings.timeout_s)]
    try:
        process = subprocess.Popen(
            [*keeper, *settings.program, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=place,
            env=_environment(place, threads),
            pass_fds=(tell,),
            start_new_session=True,
        )
    finally:
        os.close(tell)
    assert process.stdin is not None
    assert process.stdout is not None
    tail = _Tail(process.stdout)
    with os.fdopen(told, "rb") as status, process.stdin:
        try:
            process.wait(settings.timeout_s + _SLACK_S)
            said = status.read()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            said = b""
    return (json.loads(said) if said else {}), tail.lines(str(place))


def _environment(place: Path, threads: int) -> dict[str, str]:
    """None of this node's own."""
    return {
        "PATH": _PATH,
        "HOME": str(place),
        "TMPDIR": str(place),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": str(threads),
    }


def _failure(ended: Mapping[str, Any], settings: RegionProgram) -> tuple[str, str] | None:
    """What kind of failure it was and in which words, None where it was none."""
    if ended.get("code") == 0:
        return None
    if "not_started" in ended:
        return "program_failed", f"it could not be started ({ended['not_started']})"
    if "late" in ended:
        return "program_late", f"it ran longer than timeout_s = {settings.timeout_s:g} s and was ended"
    code = ended.get("code")
    if code is None:
        return "program_failed", "how it ended is not known"
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return "program_failed", f"it ended {how}"


def _left(place: Path, source: Source) -> Drawn:
    found = [name for name in (LABELS, SEGMENTATION) if (place / name).is_file()]
    if not found:
        return failed("program_nothing", f"expected {LABELS} or {SEGMENTATION}, and it left neither")
    if len(found) > 1:
        return failed("regions_several", f"expected {LABELS} or {SEGMENTATION}, and it left both")
    return from_file(place / found[0], source, named=False)


@dataclass
class _Tail:
    """The end of what a program says, however much that is."""

    stream: IO[bytes]

    def __post_init__(self) -> None:
        self._kept = b""
        self._reader = threading.Thread(target=self._read, name="program-output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            while piece := os.read(self.stream.fileno(), _KEPT_BYTES):
                self._kept = (self._kept + piece)[-_KEPT_BYTES:]

    def lines(self, place: str) -> tuple[str, ...]:
        """The last lines, in signs that every terminal shows; ``place`` stands as a dot."""
        self._reader.join(1.0)  # something that left the group may hold its end for ever
        if not self._reader.is_alive():
            self.stream.close()
        text = self._kept.decode("utf-8", "replace").replace(place, ".")
        shown = ["".join(sign if sign.isprintable() else "?" for sign in line) for line in text.splitlines()]
        return tuple(line[:_LONGEST_LINE] for line in shown if line.strip())[-_KEPT_LINES:]
