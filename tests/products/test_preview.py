from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qsmnode.errors import EngineInputError
from qsmnode.products.preview import write_preview


def test_three_planes_in_the_window(tmp_path: Path) -> None:
    chi = np.full((40, 40, 40), -500, np.float32)
    chi[:, :, 20:] = 500
    first = write_preview(tmp_path / "a.png", chi, (1.0, 1.0, 1.0))
    second = write_preview(tmp_path / "b.png", chi, (1.0, 1.0, 1.0))
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_mode & 0o777 == 0o600
    with Image.open(first) as picture:
        grey = np.asarray(picture)
    assert grey.shape[1] > 3 * 384
    coronal = grey[12 : 12 + 384, 12 + 384 + 12 : 12 + 2 * 384 + 12]
    assert coronal[20].min() == 255, "up is where Z is high"
    assert coronal[-20].max() == 0


def test_what_zero_means_is_written_below(tmp_path: Path) -> None:
    chi = np.ones((20, 20, 20), np.float32)
    legends = []
    for name, reference in (("a.png", ""), ("b.png", "mean of the whole brain mask")):
        with Image.open(write_preview(tmp_path / name, chi, (1.0, 1.0, 1.0), reference)) as picture:
            legends.append(np.asarray(picture)[-28:])
    written = [np.flatnonzero(legend.any(axis=0)).max() for legend in legends]
    assert written[0] + 100 < written[1] < legends[1].shape[1] - 12


def test_voxels_keep_their_proportions(tmp_path: Path) -> None:
    chi = np.ones((20, 20, 20), np.float32)
    with Image.open(write_preview(tmp_path / "a.png", chi, (1.0, 1.0, 2.0))) as picture:
        assert picture.width == 4 * 12 + 384 + 192 + 192


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineInputError, match="chi_ppb"):
        write_preview(tmp_path / "a.png", np.full((2, 2, 2), np.nan, np.float32), (1, 1, 1))
