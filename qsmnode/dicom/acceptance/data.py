"""What the arrays of an acquisition say against a map of it, before it is reconstructed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.ndimage

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance import measures
from qsmnode.dicom.acceptance.verdict import found
from qsmnode.engine.ghosts import ghosting
from qsmnode.engine.mask.intensity import bright, foreground
from qsmnode.engine.types import EchoStack, Mask
from qsmnode.errors import Finding

_AROUND_POLES = 2  # voxels that go with one


@dataclass(frozen=True)
class Looked:
    """Findings, and the arrays to go on with: poles are masked out."""

    findings: tuple[Finding, ...]
    stack: EchoStack


def data_findings(
    stack: EchoStack, limits: AcceptanceSettings, *, phase_is_unwrapped: bool = False
) -> Looked:
    """Every departure, in a stable order. What cannot be measured is no departure.

    Args:
        stack: as it was read; NaN and infinity are left to the engine, which masks them.
        limits: of the route that it takes.
        phase_is_unwrapped: the scanner has made the phase continuous.
    """
    first = EchoStack(  # they tell everything that is looked at here
        stack.magnitude[:2],
        stack.phase[:2],
        stack.echo_times_s[:2],
        stack.imaging_frequency_mhz,
        stack.grid,
        stack.readout_axis,
    )
    good = np.isfinite(first.magnitude) & np.isfinite(first.phase)
    finite = np.asarray(good.all(axis=0), dtype=np.bool_)
    clean = first if finite.all() else _zeroed(first, finite)
    head = foreground(clean.magnitude, stack.grid.voxel_mm) & finite
    if not head.any():
        return Looked((), stack)  # the engine refuses it in its own words
    head = bright(clean.magnitude, head)
    poles = measures.poles(clean, head)
    findings = [
        *_phase(clean, head, limits, phase_is_unwrapped),
        *_poles(poles, head, limits),
        *_noise(clean, head, limits),
    ]
    dark = any(finding.check == "poles" for finding in findings)
    return Looked(tuple(findings), _without(stack, poles) if dark else stack)


def _zeroed(stack: EchoStack, finite: Mask) -> EchoStack:
    """NaN and infinity as 0, in every echo."""
    zero = np.float32(0)
    return replace(
        stack,
        magnitude=np.where(finite, stack.magnitude, zero),
        phase=np.where(finite, stack.phase, zero),
    )


def _phase(
    stack: EchoStack, head: Mask, limits: AcceptanceSettings, phase_is_unwrapped: bool
) -> Iterator[Finding]:
    if phase_is_unwrapped:
        words = "phase unwrapped by the scanner: taken as it is, its wraps cannot be checked"
        yield from found(limits, "unwrapped_phase", "phase within one turn", words)
    spread = measures.field_spread_ppm(stack, head)
    if spread <= limits.min_field_spread_ppm:
        # no ppm: nothing in a refusal may be taken for a susceptibility
        share = spread / limits.min_field_spread_ppm if limits.min_field_spread_ppm else 1.0
        words = f"phase filtered by the scanner: its smooth field has {100 * share:.0f} % of the least spread"
        expected = (
            "more than the spread that acceptance.min_field_spread_ppm states; "
            "switch the scanner's phase filter or susceptibility weighting off"
        )
        yield from found(limits, "filtered_phase", expected, words)


def _poles(poles: Mask, head: Mask, limits: AcceptanceSettings) -> Iterator[Finding]:
    density = np.count_nonzero(poles) / np.count_nonzero(head)
    if density > limits.max_pole_density:
        words = (
            f"poles of the coil combination: the phase of every echo winds by a turn at "
            f"{np.count_nonzero(poles)} voxels, which are masked out"
        )
        yield from found(limits, "poles", "none", words)


def _noise(stack: EchoStack, head: Mask, limits: AcceptanceSettings) -> Iterator[Finding]:
    snr = measures.signal_to_noise(stack.magnitude[0], head)
    if snr is not None and snr <= limits.min_snr:
        words = f"values unreliable: signal to noise of the first echo is {snr:.1f}"
        yield from found(limits, "snr", f"more than {limits.min_snr:g}", words)
    if stack.readout_axis in (0, 1):
        ghosts = ghosting(stack.magnitude[0], head, stack.grid, stack.readout_axis)
        if ghosts is not None and ghosts > limits.max_ghosting:
            words = f"values unreliable: ghosts (motion), {100 * ghosts:.1f} % of the signal"
            yield from found(limits, "ghosting", f"at most {100 * limits.max_ghosting:g} %", words)


def _without(stack: EchoStack, poles: Mask) -> EchoStack:
    """Voxels around poles as NaN, which the engine masks."""
    around = scipy.ndimage.binary_dilation(poles, np.ones((3, 3, 3), np.bool_), iterations=_AROUND_POLES)
    return replace(stack, phase=np.where(around, np.float32(np.nan), stack.phase))
