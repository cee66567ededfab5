"""Numbers of quality that give a wrong map away, and stay silent on a good one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qsmnode.engine import EchoStack, Grid, Recipe, reconstruct
from qsmnode.engine.quality import NUMBERS, warnings
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol


@pytest.fixture(scope="module")
def stack() -> EchoStack:
    return simulate(HeadShape(seed=21), quick_protocol(3.0)).stack


def _warnings(stack: EchoStack, **changes: object) -> str:
    changed = dataclasses.replace(stack, **changes)
    return "\n".join(warnings(reconstruct(changed, Recipe.preset("default")).quality))


def test_a_good_head_gives_no_warning(stack: EchoStack) -> None:
    assert _warnings(stack) == ""


def test_phase_of_the_wrong_sign_is_noticed(stack: EchoStack) -> None:
    assert "sign of the phase is wrong" in _warnings(stack, phase=-stack.phase)


def test_a_wrong_direction_of_b0_is_noticed(stack: EchoStack) -> None:
    turned = Grid(stack.grid.shape, stack.grid.voxel_mm, (1.0, 0.0, 0.0))
    assert "direction of B0" in _warnings(stack, grid=turned)


def test_phase_that_alternates_from_slice_to_slice_is_noticed(stack: EchoStack) -> None:
    phase = stack.phase.copy()
    phase[..., ::2] *= -1
    assert "no usable field" in _warnings(stack, phase=phase)


def test_echoes_in_the_wrong_order_are_noticed(stack: EchoStack) -> None:
    assert _warnings(stack, phase=np.ascontiguousarray(stack.phase[::-1]))


def test_noise_is_noticed() -> None:
    noisy = simulate(HeadShape(seed=21), dataclasses.replace(quick_protocol(3.0), snr=4.0)).stack
    assert "noisy" in _warnings(noisy)


def test_one_echo_is_said() -> None:
    assert warnings({"input_echoes": 1.0}) == (
        "one echo: the phase at echo time 0 could not be removed (input_echoes 1, expected at least 2)",
    )


def test_every_judged_number_is_described() -> None:
    judged = [name for name in NUMBERS if warnings({name: -1e9}) or warnings({name: 1e9})]
    assert {"phase_quality", "mask_parts", "inversion_streak", "unwrap_jump_fraction"} <= set(judged)


def test_nothing_is_said_of_nothing() -> None:
    assert warnings({}) == ()
