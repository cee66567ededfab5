"""What the checks find on the way from files to products stands in the products, by code."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydicom import Dataset

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acquisition import group
from qsmnode.dicom.instance import read_instance
from qsmnode.dicom.source import Source, load
from qsmnode.engine import Recipe
from qsmnode.errors import NotEligible
from qsmnode.node.reconstruction import reconstructed
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.vendors import write
from qsmnode.products import report_sr

TIME = datetime(2026, 1, 1)  # noqa: DTZ001 - a time inside objects
FAST = Recipe.preset("fast")


@pytest.fixture(scope="module")
def bipolar(tmp_path_factory: pytest.TempPathFactory) -> Source:
    head = simulate(HeadShape(2), quick_protocol(5.0, bipolar_rad=2.0))
    files = write("philips-enhanced", head, tmp_path_factory.mktemp("bipolar"))
    headers = {path: read_instance(path) for path in files}
    (acquisition,) = group(headers.values()).acquisitions
    return load(acquisition, {header.sop_instance_uid: path for path, header in headers.items()})


def limits(**stated: object) -> AcceptanceSettings:
    return AcceptanceSettings.default().overridden_by(AcceptanceSettings.model_validate(stated))


def value_types(item: Dataset) -> set[str]:
    found = {str(item.get("ValueType", ""))}
    for each in item.get("ContentSequence", ()):
        found |= value_types(each)
    return found


def test_a_bipolar_readout_is_corrected_and_said_to_be(bipolar: Source) -> None:
    context = reconstructed(bipolar, FAST, TIME)
    assert context.maps.quality["offset_odd_even_corrected"] == 1
    assert [finding.severity for finding in context.findings if finding.check == "bipolar"] == ["warn"]
    (report,) = report_sr.build(context)
    assert "QA-303" in report.to_json()
    assert "NUM" in value_types(report)


def test_numbers_out_of_range_withhold_or_reject_as_the_limits_say(bipolar: Source) -> None:
    held = reconstructed(bipolar, FAST, TIME, limits=limits(max_fit_residual=1e-6))
    assert held.withheld
    (report,) = report_sr.build(held)
    assert "QA-307" in report.to_json()
    assert "NUM" not in value_types(report)
    strict = limits(max_fit_residual=1e-6, severity={"fit": "reject", "bipolar": "pass"})
    with pytest.raises(NotEligible, match="do not lie on a line") as refused:
        reconstructed(bipolar, FAST, TIME, limits=strict)
    assert [finding.check for finding in refused.value.findings] == ["fit"]
