"""Any order of arrival, duplicates and gaps: grouping, keys and completeness depend on the set alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.dicom.acquisition import Acquisition, group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.instance import Instance

VENDORS = ("siemens", "philips", "ge")


@pytest.fixture(scope="module")
def exams(session_builder: Any) -> dict[str, tuple[Instance, ...]]:
    """For each vendor two scans of one protocol, minutes apart."""
    found = {}
    for vendor in VENDORS:
        first = session_builder.Scan(vendor=vendor, echo_times_ms=(5.0, 10.0), slices=3, salt="first")
        second = first.changed(salt="second", start="102000.100000", change=_next_acquisition(vendor))
        found[vendor] = session_builder.write(first).headers + session_builder.write(second).headers
    return found


def _next_acquisition(vendor: str) -> Any:
    """Philips numbers its scans; Siemens and GE say 1 again."""

    def change(dataset: Any) -> None:
        if vendor == "philips":
            dataset.AcquisitionNumber = "2"

    return change


def seen(acquisitions: Sequence[Acquisition]) -> list[object]:
    return [(one, assess(one)) for one in acquisitions]


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_order_and_duplicates_change_nothing(
    exams: dict[str, tuple[Instance, ...]], vendor: str, data: st.DataObject
) -> None:
    headers = exams[vendor]
    chosen = data.draw(st.sets(st.sampled_from(range(len(headers))), min_size=1))
    some = [headers[index] for index in sorted(chosen)]
    again = data.draw(st.lists(st.sampled_from(some), max_size=5))
    shuffled = data.draw(st.permutations([*some, *again]))
    plain, other = group(some), group(shuffled)
    assert seen(plain.acquisitions) == seen(other.acquisitions)
    assert plain.ignored == other.ignored


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_keys_stay_while_images_come(
    exams: dict[str, tuple[Instance, ...]], vendor: str, data: st.DataObject
) -> None:
    headers = exams[vendor]
    whole = {uid: one.key for one in group(headers).acquisitions for uid in one.sop_instance_uids}
    assert len(set(whole.values())) == 2
    order = data.draw(st.permutations(range(len(headers))))
    for count in (1, len(order) // 3, len(order) // 2, len(order) - 1):
        for one in group(headers[index] for index in order[:count]).acquisitions:
            assert {whole[uid] for uid in one.sop_instance_uids} == {one.key}
            assert one.held is None
            assert one.ignored is None


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_complete_exactly_when_everything_is_here(
    exams: dict[str, tuple[Instance, ...]], vendor: str, data: st.DataObject
) -> None:
    headers = exams[vendor]
    lost = data.draw(st.sets(st.sampled_from(range(len(headers))), max_size=4))
    here = [header for index, header in enumerate(headers) if index not in lost]
    half = len(headers) // 2
    broken = len({index // half for index in lost})
    states = sorted(assess(one).state for one in group(here).acquisitions)
    assert states == ["complete"] * (2 - broken) + ["incomplete"] * broken


@pytest.mark.parametrize("vendor", VENDORS)
def test_members_alone_are_the_same_acquisition(exams: dict[str, tuple[Instance, ...]], vendor: str) -> None:
    headers = {header.sop_instance_uid: header for header in exams[vendor]}
    for one in group(headers.values()).acquisitions:
        (alone,) = group(headers[uid] for uid in one.sop_instance_uids).acquisitions
        assert alone == one


@pytest.mark.parametrize("vendor", VENDORS)
def test_json_keeps_everything_that_grouping_needs(
    exams: dict[str, tuple[Instance, ...]], vendor: str
) -> None:
    headers = exams[vendor]
    assert [Instance.from_json(header.to_json()) for header in headers] == list(headers)
