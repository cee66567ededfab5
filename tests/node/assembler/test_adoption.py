"""Every acquisition found now is at most one of the ledger's, and none of those is taken twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qsmnode.node.assembler.adoption import adopt

_keys = st.sampled_from(["a", "b", "c", "ignored:1", "ignored:2"])
_heaps = st.dictionaries(_keys, st.frozensets(st.integers(0, 9), max_size=6), max_size=5)


def test_a_key_that_is_known_is_itself_whatever_it_holds() -> None:
    assert adopt({"a": {1}, "b": {2}}, {"a": {2}, "b": {1}}) == {"a": "a", "b": "b"}


def test_another_key_is_the_row_of_most_of_its_images() -> None:
    assert adopt({"new": {1, 2, 3}}, {"one": {1}, "two": {2, 3}}) == {"new": "two"}


def test_what_shares_no_image_is_new() -> None:
    assert adopt({"new": {1}}, {"old": {2}, "empty": set()}) == {}


def test_ignored_heaps_are_known_by_their_key_alone() -> None:
    assert adopt({"ignored:2": {1}, "a": {2}}, {"ignored:1": {1, 2}}) == {}


@given(_heaps, _heaps)
def test_nothing_is_taken_twice(found: dict[str, frozenset[int]], known: dict[str, frozenset[int]]) -> None:
    adopted = adopt(found, known)
    assert set(adopted) <= set(found)
    assert set(adopted.values()) <= set(known)
    assert len(set(adopted.values())) == len(adopted)
    for key, other in adopted.items():
        assert key == other or (found[key] & known[other] and other not in found)
