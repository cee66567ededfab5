"""However a study comes in, it is grouped, judged and read as the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.dicom.acquisition import group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.instance import Instance
from qsmnode.dicom.source import Source, load


@dataclass(frozen=True)
class Exam:
    """A scan, another reconstruction of it, and the protocol's second run."""

    headers: tuple[Instance, ...]
    paths: dict[str, Path]

    def read(self, headers: Sequence[Instance]) -> list[tuple[str, str]]:
        """State and fingerprint of every acquisition among these headers."""
        return [
            (assess(one).state, _fingerprint(load(one, self.paths))) for one in group(headers).acquisitions
        ]


def _fingerprint(source: Source) -> str:
    """Over everything that products are made from, byte for byte."""
    digest = hashlib.sha256(source.content_sha256.encode())
    for array in (source.stack.magnitude, source.stack.phase, source.affine):
        digest.update(array.tobytes())
    digest.update(repr((source.slices, source.stack.echo_times_s, source.warnings)).encode())
    digest.update(source.template.to_json().encode())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def exam(session_builder: Any) -> Exam:
    first = session_builder.Scan(echo_times_ms=(5.0, 10.0), slices=2, salt="first", study="permuted")
    second = first.changed(salt="second", start="102000.100000")
    brighter = first.changed(kinds=("M",), flags=("ND", "NORM"), salt="brighter")
    made = [session_builder.write(scan) for scan in (first, second, brighter)]
    return Exam(
        tuple(header for one in made for header in one.headers),
        {uid: path for one in made for uid, path in one.paths.items()},
    )


@pytest.fixture(scope="module")
def expected(exam: Exam) -> list[tuple[str, str]]:
    found = exam.read(exam.headers)
    assert [state for state, _ in found] == ["complete", "complete"]
    return found


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_order_and_repetition_is_read_as_the_same_bytes(
    exam: Exam, expected: list[tuple[str, str]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(exam.headers))
    again = data.draw(st.lists(st.sampled_from(exam.headers), max_size=6))
    where = data.draw(st.integers(0, len(order)))
    assert exam.read([*order[:where], *again, *order[where:]]) == expected
