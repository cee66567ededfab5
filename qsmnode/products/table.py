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
from typing import Any

from qsmnode import __version__
from qsmnode.measure.offsets import Offset
from qsmnode.measure.regions import REPEATABILITY, Issue, MeasuredRegion
from qsmnode.measure.statistics import Measurement, reference_statement, stated
from qsmnode.products import codes
from qsmnode.products.identity import plain
from qsmnode.products.numbers import Numbers, iron_in, iron_in_words, offsets, tells_iron, whole_brain
from qsmnode.products.segmentation import tracking
from qsmnode.products.storage import open_private

CSV, JSON = "measurements.csv", "measurements.json"
UNIT = "ppb"
REGION, OFFSET = "region", "reference offset"  # kinds of lines in the CSV
_NUMBERS = ("volume_ml", "mean_ppb", "sd_ppb", "median_ppb", "p5_ppb", "p95_ppb")

Row = dict[str, Any]


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
    brain = whole_brain(context)
    whole = [] if brain is None else [_row(context, brain, None)]
    return [*whole, *(_row(context, region.measurement, region) for region in context.regions)]


def offset_rows(context: Numbers) -> list[Row]:
    """A line for each reference: where it lies on the map's scale, or why nobody knows."""
    return [
        {
            "reference": offset.name,
            "code": offset.structure.value,
            "code_scheme": offset.structure.scheme_designator,
            "code_meaning": offset.structure.meaning,
            "status": _offset_status(context, offset),
            "issues": offset.reason,
            "offset_ppb": offset.ppb,
            "meaning": offset.meaning,
        }
        for offset in offsets(context)
    ]


def _offset_status(context: Numbers, offset: Offset) -> str:
    if context.withheld:
        return "withheld"
    return "absent" if offset.ppb is None else "measured"


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
        **(_iron(context, region) if tells_iron(context) else {}),
        "drawn_by": "the map's mask" if drawn is None else plain(drawn.drawn_by),
        "experimental": False if drawn is None else drawn.experimental,
        "tracking_id": named.identifier,
        "tracking_uid": named.uid,
    }


def _iron(context: Numbers, region: MeasuredRegion | None) -> Row:
    found = None if region is None else iron_in(context, region)
    return {
        "iron_ug_g": None if found is None else found.ug_per_g,
        "iron_sd_ug_g": None if found is None else found.sd_ug_per_g,
        "iron_note": "" if found is None else plain(iron_in_words(context, found)),
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
    lines = [{"kind": REGION, **row, "meaning": ""} for row in rows(context)]
    lines += [_as_region(row) for row in offset_rows(context)]
    lines = [{**line, **shared} for line in lines]
    text = io.StringIO(newline="")
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(text, [*names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _as_region(offset: Row) -> Row:
    """A reference in the columns of regions, under a name that no region has: its offset is a mean."""
    name = f"{OFFSET}: {offset['reference']}"
    named = {"kind": OFFSET, "region": name, "mean_ppb": offset["offset_ppb"]}
    return named | {name: value for name, value in offset.items() if name not in ("reference", "offset_ppb")}


def _as_json(context: Numbers) -> str:
    told = {**about(context), "regions": rows(context), "reference_offsets": offset_rows(context)}
    return json.dumps(told, indent=2, allow_nan=False) + "\n"
