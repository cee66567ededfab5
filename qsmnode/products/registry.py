"""The products that a route can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydicom import Dataset

from qsmnode.products import parametric_map, qsm_enhanced, qsm_series, report_sr, segmentation
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.further_maps import FURTHER_MAPS
from qsmnode.products.image_series import ImageSeries
from qsmnode.products.page import document as page


@dataclass(frozen=True)
class Product:
    """One kind of thing that is sent.

    Attributes:
        needs: the products that its objects refer to.
        is_images: whether it is a series of images, with a window.
        steps: what a recipe has to have for it, with the method where the recipe names none.
    """

    name: str
    needs: tuple[str, ...]
    series_uid: Callable[[ProductContext], str]
    plan: Callable[[ProductContext], Plan]
    build: Callable[[ProductContext], list[Dataset]]
    is_images: bool = False
    steps: Mapping[str, str] = field(default_factory=dict)


def _of_images(series: ImageSeries) -> Product:
    return Product(series.name, (), series.series_uid, series.plan, series.build, True, series.steps)


_REPORT = Product(report_sr.NAME, report_sr.NEEDS, report_sr.series_uid, report_sr.plan, report_sr.build)
_SEGMENTATION = Product(
    segmentation.NAME,
    segmentation.NEEDS,
    segmentation.series_uid,
    segmentation.plan,
    segmentation.build,
)
_PAGE = Product(page.NAME, page.NEEDS, page.series_uid, page.plan, page.build)
_FLOAT = Product(
    parametric_map.NAME,
    parametric_map.NEEDS,
    parametric_map.series_uid,
    parametric_map.plan,
    parametric_map.build,
)
_ENHANCED = Product(
    qsm_enhanced.NAME, qsm_enhanced.NEEDS, qsm_enhanced.series_uid, qsm_enhanced.plan, qsm_enhanced.build
)
_ALL = (
    _of_images(qsm_series.SERIES),
    _REPORT,
    _SEGMENTATION,
    _PAGE,
    _FLOAT,
    _ENHANCED,
    *map(_of_images, FURTHER_MAPS),
)

PRODUCTS: Mapping[str, Product] = {product.name: product for product in _ALL}


def usual(context: ProductContext) -> tuple[str, ...]:
    """What is made where nobody chooses: map, report, page, what else the recipe makes, given regions."""
    further = [name for name in PRODUCTS if name in context.maps.contrasts]
    drawn = [segmentation.NAME] if context.regions else []
    return (qsm_series.NAME, *drawn, report_sr.NAME, page.NAME, *further)
