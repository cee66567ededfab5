"""The numbers of a reconstruction as files for trials, measurements.csv and measurements.json.

They are the report's numbers: rounded by the same rule, withheld where it withholds them. A region without
numbers keeps its line, with the reason.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from qsmnode import __version__
from qsmnode.engine.types import Maps
from qsmnode.measure.regions import REPEATABILITY, Issue, MeasuredRegion
from qsmnode.measure.statistics import Measurement, reference_statement, stated
from qsmnode.products import codes
from qsmnode.products.context import RecipeFacts
from qsmnode.products.identity import plain
from qsmnode.products.segmentation import Named, tracking
from qsmnode.products.storage import open_private

CSV, JSON = "measurements.csv", "measurements.json"
UNIT = "ppb"
_NUMBERS = ("volume_ml", "mean_ppb", "sd_ppb", "median_ppb", "p5_ppb", "p95_ppb")

Row = dict[str, Any]


class Numbers(Named, Protocol):
    """A reconstruction with what was measured in it, whatever its source came in."""

    @property
    def maps(self) -> Maps: ...

    @property
    def measurements(self) -> tuple[Measurement, ...]: ...

    @property
    def regions(self) -> tuple[MeasuredRegion, ...]: ...

    @property
    def region_failure(self) -> Issue | None: ...

    @property
    def recipe(self) -> RecipeFacts: ...

    @property
    def withheld(self) -> bool: ...

    @property
    def content_sha256(self) -> str: ...


def write(context: Numbers, folder: Path) -> list[Path]:
    """Write both files; the same bytes for the same numbers."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = {CSV: _as_csv(context), JSON: _as_json(context)}
    for name, text in texts.items():
        with open_private(folder / name) as stream:
            stream.write(text.encode())
    return [folder / name for name in texts]


def rows(context: Numbers) -> list[Row]:
    """A line for each region: the whole brain, then the regions of interest in the order of their numbers."""
    regions = {region.title: region for region in context.regions}
    brain = next((item for item in context.measurements if item.name not in regions), None)
    whole = [] if brain is None else [_row(context, brain, None)]
    return [*whole, *(_row(context, region.measurement, region) for region in context.regions)]


def about(context: Numbers) -> Mapping[str, Any]:
    """What holds for every line: unit, reference, how the map was made."""
    failed = context.region_failure
    return {
        "unit": UNIT,
        "no_regions_because": "" if failed is None else plain(f"{_code(failed)}: {failed.words}"),
        "reference": plain(reference_statement(context.maps)),
        "repeatability_same_site_ppb": REPEATABILITY.same_site_ppb,
        "repeatability_across_sites_ppb": REPEATABILITY.across_sites_ppb,
        "software": f"qsmnode {__version__}",
        "recipe": context.recipe.version,
        "recipe_sha256": context.recipe.hash,
        "source_sha256": context.content_sha256,
        "use": "research use, not for diagnosis",
    }


def _row(context: Numbers, measured: Measurement | None, region: MeasuredRegion | None) -> Row:
    named = tracking(context, region)
    drawn = None if region is None else region.region
    issues = () if region is None else region.issues
    structure = codes.BRAIN if drawn is None else drawn.structure
    given = None if context.withheld else measured
    return {
        "region": named.identifier if region is None else region.title,
        "label": None if drawn is None else drawn.number,
        "laterality": "" if drawn is None else drawn.side,
        "code": structure.value,
        "code_scheme": structure.scheme_designator,
        "code_meaning": structure.meaning,
        "status": _status(context, measured, region),
        "issues": "; ".join(issue.words for issue in issues),
        "voxels": 0 if measured is None else measured.voxels,
        "voxels_left_out": None if measured is None else measured.excluded_voxels,
        **{name: None if given is None else stated(getattr(given, name)) for name in _NUMBERS},
        "drawn_by": "the map's mask" if drawn is None else plain(drawn.drawn_by),
        "experimental": False if drawn is None else drawn.experimental,
        "tracking_id": named.identifier,
        "tracking_uid": named.uid,
    }


def _code(issue: Issue) -> str:
    return str(codes.REGION_ISSUES[issue.kind].value)


def _status(context: Numbers, measured: Measurement | None, region: MeasuredRegion | None) -> str:
    if measured is None:
        return "absent"
    if context.withheld:
        return "withheld"
    return "flagged" if region is not None and region.issues else "measured"


def _as_csv(context: Numbers) -> str:
    shared = about(context)
    lines = [{**row, **shared} for row in rows(context)]
    text = io.StringIO(newline="")
    names = list(lines[0]) if lines else [*shared]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _as_json(context: Numbers) -> str:
    return json.dumps({**about(context), "regions": rows(context)}, indent=2, allow_nan=False) + "\n"
