"""Which pictures of the steps there are, what they show, and the windows of their grey values.

docs/steps.py draws them; docs/generate.py takes their captions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

# which head, and its voxels
SEED, VOXEL_MM = 7, 1.5
PLANES = ("axial", "coronal", "sagittal")
LEVELS = ("axial", "axial, 20 mm above", "axial, 40 mm above")
INVERSIONS = ("tkd", "rts", "medi", "fansi")


@dataclass(frozen=True)
class Scale:
    """What black (``low``) and white (``high``) stand for; ``low`` may be the greater one."""

    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()


@dataclass(frozen=True)
class Row:
    """Panels on one scale, each the name of an image (or none) and a plane; masks drawn as coloured lines."""

    title: str
    scale: Scale
    panels: tuple[tuple[str, str], ...]
    outlines: Mapping[str, str]


@dataclass(frozen=True)
class Picture:
    """One file: ``steps/<name>.png``."""

    name: str
    title: str
    caption: str
    rows: tuple[Row, ...]
    whole: bool = False  # the whole image, not only the brain

    @property
    def windows(self) -> str:
        """The window of each row, in words."""
        return "; ".join(f"{row.title} {row.scale}" for row in self.rows)


def _planes(title: str, image: str, scale: Scale, **outlines: str) -> Row:
    return Row(title, scale, tuple((image, plane) for plane in PLANES), MappingProxyType(outlines))


def _across(title: str, images: Iterable[str], plane: str, scale: Scale) -> Row:
    return Row(title, scale, tuple((image, plane) for image in images), MappingProxyType({}))


_SIGNAL = Scale(0, 1.6, "(the brain's median of the first echo is 1)")
_WEIGHTED = Scale(0, 1.6, "(the brain's median is 1)")
_PHASE = Scale(-3.14, 3.14, "rad")
_FIELD = Scale(-40, 40, "ppb")
_FIELD_ERROR = Scale(-20, 20, "ppb")
_MAP = Scale(-100, 200, "ppb")
_MAP_ERROR = Scale(-75, 75, "ppb")
_FIELDS = ("true field", "pdf", "vsharp")
_MAPS = ("tv", *INVERSIONS)

PICTURES = (
    Picture(
        "magnitude",
        "Magnitude",
        "The first and the last echo. Signal is lost where the field changes within a voxel: above the"
        " frontal sinus, beside the ear canals, around calcification and haemorrhage.",
        (_planes("First echo", "first", _SIGNAL), _planes("Last echo", "last", _SIGNAL)),
        whole=True,
    ),
    Picture(
        "phase",
        "Offset and unwrapping",
        "Phase of the last echo: as measured, without the phase at echo time 0 (MCPC-3D-S), and unwrapped"
        " (ROMEO). Where nothing has signal there is noise, and beyond a box around the signal nothing.",
        (
            _planes("As measured", "phase", _PHASE),
            _planes("Offset removed", "aligned", _PHASE),
            _planes("Unwrapped", "unwrapped", Scale(-20, 20, "rad")),
        ),
        whole=True,
    ),
    Picture(
        "field",
        "Mask, total field, weight",
        "The mask that was found (orange) and, as the head is simulated, the true one (blue); in the former"
        " the total field, and the trust in the field of each voxel, which follows from its noise.",
        (
            _planes("Mask", "first", _SIGNAL, brain="deepskyblue", mask="orange"),
            _planes("Total field", "total", Scale(-100, 100, "Hz")),
            _planes("Weight", "weight", Scale(0, 1, "")),
        ),
    ),
    Picture(
        "local_field",
        "Background removal",
        "The field of the sources in the brain alone: the truth, and what PDF and V-SHARP make of the same"
        " total field. What is wrong is smooth, and largest along the rim.",
        (
            _across("Local field", _FIELDS, "axial", _FIELD),
            _across("Local field, from the side", _FIELDS, "sagittal", _FIELD),
            _across("Found - true", ("", "pdf - true", "vsharp - true"), "sagittal", _FIELD_ERROR),
        ),
    ),
    Picture(
        "susceptibility",
        "The map",
        "Susceptibility relative to the whole brain: the truth, the default recipe's map from wrapped phase,"
        " and their difference.",
        (
            _planes("True", "true map", _MAP),
            _planes("Found", "tv", _MAP),
            _planes("Found - true", "tv - true", _MAP_ERROR),
        ),
    ),
    Picture(
        "inversions",
        "Inversions",
        "One local field (PDF) inverted by five methods: `tv` as in the default recipe, the others with their"
        " default parameters. What an inversion does wrong follows the directions in which the dipole kernel"
        " is nearly 0: streaks, best seen from the side.",
        (
            _across("Found", _MAPS, "axial", _MAP),
            _across("Found, from the side", _MAPS, "sagittal", _MAP),
            _across("Found - true", tuple(f"{name} - true" for name in _MAPS), "sagittal", _MAP_ERROR),
        ),
    ),
    Picture(
        "contrasts",
        "R2* and susceptibility-weighted images",
        "Optional steps of the same reconstruction: R2* (ARLO), the susceptibility-weighted image (CLEAR-SWI)"
        " and its minimum-intensity projection over seven slices. Beside the frontal sinus the field is"
        " steep, and the weighted image dark as in a vein.",
        (
            _planes("R2*", "r2star", Scale(0, 60, "1/s")),
            _planes("SWI", "swi", _WEIGHTED),
            Row("Projection", _WEIGHTED, tuple(("swi_mip", plane) for plane in LEVELS), MappingProxyType({})),
        ),
    ),
    Picture(
        "separation",
        "Source separation",
        "Paramagnetic and diamagnetic susceptibility that share a voxel (R2*-QSM); for research only.",
        (
            _planes("Chi+", "chi_positive", Scale(0, 200, "ppb")),
            _planes("Chi-", "chi_negative", Scale(0, -100, "ppb")),
        ),
    ),
)
