"""Unwrapping of real scanner phase."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from qsmnode.engine import unwrap

pytestmark = pytest.mark.corpus
TIMES = (0.004, 0.008, 0.012)
TURN = 2 * np.pi


def echoes_first(path):
    values = nibabel.load(path).get_fdata()
    return np.moveaxis(values, -1, 0) if values.ndim == 4 else values[None]


def test_three_echoes_at_high_field_have_no_wrong_turns(corpus):
    folder = corpus / "nifti-romeo-crop" / "small"
    magnitude, stored = echoes_first(folder / "Mag.nii"), echoes_first(folder / "Phase.nii")
    # one turn is stored as twice this number, see the corpus' description
    phase = stored / 0.0036743774290988462 * np.pi
    got = unwrap(phase, magnitude, TIMES)
    inside = magnitude[0] > 0.3 * np.median(magnitude[0])
    turns = (got - phase) / TURN
    assert np.allclose(turns, np.round(turns), atol=1e-3)
    bend = np.round((got[2] - 2 * got[1] + got[0]) / TURN)[inside]
    assert np.mean(bend != np.median(bend)) < 1e-4
    for axis in range(3):
        both = np.take(inside, range(1, inside.shape[axis]), axis) & np.take(
            inside, range(inside.shape[axis] - 1), axis
        )
        steps = np.abs(np.diff(got[0], axis=axis))[both]
        assert np.mean(steps > np.pi) < 1e-5


def test_missing_phase_stays_where_it_is(corpus):
    stored = echoes_first(corpus / "nifti-romeo-crop" / "small" / "phase_with_nan.nii")
    missing = np.isnan(stored).any(axis=0)
    phase = stored / np.nanmax(np.abs(stored)) * np.pi
    got = unwrap(phase, np.ones_like(phase), TIMES[: len(phase)])
    assert missing.any()
    assert np.isfinite(got).all()
    assert not got[:, missing].any()
    turns = (got - phase)[:, ~missing] / TURN
    assert np.allclose(turns, np.round(turns), atol=1e-3)
