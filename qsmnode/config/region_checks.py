"""What must hold between a route's regions, its products and this machine, beyond each setting's own type."""

from __future__ import annotations

from collections.abc import Callable

from qsmnode.config.document import Document, KeyPath
from qsmnode.config.regions import NUCLEI, RegionFolder
from qsmnode.config.site import Config

_SHOWING = ("report", "segmentation", "page")
_USUAL = ("qsm", "report")


def check_regions(document: Document, config: Config | None, nuclei: Callable[[], str] | None) -> None:
    """Products that show regions, folders apart from the store, and what nuclei need.

    Args:
        document: with the routes.
        config: of it; None where it could not be made.
        nuclei: why nuclei cannot be found on this machine, "" where they can; None: not looked at.
    """
    for index, route in enumerate(document.sequence("routes")):
        path: KeyPath = ("routes", index)
        if not isinstance(route, dict):
            continue
        if route.get("iron") is True:
            _check_iron(document, path)
        if route.get("regions") is None:
            continue
        _check_products(document, path)
        if route["regions"] == NUCLEI and nuclei is not None and (why := nuclei()):
            document.blame((*path, "regions"), f"nuclei cannot be found here: {why}")
    if config is not None:
        _check_folders(document, config)


def _check_products(document: Document, path: KeyPath) -> None:
    stated = document.get(*path, "products") is not None
    listed = document.sequence(*path, "products") if stated else _USUAL
    here: KeyPath = (*path, "products" if stated else "regions")
    if not any(name in listed for name in _SHOWING):
        document.blame((*path, "regions"), "no product shows them: list the products report and segmentation")
    elif "report" in listed and "segmentation" not in listed:
        document.blame(
            here, "with regions the report points at their segments: list the product 'segmentation' as well"
        )


def _check_iron(document: Document, path: KeyPath) -> None:
    stated = document.get(*path, "products") is not None
    if document.get(*path, "regions") is None:
        document.blame((*path, "iron"), "iron is estimated in regions of interest: set 'regions' as well")
    elif stated and "report" not in document.sequence(*path, "products"):
        document.blame((*path, "iron"), "iron stands in the report: list the product 'report' as well")


def _check_folders(document: Document, config: Config) -> None:
    """Whatever cleans up the store must not touch the site's files, nor take them for its own."""
    store = config.node.store.resolve()
    for index, route in enumerate(config.routes):
        if isinstance(route.regions, RegionFolder):
            folder = route.regions.folder.resolve()
            if folder.is_relative_to(store) or store.is_relative_to(folder):
                document.blame(
                    ("routes", index, "regions", "folder"),
                    "overlaps node.store: choose a folder apart from it",
                )
