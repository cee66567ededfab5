"""The products that a route can name; each module has the same functions: series_uid, plan and build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydicom import Dataset

from qsmnode.products import qsm_series, report_sr
from qsmnode.products.context import Plan, ProductContext


@dataclass(frozen=True)
class Product:
    """One kind of thing that is sent; ``needs`` names the products that its objects refer to."""

    name: str
    needs: tuple[str, ...]
    series_uid: Callable[[ProductContext], str]
    plan: Callable[[ProductContext], Plan]
    build: Callable[[ProductContext], list[Dataset]]


PRODUCTS: Mapping[str, Product] = {
    module.NAME: Product(module.NAME, module.NEEDS, module.series_uid, module.plan, module.build)
    for module in (qsm_series, report_sr)
}
