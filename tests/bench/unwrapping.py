"""Unwrapping against the truth, beside scikit-image's; and the field map's error over its noise floor."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage import restoration

from qsmnode.engine import unwrap
from qsmnode.engine.types import EchoStack, Float, Mask
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.signal import coils, harmonic_map
from qsmnode.phantom.tissues import WHITE
from tests.bench import plots
from tests.bench.heads import noise_sd, noisy
from tests.bench.ideal import field_noise_hz
from tests.bench.reconstruction import before_background
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table
from tests.bench.turns import OwnPhase, own_phase

SNRS = (20.0, 70.0)
STRONG_SNR = 10.0
OURS, THEIRS = "qsmnode romeo", "scikit-image"
# the median of |x| of a normal distribution of SD 1
_MEDIAN_OF_NORMAL = 0.67449
_TURN = 2 * math.pi


def run(setting: Setting) -> list[Table]:
    """Tables of wrong wraps by echo, and of the field maps."""
    wraps: list[Row] = []
    fields: list[Row] = []
    for seed in setting.seeds[:1] if setting.quick else setting.seeds:
        clean = setting.head(seed, snr=0.0)
        own = own_phase(clean, true_phase(clean))
        for snr in SNRS:
            head = with_noise(clean, snr)
            wraps += _wrong_wraps(seed, head, own)
            fields.append(_field_row(setting, seed, head))
    plots.bars(
        setting.figure("unwrapping_wrong"),
        "Wrong wraps in voxels with SNR above 10",
        {
            f"{method}, SNR {snr:g}": [
                float(r["wrong_strong_percent"]) for r in wraps if r["method"] == method and r["snr"] == snr
            ]
            for snr in SNRS
            for method in (OURS, THEIRS)
        },
        "% of them, one point per echo and head",
    )
    return [
        Table(
            "unwrapping",
            "Voxels of the true brain mask whose number of turns differs from that of the noise-free field "
            "times echo time plus transmit phase; strong: the echo's signal is above 10 times the noise; "
            "own: against the turns of the voxel's own noise-free phase, followed from time 0, where its "
            "signal is above 10 times the noise all the way. The phase is as the scanner gives it. Seconds "
            "are those of all echoes together.",
            wraps,
        ),
        Table(
            "field_map",
            "Median |error| of the field map in the true brain mask, which was given, against the median "
            "expected from the noise alone with a known phase at echo time 0.",
            fields,
        ),
    ]


def with_noise(clean: SimulatedHead, snr: float) -> SimulatedHead:
    """A noise-free head measured with noise."""
    protocol = replace(clean.protocol, snr=snr)
    signal = (clean.stack.magnitude * np.exp(1j * clean.stack.phase)).astype(np.complex64)
    rng = np.random.default_rng([clean.seed, round(snr), 32452843])
    return replace(clean, protocol=protocol, stack=noisy(signal, protocol, clean.labels == WHITE, rng))


def true_phase(head: SimulatedHead) -> npt.NDArray[np.float64]:
    """(E, X, Y, Z), rad, unwrapped: 2 pi x noise-free total field x TE + transmit phase."""
    amounts = coils(head.protocol, head.brain_mask, head.head.generator("coils")).phase
    offset = harmonic_map(amounts, head.geometry).astype(np.float64)
    turns = [head.total_field_hz.astype(np.float64) * time_s for time_s in head.stack.echo_times_s]
    return np.stack([_TURN * t + offset for t in turns])


def wrong(unwrapped: Float, truth: npt.NDArray[np.float64], mask: Mask) -> Mask:
    """(X, Y, Z): voxels of ``mask`` that are whole turns off, beyond the turns that most of them share."""
    turns = np.rint((unwrapped - truth) / _TURN)
    return np.asarray((turns != np.median(turns[mask])) & mask)


def _unwrapped_by_theirs(stack: EchoStack, mask: Mask) -> list[Float]:
    unwrap_phase: Any = restoration.unwrap_phase  # it has no types
    found = []
    for echo in stack.phase:
        image = np.ma.array(echo, mask=~mask)
        continuous: Any = unwrap_phase(image, rng=0)
        found.append(np.asarray(np.ma.getdata(continuous), np.float32))
    return found


def _wrong_wraps(seed: int, head: SimulatedHead, own: OwnPhase) -> list[Row]:
    stack, mask = head.stack, head.brain_mask
    truth = true_phase(head)
    unwrap(stack.phase[:, :4, :4, :4], np.ones((len(stack.phase), 4, 4, 4)), stack.echo_times_s)  # compiles
    rows: list[Row] = []
    for name in (OURS, THEIRS):
        began = time.perf_counter()
        if name == OURS:
            found = list(unwrap(stack.phase, stack.magnitude, stack.echo_times_s, mask))
        else:
            found = _unwrapped_by_theirs(stack, mask)
        seconds = time.perf_counter() - began
        for echo, (phase, true) in enumerate(zip(found, truth, strict=True)):
            strong = mask & (stack.magnitude[echo] > STRONG_SNR * noise_sd(head))
            bad = wrong(phase, true, mask)
            followed = mask & (own.weakest[echo] > STRONG_SNR * noise_sd(head))
            own_bad = wrong(phase, own.phase[echo].astype(np.float64), mask) & followed
            rows.append(
                {
                    "head": f"head {seed}",
                    "snr": head.protocol.snr,
                    "echo": float(echo + 1),
                    "method": name,
                    "wrong": float(np.count_nonzero(bad)),
                    "wrong_percent": 100 * float(np.mean(bad[mask])),
                    "wrong_strong": float(np.count_nonzero(bad & strong)),
                    "wrong_strong_percent": 100 * float(np.mean(bad[strong])) if strong.any() else np.nan,
                    "own_wrong_strong": float(np.count_nonzero(own_bad)),
                    "own_strong_percent_of_mask": 100 * float(np.mean(followed[mask])),
                    "seconds": seconds,
                }
            )
    return rows


def _field_row(setting: Setting, seed: int, head: SimulatedHead) -> Row:
    mask = head.brain_mask
    began = time.perf_counter()
    maps = before_background(head.stack, setting.recipe, mask=mask)
    seconds = time.perf_counter() - began
    to_ppb = 1000 / head.stack.imaging_frequency_mhz
    kept = mask & maps.mask
    error = to_ppb * np.abs(maps.total_field - head.total_field_hz)[kept]
    floor = _MEDIAN_OF_NORMAL * to_ppb * float(np.median(field_noise_hz(head)[kept]))
    return {
        "head": f"head {seed}",
        "snr": head.protocol.snr,
        "median_error_ppb": float(np.median(error)),
        "noise_floor_ppb": floor,
        "over_floor": float(np.median(error)) / floor,
        "p99_error_ppb": float(np.percentile(error, 99)),
        "kept_percent": 100 * float(kept.sum() / mask.sum()),
        "seconds_with_a_token_rest": seconds,
    }
