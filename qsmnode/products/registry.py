"""The products that a route can name; each module has the same two functions: series_uid and build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydicom import Dataset

from qsmnode.products import qsm_series, report_sr
from qsmnode.products.context import ProductContext


@dataclass(frozen=True)
class Product:
    """One kind of thing that is sent."""

    name: str
    series_uid: Callable[[ProductContext], str]
    build: Callable[[ProductContext], list[Dataset]]


PRODUCTS: Mapping[str, Product] = {
    module.NAME: Product(module.NAME, module.series_uid, module.build) for module in (qsm_series, report_sr)
}
