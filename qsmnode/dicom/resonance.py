"""Centre frequency and field strength, checked against each other: headers write MHz, kHz and Hz."""

from __future__ import annotations

PROTON_MHZ_PER_T = 42.577478518
"""Proton gyromagnetic ratio over 2 pi in MHz/T, unshielded (CODATA 2018)."""

FREQUENCY_RANGE_MHZ = (2.0, 700.0)
"""0.05 T to 16.4 T: every magnet that a human fits into, and small-bore ones."""

NOMINAL_TOLERANCE = 0.1
"""A magnet sold as 3 T may run at 2.89 T; beyond a tenth the two numbers contradict each other."""


def imaging_frequency_mhz(raw: float | None, field_t: float | None) -> float | None:
    """ImagingFrequency or TransmitterFrequency in MHz, or None where no reading of it is plausible.

    Args:
        raw: the header's number; the standard says MHz, some scanners write Hz or kHz.
        field_t: nominal field strength in T, or None; it confirms the unit and never replaces the number.
    """
    if raw is None or raw <= 0:
        return None
    for factor in (1.0, 1e-3, 1e-6):
        frequency = raw * factor
        if not FREQUENCY_RANGE_MHZ[0] <= frequency <= FREQUENCY_RANGE_MHZ[1]:
            continue
        if field_t is None or abs(frequency / (field_t * PROTON_MHZ_PER_T) - 1) <= NOMINAL_TOLERANCE:
            return frequency
    return None


def field_strength_t(raw: float | None) -> float | None:
    """MagneticFieldStrength in T, or None where it is absent or implausible; some scanners write gauss."""
    for factor in (1.0, 1e-4):
        if raw is not None and 0.05 <= raw * factor <= 16.5:
            return raw * factor
    return None
