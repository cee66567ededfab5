"""Regions that were asked for and did not come: said in every product, in codes, and never as a number."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsmnode.measure.regions import Issue
from qsmnode.products import codes, report_sr, table
from qsmnode.products.context import ProductContext
from qsmnode.products.page.sheet import sheet
from qsmnode.products.page.style import PageStyle
from qsmnode.products.registry import PRODUCTS, usual

Make = Callable[..., ProductContext]
LATE = Issue("program_late", "it was ended after 2 s")


@pytest.fixture
def failed(context: Make) -> ProductContext:
    return context(context={"region_failure": LATE})


def _coded(report: Any) -> dict[str, str]:
    items = report.ContentSequence[-1].ContentSequence
    found = [item for item in items if item.ValueType == "CODE"]
    return {item.ConceptCodeSequence[0].CodeValue: item.ContentSequence[0].TextValue for item in found}


def test_report_table_and_page_say_it_and_give_the_brain_all_the_same(
    failed: ProductContext, context: Make, tmp_path: Path
) -> None:
    (report,) = report_sr.build(failed)
    assert _coded(report) == {"RG-115": LATE.words}
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99QSMNODE"
    csv_path, json_path = table.write(failed, tmp_path)
    told = json.loads(json_path.read_text())
    assert told["no_regions_because"] == f"RG-115: {LATE.words}"
    assert [row["region"] for row in told["regions"]] == ["whole brain"]
    assert f"RG-115: {LATE.words}" in csv_path.read_text()
    for language in ("en", "de"):
        with_it, without = (replace(one, page=PageStyle(language=language)) for one in (failed, context()))
        assert np.any(np.asarray(sheet(with_it)) != np.asarray(sheet(without)))
    assert usual(failed) == usual(context())


def test_it_changes_the_names_of_what_tells_of_it_only(failed: ProductContext, context: Make) -> None:
    others = [context(), context(context={"region_failure": replace(LATE, words="it was ended after 3 s")})]
    for other in others:
        changed = {name for name, one in PRODUCTS.items() if one.series_uid(other) != one.series_uid(failed)}
        assert changed == {"report", "segmentation", "page"}


def test_every_reason_has_a_code_of_its_own() -> None:
    values = [code.value for code in (*codes.REASONS.values(), *codes.REGION_ISSUES.values())]
    assert len(values) == len(set(values))
