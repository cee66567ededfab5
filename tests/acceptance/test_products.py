"""Every product stands in a real archive, valid, and its pictures look as they were meant to."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image

from qsmnode.products.registry import PRODUCTS
from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode
from tests.peers.orthanc import Orthanc

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def _rendered(orthanc: Orthanc, identity: str) -> np.ndarray[Any, Any]:
    answer = orthanc.request("GET", f"/instances/{identity}/rendered", headers={"Accept": "image/png"})
    return np.asarray(Image.open(io.BytesIO(answer)))


def _windowed(image: pydicom.Dataset) -> np.ndarray[Any, Any]:
    """Grey levels after PS3.3 C.11.2.1.2.1, the linear function."""
    centre, width = float(image.WindowCenter), float(image.WindowWidth)
    level = (image.pixel_array - (centre - 0.5)) / max(1.0, width - 1) + 0.5
    return np.clip(level, 0, 1) * 255


def test_every_product_is_valid_and_looks_as_meant(
    scan: Scan,
    orthanc: Orthanc,
    run_node: Callable[..., RunningNode],
    storescu: Callable[..., Any],
    dciodvfy: Callable[..., Any],
    dcentvfy: Callable[..., Any],
    tmp_path: Path,
) -> None:
    archive = f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}}}"
    node = run_node(
        archive,
        recipe="fast",
        products=f"[{', '.join(PRODUCTS)}]",
        more="series: {r2star: {description: R2 star, number: 50, window: [30, 60]}}\n",
    )
    assert set(storescu(scan.folder, node.port).statuses.values()) == {0x0000}
    node.until_delivered(len(PRODUCTS))

    kept = orthanc.instances()
    made = [
        pydicom.dcmread(io.BytesIO(orthanc.request("GET", f"/instances/{identity}/file")))
        for identity in kept.values()
    ]
    series: dict[str, list[pydicom.Dataset]] = {}
    for item in made:
        series.setdefault(item.SeriesInstanceUID, []).append(item)
    assert len(series) == len(PRODUCTS)
    assert len({group[0].SeriesNumber for group in series.values()}) == len(PRODUCTS)
    paths = []
    for number, group in enumerate(series.values()):
        paths.append(tmp_path / f"{number}.dcm")
        group[len(group) // 2].save_as(paths[-1])
        verdict = dciodvfy(paths[-1])
        assert verdict.clean, (group[0].SeriesDescription, verdict)
    assert dcentvfy(paths).errors == ()

    (page,) = (group[0] for group in series.values() if group[0].SOPClassUID == CAPTURE)
    np.testing.assert_array_equal(_rendered(orthanc, kept[page.SOPInstanceUID]), page.pixel_array)
    (r2star,) = (group for group in series.values() if group[0].SeriesDescription.startswith("R2 star"))
    assert {int(image.SeriesNumber) % 100 for image in r2star} == {50}
    images = [group[len(group) // 2] for group in series.values() if len(group) > 1]
    assert len(images) == sum(product.is_images for product in PRODUCTS.values())
    for image in images:
        seen, meant = _rendered(orthanc, kept[image.SOPInstanceUID]), _windowed(image)
        about = 1 + 255 * 1.5 / float(image.WindowWidth)  # others leave the standard's halves and ones out
        assert np.abs(seen - meant).max() <= about, image.SeriesDescription
        assert np.array_equal(seen > 64, meant > 127) or image.ImageType[3] != "MASK"
        assert meant.std() > 3, image.SeriesDescription
