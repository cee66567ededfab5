"""A simulated head with all that a radiologist opens: magnitude, map, segmentation, report, page as PDF."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt

from qsmnode.engine import Recipe
from qsmnode.node.offline import eligible, look_at, reconstruct_acquisition
from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead, simulate
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.tissues import FIRST_NUCLEUS
from qsmnode.products import storage
from qsmnode.products.page.sheet import sheet
from qsmnode.products.page.style import PDF, PageStyle
from qsmnode.products.registry import PRODUCTS
from tests.peers.orthanc import Orthanc

SHOWN = ("qsm", "segmentation", "report", "page")


@dataclass(frozen=True)
class Study:
    """What stands in the archive.

    Attributes:
        uid: of the study.
        series: UID of each product's series, by its name.
        map_ppb: (X, Y, Z), what the map's pixels hold.
        window: centre and width of the map, ppb.
        size_mm: of a slice, along its rows and its columns.
        segmented: (X, Y, Z), the voxels of all segments.
        page: (rows, columns, 3), what the PDF shows.
        slice_index: the slice with the most segmented voxels.
    """

    uid: str
    series: dict[str, str]
    map_ppb: npt.NDArray[np.int16]
    window: tuple[float, float]
    size_mm: tuple[float, float]
    segmented: npt.NDArray[np.bool_]
    page: npt.NDArray[np.uint8]
    slice_index: int


def put(archive: Orthanc, folder: Path, seed: int = 3) -> Study:
    """Simulate, reconstruct with the true nuclei as regions, and store scan and products in the archive."""
    protocol = Protocol(echo_times_s=(0.005, 0.015, 0.025), shape=(80, 96, 64), voxel_mm=(2.0, 2.0, 2.0))
    head = simulate(HeadShape(seed), protocol)
    files = write_classic(head, folder / "scan")
    found = look_at([folder / "scan"])
    (acquisition,) = eligible(found)
    context = reconstruct_acquisition(
        found, acquisition, Recipe.preset("fast"), lambda _share, _step: None, roi=_regions(head, folder)
    )
    context = replace(context, page=PageStyle(form=PDF))
    made = {name: PRODUCTS[name].build(context) for name in SHOWN}
    for name, product in made.items():
        files += storage.write(product, folder / "products", name)
    for path in files:
        archive.request("POST", "/instances", path.read_bytes())
    segmented = np.any([one.region.mask & context.maps.mask for one in context.regions], axis=0)
    image = made["qsm"][0]
    return Study(
        uid=str(image.StudyInstanceUID),
        series={name: str(product[0].SeriesInstanceUID) for name, product in made.items()},
        map_ppb=np.stack([item.pixel_array.T for item in made["qsm"]], axis=2),
        window=(float(image.WindowCenter), float(image.WindowWidth)),
        size_mm=(protocol.shape[0] * protocol.voxel_mm[0], protocol.shape[1] * protocol.voxel_mm[1]),
        segmented=segmented,
        page=np.asarray(sheet(context), np.uint8),
        slice_index=int(np.argmax(segmented.sum(axis=(0, 1)))),
    )


def _regions(head: SimulatedHead, folder: Path) -> Path:
    """The true nuclei as labels with their names."""
    drawn = np.where(head.labels >= FIRST_NUCLEUS, head.labels, 0).astype(np.uint8)
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(drawn, to_ras @ head.geometry.affine), folder / "rois.nii.gz")
    lines = ["number\tname\tlaterality"]
    for label, name in head.label_names.items():
        if label >= FIRST_NUCLEUS:
            structure, side = name.rsplit(" ", 1)
            lines.append(f"{label}\t{structure}\t{side[0].upper()}")
    (folder / "rois.tsv").write_text("\n".join(lines) + "\n")
    return folder / "rois.nii.gz"
