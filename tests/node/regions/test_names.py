"""Which file belongs to an acquisition, and how long to wait for it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from qsmnode.node.regions.names import POLL_S, Segmentation, Wanted, by_header, by_name, is_safe, pause_s

WANTED = Wanted(("1.5", "1.4"), "1.2", "A-7", "1.9")
ANYBODYS = st.one_of(st.text(), st.text("./\\-_1a\0 ", max_size=70), st.just(".."), st.just("1..2"))


@given(st.tuples(ANYBODYS, ANYBODYS, ANYBODYS))
def test_no_name_leads_out_of_the_folder(keys: tuple[str, str, str]) -> None:
    folder = Path("/srv/rois")
    for names in by_name(Wanted((keys[0],), keys[1], keys[2], "")):
        for name in names:
            assert (folder / name).resolve().parent == folder
            assert not name.startswith(".")
    assert all(not is_safe(key) for key in keys if "/" in key or ".." in key or "\0" in key)


def test_the_series_comes_before_the_study_and_that_before_the_accession_number() -> None:
    series, study, accession = by_name(WANTED)
    assert series == ("1.4.dcm", "1.4.nii", "1.4.nii.gz", "1.5.dcm", "1.5.nii", "1.5.nii.gz")
    assert study == ("1.2.dcm", "1.2.nii", "1.2.nii.gz")
    assert accession == ("A-7.dcm", "A-7.nii", "A-7.nii.gz")
    assert list(by_name(Wanted((), "", "", ""))) == [(), (), ()]


def test_a_segmentation_of_any_name_has_to_be_of_the_study() -> None:
    near, far = Segmentation("near.dcm", "1.2", "1.9"), Segmentation("far.dcm", "1.2", "1.8")
    other = Segmentation("other.dcm", "1.3", "1.9")
    assert by_header([far, other, near], WANTED) == ("near.dcm",)
    assert by_header([far, other], WANTED) == ("far.dcm",)
    assert by_header([other], WANTED) == ()
    assert by_header([Segmentation("none.dcm", "", "")], Wanted((), "", "", "")) == ()


@given(st.booleans(), st.floats(0, 1e6), st.floats(0, 1e5))
def test_waiting_ends_with_the_file_or_at_the_limit(came: bool, waited_s: float, wait_s: float) -> None:
    pause = pause_s(came, waited_s, wait_s)
    assert (pause is None) == (came or waited_s >= wait_s)
    if pause is not None:
        assert 0 < pause <= min(POLL_S, wait_s)
        assert waited_s + pause <= wait_s * (1 + 1e-12)
