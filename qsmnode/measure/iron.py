"""Iron in gray-matter nuclei, estimated from susceptibility; only where somebody asks for it.

Source: Zheng et al., Measuring iron in the brain using quantitative susceptibility mapping and X-ray
fluorescence imaging, NeuroImage 2013; 78: 68-74, doi 10.1016/j.neuroimage.2013.04.022: susceptibility of 1.10
+- 0.08 ppb for each microgram of iron in a gram of wet tissue.

Limits. The factor was found in tissue of the dead brain rich in iron. It holds where ferritin makes the
susceptibility: in no white matter (myelin), no vein (deoxyhaemoglobin), no bleeding or calcification. A map
has a zero of its own and not that of tissue without iron, so an estimate is as relative as the map, and
compares maps of one zero only. The stated uncertainty is that of the factor alone, to first order; that of
the map's number comes on top.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.sr.coding import Code

from qsmnode.measure.statistics import stated
from qsmnode.measure.structures import STRUCTURES

PPB_PER_UG_G, SD_PPB_PER_UG_G = 1.10, 0.08
SOURCE = "Zheng et al., NeuroImage 2013; 78: 68-74"
BELOW_ZERO = "no estimate: susceptibility below zero"

_NUCLEI = (
    "caudate nucleus",
    "putamen",
    "globus pallidus",
    "external globus pallidus",
    "internal globus pallidus",
    "red nucleus",
    "substantia nigra",
    "subthalamic nucleus",
    "dentate nucleus",
    "thalamus",
)
_CODES = frozenset((code.scheme_designator, code.value) for code in map(STRUCTURES.__getitem__, _NUCLEI))


@dataclass(frozen=True)
class Iron:
    """An estimate, or why there is none.

    Attributes:
        ug_per_g: micrograms of iron in a gram of wet tissue; None where there is no estimate.
        sd_ug_per_g: its standard deviation from that of the factor.
        reason: why there is no estimate, "" where there is one.
    """

    ug_per_g: float | None
    sd_ug_per_g: float | None
    reason: str = ""


def iron(structure: Code, mean_ppb: float) -> Iron | None:
    """The estimate for a region; None where its structure is no gray-matter nucleus.

    Args:
        structure: what the region is of; its name does not matter.
        mean_ppb: its mean susceptibility, which is rounded as documents state it.
    """
    if (structure.scheme_designator, structure.value) not in _CODES:
        return None
    chi = stated(mean_ppb)
    if chi < 0:
        return Iron(None, None, BELOW_ZERO)
    estimate = chi / PPB_PER_UG_G
    return Iron(stated(estimate), stated(estimate * SD_PPB_PER_UG_G / PPB_PER_UG_G))


def basis(reference: str) -> str:
    """What an estimate rests on, in words.

    Args:
        reference: what zero means in the map.
    """
    zero = reference or "not stated"
    return (
        f"susceptibility / ({PPB_PER_UG_G:.2f} +- {SD_PPB_PER_UG_G:.2f} ppb per ug/g wet tissue; {SOURCE}). "
        "Relative, no absolute concentration: it counts from the zero of the susceptibility scale, which is: "
        f"{zero}. The uncertainty is that of the factor alone"
    )
