"""However a study comes in, split, shuffled and twice: it is one job on the same images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ASSOCIATIONS = ("one", "two", "three", "four")


@pytest.fixture(scope="module")
def files(make_study: Callable[..., Any]) -> list[Path]:
    """Two echoes of two slices, magnitude and phase, with declared counts."""
    found: list[Path] = make_study(2).files()
    return found


@pytest.fixture(autouse=True, scope="module")
def _without_waiting_for_the_disk() -> Iterator[None]:
    """Durability is tried elsewhere; some ten thousand fsyncs would only take time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_one_study_is_one_job_however_it_comes(
    files: list[Path], make_bench: Callable[..., Any], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(files), max_size=4))
    order = data.draw(st.permutations([*files, *again]))
    ways = data.draw(st.lists(st.sampled_from(ASSOCIATIONS), min_size=len(order), max_size=len(order)))
    with ExitStack() as stack:
        here = make_bench(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        here.store.database.rows("PRAGMA synchronous = OFF")
        for path, way in zip(order, ways, strict=True):
            assert here.hand_in(path, way).stored
        here.end_all()
        here.until(here.jobs, "a job")
        here.assembler.stop(20)
        (job,) = here.jobs()
        (row,) = here.rows()
        members = here.store.instances.of_acquisition(row.id)
        assert (row.state, row.revision, job.acquisition_id) == ("queued", 1, row.id)
        assert sorted(here.store.path(member.path).read_bytes()[-32:] for member in members) == sorted(
            path.read_bytes()[-32:] for path in files
        )
        assert here.store.instances.counts() == {"indexed": len(files)}
