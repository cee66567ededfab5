"""Derived names: a function of their parts, valid UIDs, never two for one or one for two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from qsmnode.dicom.identity import derive_uid, pipeline_hash

parts = st.lists(st.text(max_size=12), min_size=1, max_size=4)


@given(parts)
def test_a_derived_uid_is_valid_and_the_same_every_time(names: list[str]) -> None:
    uid = UID(derive_uid(*names))
    assert uid.is_valid
    assert uid.startswith("2.25.")
    assert uid == derive_uid(*names)


@given(parts, parts)
def test_different_parts_give_different_names(one: list[str], other: list[str]) -> None:
    assert (derive_uid(*one) == derive_uid(*other)) == (one == other)
    assert (pipeline_hash(*one) == pipeline_hash(*other)) == (one == other)


def test_the_borders_of_parts_count() -> None:
    assert derive_uid("a", "bc") != derive_uid("ab", "c")
    assert derive_uid("a", "b") != derive_uid("b", "a")


def test_a_known_name_stays_the_same_for_ever() -> None:
    # archives hold these: another value would make every resent map a second one
    assert derive_uid("content", "pipeline", "qsm", "1") == "2.25.157230380083633564018868729988721298449"


@pytest.mark.parametrize("function", [derive_uid, pipeline_hash])
def test_nothing_has_no_name(function: object) -> None:
    with pytest.raises(ValueError, match="at least one part"):
        function()  # type: ignore[operator]
