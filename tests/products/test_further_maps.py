"""Each further map says what its numbers are, and gives them back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from qsmnode.config import SeriesSettings
from qsmnode.engine.types import Float
from qsmnode.errors import JobFailed
from qsmnode.products import qsm_series
from qsmnode.products.context import ProductContext
from qsmnode.products.further_maps import FURTHER_MAPS, MAGNITUDE, MASK, R2STAR, SWI
from qsmnode.products.image_series import ImageSeries
from qsmnode.products.registry import PRODUCTS, usual
from qsmnode.products.storage import write

Make = Callable[..., ProductContext]
SHAPE = (12, 9, 7)
UNITS = {
    "r2star": "/s",
    "swi": "1",
    "swi_mip": "1",
    "chi_positive": "[ppb]",
    "chi_negative": "[ppb]",
    "local_field": "[ppb]",
    "total_field": "Hz",
    "mask": "1",
    "magnitude": "1",
}
PPB = {"chi_positive", "chi_negative", "local_field"}


def _ramp(largest: float) -> Float:
    x, y, z = np.indices(SHAPE)
    return (largest * (x + 2 * y + 3 * z) / (11 + 16 + 18)).astype(np.float32)


CONTRASTS = {
    "r2star": _ramp(180.0),
    "swi": _ramp(900.0),
    "swi_mip": _ramp(700.0),
    "chi_positive": _ramp(0.2),
    "chi_negative": _ramp(-0.1),
}


@pytest.fixture
def made(context: Make) -> ProductContext:
    """With every further image."""
    plain = context()
    return context(context={"maps": replace(plain.maps, contrasts=CONTRASTS)})


def _truth(made: ProductContext, name: str) -> Float:
    maps = made.maps
    shown: dict[str, Any] = {
        "local_field": maps.local_field,
        "total_field": maps.total_field,
        "mask": maps.mask.astype(np.float32),
        "magnitude": np.sqrt((made.source.stack.magnitude**2).sum(axis=0)),
    }
    found: Float = shown[name] if name in shown else maps.contrasts[name]
    return found


@pytest.mark.parametrize("series", FURTHER_MAPS, ids=lambda series: series.name)
def test_numbers_come_back_with_their_unit(
    made: ProductContext, series: ImageSeries, tmp_path: Path, dciodvfy: Any
) -> None:
    paths = write(series.build(made), tmp_path, series.name)
    truth = _truth(made, series.name) * (1000 if series.name in PPB else 1)
    for z, path in enumerate(paths):
        image = pydicom.dcmread(path)
        mapping = image.RealWorldValueMappingSequence[0]
        assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == UNITS[series.name]
        step = mapping.RealWorldValueSlope
        np.testing.assert_allclose(image.pixel_array.T * step, truth[:, :, z], atol=0.51 * step)
        assert image.SourceImageSequence
        assert "research use" in image.SeriesDescription
        assert "ab" * 8 in image.DerivationDescription
        assert float(image.WindowWidth) >= 1
    verdict = dciodvfy(paths[3])
    assert (verdict.iod, verdict.errors, verdict.warnings) == ("MRImage", (), ())


def test_series_have_names_numbers_and_uids_of_their_own(made: ProductContext) -> None:
    plans = [product.plan(made) for product in PRODUCTS.values()]
    assert len({plan.series_number for plan in plans}) == len(plans)
    assert len({plan.series_uid for plan in plans}) == len(plans)
    uids = [uid for plan in plans for uid in plan.sop_instance_uids]
    assert len(set(uids)) == len(uids)


def test_a_map_that_the_recipe_does_not_make_is_an_error_and_no_zero(context: Make) -> None:
    with pytest.raises(JobFailed, match="r2star: expected a recipe that makes it, got the steps offset"):
        R2STAR.build(context())


def test_a_number_that_is_none_is_an_error(made: ProductContext, context: Make) -> None:
    broken = CONTRASTS["r2star"].copy()
    broken[3, 3, 3] = np.nan
    maps = replace(made.maps, contrasts={**CONTRASTS, "r2star": broken})
    with pytest.raises(JobFailed, match="1 voxels of NaN"):
        R2STAR.build(context(context={"maps": maps}))


def test_brightness_beyond_16_bits_is_made_smaller_and_says_so(made: ProductContext, context: Make) -> None:
    maps = replace(made.maps, contrasts={**CONTRASTS, "swi": 100 * CONTRASTS["swi"]})
    image = SWI.build(context(context={"maps": maps}))[6]
    step = image.RealWorldValueMappingSequence[0].RealWorldValueSlope
    assert step == pytest.approx(90_000 / 32767)
    assert np.frombuffer(image.PixelData, "<i2").max() == 32767


def test_the_window_of_a_plain_image_spans_its_values_inside_the_mask(made: ProductContext) -> None:
    image = SWI.build(made)[0]
    inside = np.rint(CONTRASTS["swi"][made.maps.mask])
    low, high = np.percentile(inside, (1, 99))
    assert float(image.WindowCenter) == pytest.approx((low + high) / 2, abs=0.06)
    assert float(image.WindowWidth) == pytest.approx(high - low, abs=0.06)


def _styled(made: ProductContext, context: Make, **facts: Any) -> Callable[[ImageSeries], Dataset]:
    style = SeriesSettings.model_validate(facts)
    styles = {series.name: style for series in (qsm_series.SERIES, *FURTHER_MAPS)}
    changed = context(context={"maps": made.maps, "styles": styles})
    return lambda series: series.build(changed)[0]


def test_description_number_and_window_follow_the_site(made: ProductContext, context: Make) -> None:
    build = _styled(made, context, description="Eisen", number=42, window=(30, 60))
    image = build(qsm_series.SERIES)
    assert (image.SeriesDescription, image.SeriesNumber) == ("Eisen (research use)", 742)
    assert (image.WindowCenter, image.WindowWidth) == (30, 60)
    assert (build(R2STAR).WindowCenter, build(R2STAR).WindowWidth) == (300, 600)  # tenths are stored
    usual_ones = qsm_series.SERIES.plan(made)
    assert image.SOPInstanceUID not in usual_ones.sop_instance_uids  # other content, other names


def test_a_long_description_leaves_room_for_what_has_to_be_said(made: ProductContext, context: Make) -> None:
    style = SeriesSettings.model_validate({"description": "x" * 40})
    changed = context(context={"maps": made.maps, "styles": {"mask": style}, "revision": 12})
    words = MASK.build(changed)[0].SeriesDescription
    assert len(words) <= 64
    assert words.endswith("x (research use), revision 12")


def test_what_nobody_chose_is_map_report_and_what_the_recipe_makes(
    made: ProductContext, context: Make
) -> None:
    assert usual(context()) == ("qsm", "report", "page")
    assert usual(made) == ("qsm", "report", "page", *CONTRASTS)


def test_the_magnitude_is_of_all_echoes(made: ProductContext) -> None:
    echoes = made.source.stack.magnitude.shape[0]
    image = MAGNITUDE.build(made)[0]
    assert np.frombuffer(image.PixelData, "<i2").max() == round(float(np.sqrt(echoes)))
