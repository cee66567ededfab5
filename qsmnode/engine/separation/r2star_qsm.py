"""R2*-QSM: the decay tells how much susceptibility there is, the map how much of it cancels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask
from qsmnode.errors import EngineInputError

CALIBRATED_AT_T = 3.0


@dataclass(frozen=True)
class Parameters:
    """How much decay one ppm makes."""

    relaxivity: float = parameter(
        274.0,
        "R2* of 1 ppm at 3 T, of either sign; it grows with the field",
        unit="Hz/ppm",
        low=10,
        high=5000,
    )


@method("separation", "r2star_qsm", doi="10.1111/jon.13014", parameters=Parameters, needs=("r2star",))
def r2star_qsm(
    chi: Float, r2star: Float | None, mask: Mask, field_t: float, parameters: Parameters
) -> tuple[Float, Float, dict[str, float]]:
    """Paramagnetic and diamagnetic susceptibility from map and R2*; for research only.

    With R2* = r (chi+ - chi-) and chi = chi+ + chi-, r = relaxivity B0 / 3 T: chi+- = (chi +- R2* / r) / 2.
    Where that would give a source the wrong sign, it is 0 and the other is what fits both equations best.
    One r for all sources, no decay without them: neither holds exactly in tissue.

    Args:
        chi: (X, Y, Z), ppm, referenced; best to the ventricles' fluid, which has next to no sources.
        r2star: (X, Y, Z), 1/s, >= 0.
        mask: (X, Y, Z), where both are meant.
        field_t: B0 in T.
        parameters: the relaxivity.

    Returns:
        chi+ (>= 0) and chi- (<= 0) in ppm (X, Y, Z), 0 outside the mask; the part of the mask with sources of
        one sign alone.

    Raises:
        EngineInputError: there is no R2*, or the field is not above 0.
    """
    if r2star is None:
        raise EngineInputError("separation: r2star_qsm needs R2*, got none; add the step r2star")
    if not field_t > 0:
        raise EngineInputError(f"separation: r2star_qsm needs the field in T, got {field_t}")
    total = r2star / np.float32(parameters.relaxivity * field_t / CALIBRATED_AT_T)
    positive = np.where(mask, np.maximum((chi + total) / 2, 0), 0).astype(np.float32)
    negative = np.where(mask, np.minimum((chi - total) / 2, 0), 0).astype(np.float32)
    alone = np.mean((np.abs(chi) >= total)[mask]) if mask.any() else 0.0
    return positive, negative, {"separation_one_sign_fraction": float(alone)}
