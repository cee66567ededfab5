"""The computation's own process: ``python -m qsmnode.node.worker.compute FOLDER PARENT``.

Knows its folder and its pipe (standard output: one JSON line per step), nothing of the store or the ledger.
Exit codes: 0 done, 3 not eligible, 1 anything else; the reason stands in result.json.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from qsmnode.config import AcceptanceSettings, SeriesSettings
from qsmnode.config.regions import from_plain
from qsmnode.dicom.acceptance import header_findings
from qsmnode.dicom.acquisition import Acquisition, group
from qsmnode.dicom.instance import Instance
from qsmnode.dicom.source import Source, load
from qsmnode.engine import Recipe
from qsmnode.engine.fourier import set_threads
from qsmnode.engine.types import Maps
from qsmnode.errors import EXIT_DONE, EXIT_NOT_ELIGIBLE, EXIT_UNEXPECTED, NotEligible
from qsmnode.node.reconstruction import reconstructed
from qsmnode.node.refusal import REFUSAL
from qsmnode.node.regions.drawer import Drawer
from qsmnode.node.regions.drawn import Drawn
from qsmnode.node.worker import folder as job_folder
from qsmnode.node.worker.limits import die_with_parent, limit_memory
from qsmnode.node.worker.made import made
from qsmnode.node.worker.refuse import refuse
from qsmnode.products import codes
from qsmnode.products.context import ProductContext
from qsmnode.products.page.style import PageStyle
from qsmnode.products.registry import PRODUCTS
from qsmnode.products.revision import Replaced

_RECONSTRUCTION_SHARE = 0.9


def main() -> int:
    """Do what the folder's order says."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    order = job_folder.read_order(folder)
    limit_memory(order.memory_mb)
    set_threads(order.threads)
    try:
        result = refuse(folder, order) if order.task == REFUSAL else _compute(folder, order)
    except NotEligible as error:
        findings = tuple(asdict(finding) for finding in error.findings)
        job_folder.write_result(folder, job_folder.Result(reason=str(error), findings=findings))
        return EXIT_NOT_ELIGIBLE
    except MemoryError:
        limit = f"jobs.memory_mb = {order.memory_mb}" if order.memory_mb else "the machine"
        job_folder.write_result(
            folder, job_folder.Result(reason=f"out of memory: more than {limit} allows", retryable=True)
        )
        return EXIT_UNEXPECTED
    except Exception as error:  # noqa: BLE001 - the outermost of this process: the reason must reach the ledger
        traceback.print_exc()
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
        job_folder.write_result(folder, job_folder.Result(reason=reason, retryable=True))
        return EXIT_UNEXPECTED
    job_folder.write_result(folder, result)
    return EXIT_DONE


def _compute(folder: Path, order: job_folder.Order) -> job_folder.Result:
    steps = _Steps((folder / job_folder.ORDER).stat().st_mtime)  # the process was started just after
    steps(0.0, "reading")
    headers = [Instance.from_json(text) for text in job_folder.read_headers(folder)]
    paths = {
        header.sop_instance_uid: job_folder.input_path(folder, number)
        for number, header in enumerate(headers)
    }
    acquisition = _the_acquisition(group(headers).acquisitions, headers)
    limits = AcceptanceSettings.model_validate(order.acceptance)
    source = load(acquisition, paths)
    drawer = _drawer(folder, order, headers)
    context = reconstructed(
        source,
        Recipe.from_mapping(order.recipe),
        datetime.fromtimestamp(
            order.created_at
        ).astimezone(),  # the site's clock, as in the study's own dates
        node=order.node,
        revision=order.revision,
        replaces={name: Replaced(**facts) for name, facts in order.replaces.items()},
        limits=limits,
        findings=header_findings(acquisition, headers, limits),
        page=_page(order.page),
        iron=order.iron,
        styles={name: SeriesSettings.model_validate(facts) for name, facts in order.series.items()},
        progress=lambda fraction, step: steps(_RECONSTRUCTION_SHARE * fraction, step),
        draw=None if drawer is None else partial(_draw, steps, drawer),
    )
    products = []
    for name in order.products:
        steps(_RECONSTRUCTION_SHARE, name)
        product = PRODUCTS[name]
        objects = product.build(context)
        products.append(made(objects, name, product.series_uid(context), folder / job_folder.OUTPUT))
    steps(1.0, "done")
    facts = {
        "seconds": {name: round(seconds, 3) for name, seconds in steps.seconds.items()},
        "warnings": list(context.source.remarks),
        "quality": {name: float(value) for name, value in context.maps.quality.items()},
        "reference": context.maps.reference,
        "algorithm": context.algorithm,
    }
    if drawer is not None:
        facts["regions"] = _of_regions(context, drawer.drawn)
    return job_folder.Result(products=tuple(products), facts=facts)


def _drawer(folder: Path, order: job_folder.Order, headers: Sequence[Instance]) -> Drawer | None:
    """Who draws regions, None where nobody was asked to."""
    regions = from_plain(order.regions)
    if regions is None:
        return None
    series = tuple(sorted({header.series_uid for header in headers}))
    return Drawer(regions, series, folder / job_folder.REGIONS, order.threads)


def _draw(steps: _Steps, drawer: Drawer, maps: Maps, source: Source) -> Drawn:
    """Let it draw; what a program said goes to the job's own log."""
    steps(_RECONSTRUCTION_SHARE, "regions")
    drawn = drawer(maps, source)
    for line in drawn.output:
        print(f"regions: {line}", file=sys.stderr)
    return drawn


def _of_regions(context: ProductContext, drawn: Drawn) -> dict[str, Any]:
    """What became of the regions, for whoever looks at the job."""
    failure = context.region_failure
    return {
        "measured": sum(one.measurement is not None for one in context.regions),
        "without_numbers": sum(one.measurement is None for one in context.regions),
        "failure": "" if failure is None else f"{codes.REGION_ISSUES[failure.kind].value}: {failure.words}",
        "output": list(drawn.output),
    }


def _page(chosen: Mapping[str, str]) -> PageStyle:
    """The site's choices as the node wrote them; a node before these had none."""
    usual = PageStyle()
    return PageStyle(
        language=chosen.get("language", usual.language),
        form=chosen.get("form", usual.form),
        logo=base64.b64decode(chosen.get("logo", "")),
    )


def _the_acquisition(found: Sequence[Acquisition], headers: Sequence[Instance]) -> Acquisition:
    """The one that has all of the job's images; a key may hold more than they tell when they are alone."""
    wanted = {header.sop_instance_uid for header in headers}
    for acquisition in found:
        if wanted == set(acquisition.sop_instance_uids):
            return acquisition
    raise NotEligible(
        f"the job's {len(wanted)} instances are not the one acquisition that it was queued for: "
        f"{len(found)} acquisitions were found among them"
    )


class _Steps:
    """Reports progress, and keeps how long each step took."""

    def __init__(self, ordered_at: float) -> None:
        self.seconds: dict[str, float] = {}
        self._current = "start"
        self._since = ordered_at

    def __call__(self, progress: float, step: str) -> None:
        if step != self._current:
            now = time.time()
            self.seconds[self._current] = self.seconds.get(self._current, 0.0) + now - self._since
            self._current, self._since = step, now
        os.write(1, json.dumps({"progress": round(progress, 4), "step": step}).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
