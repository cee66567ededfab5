"""The main job from its start to its end: a simulated head, sent to a running node, and what came of it."""

from __future__ import annotations

import shutil
import time
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom

from qsmnode.config import Config, load_text
from qsmnode.engine.types import Float
from qsmnode.errors import JobFailed, NotEligible, UsageError
from qsmnode.ledger.store import Store
from qsmnode.node.sender.files import send_files
from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead, simulate
from qsmnode.phantom.pixels import Measured
from qsmnode.phantom.tissues import FIRST_NUCLEUS
from qsmnode.phantom.vendors import write
from qsmnode.products import qsm_series

Progress = Callable[[float, str], None]
SETTINGS = "qsmnode.yaml"
_MARK = "# written by `qsmnode demo`"
_FOLDERS = ("scanner", "archive", "store")
_SMALLEST_NUCLEUS = 20  # voxels
_ENDED = ("rejected", "unmatched", "ignored", "held")

_SETTINGS_TEXT = """\
{mark}: the node of the demo; `qsmnode jobs -c {name}` shows what it did
node:
  ae_title: QSMNODE
  bind: 127.0.0.1
  port: {port}
  store: ./store
peers:
  scanner: {{ae_title: SIMULATOR, host: 127.0.0.1}}
  archive: {{folder: ./archive}}
assembly: {{settling_s: 2, deadline_s: 60}}  # nothing comes late here
routes:
  - name: demo
    match:
      calling_ae: [SIMULATOR]
      acquisition: {{echoes: {{min: 3}}, kinds: [magnitude, phase], dimensions: 3}}
    recipe: default
    products: [qsm, report, page]
    send_to: [archive]
"""

_SCANNER_TEXT = """\
node: {{ae_title: SIMULATOR}}
peers:
  node: {{ae_title: {called}, host: {host}, port: {port}}}
routes: []
"""


class Watched(typing.Protocol):
    """A node, as far as its store goes."""

    @property
    def store(self) -> Store: ...


@dataclass(frozen=True)
class Nucleus:
    """One row of the demo's table; both means are relative to the same mask."""

    name: str
    voxels: int
    measured_ppb: float
    true_ppb: float


def prepare(out: Path, port: int) -> Path:
    """An empty demo folder with its configuration; an earlier demo's own folders are replaced.

    Raises:
        UsageError: the folder holds something else.
    """
    settings = out / SETTINGS
    if out.exists() and any(out.iterdir()):
        if not settings.exists() or not settings.read_text("utf-8").startswith(_MARK):
            raise UsageError(f"{out}: holds files that are not a demo's; choose another --out")
        for name in _FOLDERS:
            shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.write_text(_SETTINGS_TEXT.format(mark=_MARK, name=SETTINGS, port=port), "utf-8")
    return settings


def simulated(seed: int, progress: Progress) -> SimulatedHead:
    """The demo's head: 3 T, five echoes, 1 mm."""
    return simulate(HeadShape(seed=seed), Protocol(), progress)


def scan(head: Measured, out: Path, vendor: str = "siemens", faults: Sequence[str] = ()) -> list[Path]:
    """The images as a scanner of that vendor would write them, with these faults.

    Raises:
        UsageError: an unknown vendor or fault.
    """
    return write(vendor, head, out / "scanner", faults=faults)


def send(config: Config, port: int, files: list[Path], progress: Progress) -> None:
    """Send them over a real association, as the scanner of the configuration would."""
    scanner = load_text(
        _SCANNER_TEXT.format(called=config.node.ae_title, host=config.node.bind, port=port),
        file="the demo's scanner",
        base_folder=Path.cwd(),
        environ={},
    )
    refused = [result for result in send_files(scanner, "node", files, progress) if not result.sent]
    if refused:
        raise JobFailed(f"{len(refused)} of {len(files)} images were refused: {refused[0].message}")


def wait(node: Watched, progress: Progress, patience_s: float = 1800.0) -> None:
    """Wait until a map of the study is delivered, and whatever else is under way has ended.

    Everything has been sent by now. Images that come to nothing beside the map do not matter: a scan may hold
    other reconstructions, and another acquisition may be refused.

    Raises:
        NotEligible: nothing was reconstructed; says why.
        JobFailed: the job or a delivery ended badly, or nothing happened for too long.
    """
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        seen = node.store.database.version
        if _finished(node.store, progress):
            return
        node.store.database.wait_for_change(seen, min(1.0, patience_s))
    raise JobFailed(f"nothing was delivered within {patience_s:g} s; see `qsmnode jobs`")


def _finished(store: Store, progress: Progress) -> bool:
    jobs, deliveries = store.jobs.all(), store.deliveries.all()
    for job in jobs:
        if job.state == "running":
            progress(0.95 * job.progress, job.step)
    under_way = any(job.state in ("queued", "running") for job in jobs)
    under_way |= any(row.state in ("pending", "sending") for row in deliveries)
    # what nobody has looked at may still become a map
    if under_way or store.instances.undecided():
        return False
    maps = [row for row in deliveries if row.kind == qsm_series.NAME]
    if maps and all(row.state == "sent" for row in deliveries if row.job_id in {one.job_id for one in maps}):
        return True
    for row in deliveries:
        if row.state != "sent":
            raise JobFailed(f"{row.kind} to {row.peer}: {row.reason}")
    for job in jobs:
        if job.state in ("failed", "cancelled"):
            raise JobFailed(f"job {job.id} {job.state}: {job.reason}")
    acquisitions = store.acquisitions.all()
    if acquisitions and all(one.state in _ENDED for one in acquisitions):
        raise NotEligible("; ".join(sorted({f"{one.state}: {one.reason}" for one in acquisitions})))
    return False


def said(store: Store) -> tuple[str, tuple[str, ...]]:
    """What the map's zero means, and what the node found to say of the map."""
    result = next(job.result for job in store.jobs.all() if job.state == "succeeded")
    return str(result["reference"]), tuple(map(str, result["warnings"]))


def delivered(out: Path) -> Mapping[str, list[Path]]:
    """The files in the demo's archive by modality (MR, SR, OT)."""
    found: dict[str, list[Path]] = {}
    for path in sorted((out / "archive").rglob("*.dcm")):
        modality = str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"]).Modality)
        found.setdefault(modality, []).append(path)
    return found


def series_ppb(paths: list[Path]) -> Float:
    """(X, Y, Z), ppb: the delivered series, read as any reader would, in the engine's axes."""
    images = [pydicom.dcmread(path) for path in paths]
    normal = np.cross(images[0].ImageOrientationPatient[:3], images[0].ImageOrientationPatient[3:])
    images.sort(key=lambda image: float(np.dot(normal, image.ImagePositionPatient)))
    return np.stack([image.pixel_array.T for image in images], axis=2).astype(np.float32)


def series_voxel_mm(paths: list[Path]) -> tuple[float, float, float]:
    """Edges of the delivered series' voxels, in the engine's axes."""
    image = pydicom.dcmread(paths[0], stop_before_pixels=True)
    down, across = (float(edge) for edge in image.PixelSpacing)
    return across, down, float(image.SpacingBetweenSlices)


def compared(head: SimulatedHead, chi_ppb: Float) -> list[Nucleus]:
    """Each nucleus' mean, measured and true, both relative to the brain eroded by 2 mm."""
    mask = head.scoring_mask()
    truth = head.susceptibility_ppm * np.float32(1000)
    rows = []
    for label, name in sorted(head.label_names.items()):
        inside = (head.labels == label) & mask
        if label < FIRST_NUCLEUS or np.count_nonzero(inside) < _SMALLEST_NUCLEUS:
            continue
        rows.append(
            Nucleus(name, int(inside.sum()), _mean(chi_ppb, inside, mask), _mean(truth, inside, mask))
        )
    return rows


def _mean(values: Float, inside: npt.NDArray[np.bool_], mask: npt.NDArray[np.bool_]) -> float:
    return float(values[inside].mean(dtype=np.float64) - values[mask].mean(dtype=np.float64))
