"""Products written into a job's output folder, as its result names them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset

from qsmnode.node.worker import folder as job_folder
from qsmnode.products.storage import write


def made(objects: Sequence[Dataset], name: str, series_uid: str, output: Path) -> job_folder.MadeProduct:
    """Write the objects of one product.

    Args:
        objects: in their order.
        name: of the product.
        series_uid: of their series.
        output: the folder.
    """
    files = write(objects, output, name)
    names = tuple(
        job_folder.MadeObject(path.name, str(item.SOPClassUID), str(item.SOPInstanceUID))
        for path, item in zip(files, objects, strict=True)
    )
    return job_folder.MadeProduct(name, series_uid, names)
