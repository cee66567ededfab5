"""Files on disk seen as the node would see them, without a node: for `explain` and `reconstruct`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance import header_findings, rejections
from qsmnode.dicom.acquisition import Acquisition, Grouping, group
from qsmnode.dicom.completeness import Completeness, assess
from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.dicom.source import Source, load
from qsmnode.engine import Recipe
from qsmnode.engine.types import Maps
from qsmnode.errors import NotEligible, UnreadableDicom, UsageError
from qsmnode.measure.region_files import read_regions
from qsmnode.node.reconstruction import reconstructed
from qsmnode.node.regions.drawn import Drawn
from qsmnode.node.regions.nuclei import draw_nuclei
from qsmnode.node.wire.part10 import read_front
from qsmnode.products.context import ProductContext

Progress = Callable[[float, str], None]
_SHOWN = 20


@dataclass(frozen=True)
class Found:
    """What lies under some paths.

    Attributes:
        paths: SOP Instance UID to file; the first file of each.
        headers: SOP Instance UID to header.
        unreadable: files that are no usable DICOM, or another object under a known UID, with the reason.
        grouping: the acquisitions in it, and what is ignored.
    """

    paths: Mapping[str, Path]
    headers: Mapping[str, Instance]
    unreadable: tuple[tuple[Path, str], ...]
    grouping: Grouping

    def members(self, acquisition: Acquisition) -> list[Instance]:
        """The headers of an acquisition's instances."""
        return [self.headers[uid] for uid in acquisition.sop_instance_uids]


def look_at(paths: Iterable[Path], progress: Progress | None = None) -> Found:
    """Read the header of every file under ``paths``, in a stable order.

    Raises:
        UsageError: a path does not exist, or there is no file at all.
    """
    files = files_under(paths)
    found: dict[str, Path] = {}
    headers: dict[str, Instance] = {}
    unreadable: list[tuple[Path, str]] = []
    for number, path in enumerate(files):
        try:
            header = read_instance(path)
        except UnreadableDicom as error:
            unreadable.append((path, str(error)))
            continue
        uid = header.sop_instance_uid
        if uid not in found:
            found[uid], headers[uid] = path, header
        elif _data_set_hash(found[uid]) != _data_set_hash(path):
            reason = f"the same SOP Instance UID as {found[uid]} with other bytes; the first one is used"
            unreadable.append((path, reason))
        if progress is not None:
            progress((number + 1) / len(files), "headers")
    return Found(found, headers, tuple(unreadable), group(list(headers.values())))


def _data_set_hash(path: Path) -> bytes:
    """Of the data set alone, as the receiver has it: file meta information names only who wrote the file."""
    try:
        begin = read_front(path).offset
    except UnreadableDicom:
        begin = 0  # it says too little of itself: the whole file then
    with path.open("rb") as stream:
        stream.seek(begin)
        return hashlib.file_digest(stream, "sha256").digest()


def reason_against(acquisition: Acquisition, whole: Completeness | None = None) -> str:
    """Why an acquisition cannot be reconstructed from what is there, "" where it can.

    Nothing more will arrive: without a declared count a consistent grid is enough.
    """
    whole = whole or assess(acquisition)
    if acquisition.ignored:
        return acquisition.ignored
    if acquisition.held:
        return acquisition.held
    if whole.state in ("complete", "undeclared"):
        return ""
    word = "contradiction" if whole.state == "contradiction" else "missing"
    return f"{word}: {'; '.join(whole.missing)}"


def eligible(found: Found, limits: AcceptanceSettings | None = None) -> Sequence[Acquisition]:
    """The acquisitions that can be reconstructed.

    Args:
        limits: of the acceptance checks; None: the defaults.

    Raises:
        NotEligible: none can; the message says why for each, and for what is no source.
    """
    limits = limits or AcceptanceSettings.default()
    reasons = [(item, _reason(found, item, limits)) for item in found.grouping.acquisitions]
    good = [item for item, reason in reasons if not reason]
    if good:
        return good
    lines = [f"{item.description}: {reason}" for item, reason in reasons]
    lines += [
        f"{count} images: {reason}"
        for reason, count in _tally(reason for _, reason in found.grouping.ignored)
    ]
    lines += [
        f"{path}: {reason.removeprefix(path.name + ': ')}" for path, reason in found.unreadable[:_SHOWN]
    ]
    if len(found.unreadable) > _SHOWN:
        lines.append(f"and {len(found.unreadable) - _SHOWN} more files that cannot be read")
    raise NotEligible("nothing here can become a susceptibility map\n  " + "\n  ".join(lines))


def _reason(found: Found, acquisition: Acquisition, limits: AcceptanceSettings) -> str:
    """Why an acquisition cannot be reconstructed with these limits, "" where it can."""
    findings = header_findings(acquisition, found.members(acquisition), limits)
    return reason_against(acquisition) or "; ".join(map(str, rejections(findings)))


def reconstruct_acquisition(
    found: Found,
    acquisition: Acquisition,
    recipe: Recipe,
    progress: Progress,
    limits: AcceptanceSettings | None = None,
    roi: Path | None = None,
    *,
    nuclei: bool = False,
    iron: bool = False,
) -> ProductContext:
    """Reconstruct one acquisition.

    Args:
        limits: of the acceptance checks; None: the defaults.
        roi: regions to measure: a DICOM Segmentation, or NIfTI labels with their lookup.
        nuclei: whether the atlas looks for deep nuclei, instead.
        iron: whether iron is estimated in gray-matter nuclei among the regions.

    Raises:
        NotEligible: it cannot become a map, or the regions cannot be placed on it; says why.
    """
    limits = limits or AcceptanceSettings.default()
    source = load(acquisition, {uid: found.paths[uid] for uid in acquisition.sop_instance_uids})
    regions = () if roi is None else read_regions(roi, source)
    return reconstructed(
        source,
        recipe,
        _time_of(source),
        progress=progress,
        limits=limits,
        findings=header_findings(acquisition, found.members(acquisition), limits),
        regions=regions,
        draw=_nuclei if nuclei else None,
        iron=iron,
    )


def _nuclei(maps: Maps, source: Source) -> Drawn:
    stack = source.stack
    return draw_nuclei(maps, source.affine, stack.magnitude, stack.echo_times_s)


def _time_of(source: Source) -> datetime:
    """The time inside the objects: without a job it is the scan's, so that equal input gives equal files."""
    template = source.template
    for kind in ("Content", "Acquisition", "Series", "Study"):
        date, time = template.get(f"{kind}Date"), template.get(f"{kind}Time")
        try:
            # no zone: the scan's own clock, as its other dates are
            return datetime.strptime(f"{date}{str(time or '0')[:6]:0<6}", "%Y%m%d%H%M%S")  # noqa: DTZ007
        except ValueError:
            continue
    return datetime(1970, 1, 1)  # noqa: DTZ001


def _tally(reasons: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + 1
    return sorted(counts.items())


def files_under(paths: Iterable[Path]) -> list[Path]:
    """Every file that the paths name or hold, folders in the order of their names.

    Raises:
        UsageError: a path does not exist, or there is no file at all.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders.sort()
                files += [Path(folder) / name for name in sorted(names)]
        else:
            files.append(path)
    if not files:
        raise UsageError(f"{', '.join(map(str, paths))}: there is no file")
    return files
