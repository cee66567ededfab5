"""What each tissue of the simulated head is: susceptibility, relaxation and signal.

Susceptibilities are in ppm relative to water, volume susceptibility in SI units. Deep nuclei, white and grey
matter, CSF and veins follow the head of the second QSM reconstruction challenge (doi:10.1002/mrm.28716). Soft
tissue against air differs by 9.4 ppm, bone from soft tissue by -2.1 ppm. R2* is at 3 T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tissue:
    """One tissue: name, susceptibility (ppm), R2* at 3 T (1/s), relative signal density (0..1)."""

    name: str
    chi_ppm: float
    r2star_per_s: float
    density: float


AIR_PPM = 9.4

AIR, SOFT, BONE, CSF, GREY, WHITE, VENTRICLE = 0, 1, 2, 3, 4, 5, 6
EYE, ARTERY, VEIN, CALCIFICATION, HAEMORRHAGE, RIM_LESION = 7, 8, 9, 10, 11, 12
FIRST_NUCLEUS = 20

_PLAIN = {
    AIR: Tissue("air", AIR_PPM, 0.0, 0.0),
    SOFT: Tissue("soft tissue", 0.0, 32.0, 0.75),
    BONE: Tissue("bone", -2.1, 300.0, 0.08),
    CSF: Tissue("cerebrospinal fluid", 0.019, 1.5, 0.55),
    GREY: Tissue("grey matter", 0.020, 17.0, 0.86),
    WHITE: Tissue("white matter", -0.030, 21.0, 0.74),
    VENTRICLE: Tissue("ventricles", 0.019, 1.5, 0.55),
    EYE: Tissue("eye", 0.019, 2.0, 0.60),
    ARTERY: Tissue("artery", -0.015, 8.0, 0.05),
    VEIN: Tissue("vein", 0.190, 55.0, 0.70),
    CALCIFICATION: Tissue("calcification", -1.8, 150.0, 0.30),
    HAEMORRHAGE: Tissue("haemorrhage", 1.0, 150.0, 0.45),
    RIM_LESION: Tissue("rim lesion", 0.45, 60.0, 0.60),
}

# the order is the order in which they are drawn
_NUCLEI = (
    Tissue("thalamus", 0.020, 19.0, 0.82),
    Tissue("caudate", 0.044, 22.0, 0.86),
    Tissue("putamen", 0.038, 24.0, 0.86),
    Tissue("globus pallidus", 0.1305, 38.0, 0.78),
    Tissue("red nucleus", 0.100, 32.0, 0.78),
    Tissue("substantia nigra", 0.111, 35.0, 0.78),
    Tissue("subthalamic nucleus", 0.111, 33.0, 0.78),
    Tissue("dentate nucleus", 0.152, 30.0, 0.80),
)


def _with_sides() -> dict[int, Tissue]:
    """Nuclei carry their side in label and name: even offset left, odd offset right."""
    sided = dict(_PLAIN)
    for index, nucleus in enumerate(_NUCLEI):
        for offset, side in enumerate(("left", "right")):
            label = FIRST_NUCLEUS + 2 * index + offset
            name = f"{nucleus.name} {side}"
            sided[label] = Tissue(name, nucleus.chi_ppm, nucleus.r2star_per_s, nucleus.density)
    return sided


TISSUES: dict[int, Tissue] = _with_sides()
LABEL_NAMES: dict[int, str] = {label: tissue.name for label, tissue in TISSUES.items()}
NUCLEUS_NAMES: tuple[str, ...] = tuple(nucleus.name for nucleus in _NUCLEI)


def nucleus_label(name: str, side: str) -> int:
    """The label of one nucleus, e.g. ``nucleus_label("putamen", "left")``."""
    return FIRST_NUCLEUS + 2 * NUCLEUS_NAMES.index(name) + ("left", "right").index(side)


def tissue_table(field_t: float) -> npt.NDArray[np.float32]:
    """(256, 3) float32 by label: susceptibility (ppm), R2* (1/s) at ``field_t``, density.

    R2* grows with the field: a third of it (R2) stays, the rest (R2') is proportional to B0.
    """
    table = np.zeros((256, 3), np.float32)
    growth = 0.35 + 0.65 * field_t / 3.0
    for label, tissue in TISSUES.items():
        table[label] = tissue.chi_ppm, tissue.r2star_per_s * growth, tissue.density
    return table
