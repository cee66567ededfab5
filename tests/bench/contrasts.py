"""R2* and susceptibility-weighted images against what is true of the head."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from qsmnode.engine import minimum_intensity_projection, r2star, susceptibility_weighted
from qsmnode.engine.r2star.noise import magnitude_noise
from qsmnode.engine.swi.clear import Parameters
from qsmnode.engine.types import Float, Mask
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.tissues import CALCIFICATION, HAEMORRHAGE, VEIN, WHITE, tissue_table
from tests.bench.heads import noise_sd
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table

WAYS = ("arlo", "nlls")
LEAST_SNR = 20.0
LEAST_VOXELS = 20
STEEPEST_HZ = 5.0  # from a voxel to the next: 10 ms of dephasing by less than a tenth of a turn
MOST_PERCENT = 5.0
LEAST_RATE = 10.0  # fluid hardly decays between usual echoes: noise and dephasing are all there is to see
SLICES = 7
ALONG = "along B0"
STRENGTHS = (Parameters().strength, 1.0)
_NEAR_VOXELS, _BESIDE_VOXELS = 1, 3
_POLE, _EQUATOR = 0.8, 0.3  # of |cos| of the angle to B0
_REACH_MM = 3.0


def run(setting: Setting) -> list[Table]:
    """Three tables: R2* of every tissue, veins in susceptibility-weighted images, sign of lesions."""
    rates: list[Row] = []
    veins: list[Row] = []
    signs: list[Row] = []
    for seed in setting.seeds:
        head = setting.head(seed)
        name = f"head {seed}"
        rates += [{"head": name, **row} for way in WAYS for row in rate_rows(head, way)]
        again = setting.head(seed, noise_seed=1)
        veins += [{"head": name, **row} for each in STRENGTHS for row in vein_rows(head, again, each)]
        signs += [{"head": name, **row} for row in sign_rows(head)]
    return [
        Table("contrasts_r2star", _RATES, rates),
        Table("contrasts_swi_veins", _VEINS, veins),
        Table("contrasts_swi_lesions", _LESIONS, signs),
    ]


_RATES = (
    "R2* (1/s) of each tissue: voxels all of whose 26 neighbours are of that tissue and in the brain, whose "
    f"first echo has an SNR above {LEAST_SNR:g} (mean of 27 voxels), and across which the field changes by "
    f"less than {STEEPEST_HZ:g} Hz. error: of the mean, in %, with three standard errors of it beside it; "
    f"off: beyond {MOST_PERCENT:g} % and beyond these, for tissues of {LEAST_RATE:g} 1/s and more; "
    "typical_error: median over the voxels of |found - true| in % of the true rate, mostly noise."
)
_VEINS = (
    "Veins in the susceptibility-weighted image and in the magnitude alone (all echoes, evened in the same "
    "way, without the phase). darker: by how many % of the white matter beside them, 2 to 3 voxels away; "
    "cnr: that contrast over the noise there: the standard deviation of the difference of two scans with "
    "other noise, over the root of 2. Along B0 are voxels with a positive field of their own, across B0 the "
    "others, which the method does not darken. mip_differs: voxels of the projection that are not exactly "
    f"the least of their {SLICES} slices."
)
_LESIONS = (
    "How much the phase brightens (above 1) or darkens (below 1) what surrounds a lesion, within "
    f"{_REACH_MM:g} mm, relative to the brain's median: towards B0 (pole) and across it (equator). "
    "Paramagnetic blood darkens its poles and brightens its equator, diamagnetic chalk the other way round."
)


def rate_rows(head: SimulatedHead, way: str) -> list[Row]:
    """R2* of every tissue that has enough voxels."""
    stack = head.stack
    noise = magnitude_noise(stack.magnitude, stack.echo_times_s, head.brain_mask) or 0.0
    found = r2star(stack.magnitude, stack.echo_times_s, head.brain_mask, way, noise=noise)
    table = tissue_table(head.protocol.field_t)[:, 1]
    usable = head.brain_mask & _calm(head)
    # chosen by their own noise, the voxels with too bright a first echo would be too many
    usable &= ndimage.uniform_filter(stack.magnitude[0], 3) > LEAST_SNR * noise_sd(head)
    rows: list[Row] = []
    for label in np.unique(head.labels[usable]):
        of_label = (head.labels == label) & head.brain_mask
        core = ndimage.binary_erosion(of_label, np.ones((3, 3, 3))) & usable
        count, true = int(np.count_nonzero(core)), float(table[label])
        if count < LEAST_VOXELS or true <= 0:
            continue
        values = found[core].astype(np.float64)
        error = 100 * (float(values.mean()) / true - 1)
        three_errors = 300 * float(values.std()) / math.sqrt(count) / true
        rows.append(
            {
                "method": way,
                "tissue": head.label_names[int(label)],
                "voxels": float(count),
                "true": true,
                "mean": float(values.mean()),
                "error": error,
                "three_errors": three_errors,
                "off": true >= LEAST_RATE and abs(error) > max(MOST_PERCENT, three_errors),
                "typical_error": 100 * float(np.median(np.abs(values / true - 1))),
            }
        )
    return rows


def _calm(head: SimulatedHead) -> Mask:
    """Where the field hardly changes from a voxel to the next."""
    steps = np.gradient(head.total_field_hz.astype(np.float64))
    return np.asarray(np.sqrt(sum(step**2 for step in steps)) < STEEPEST_HZ)


def vein_rows(head: SimulatedHead, again: SimulatedHead, strength: float = STRENGTHS[0]) -> list[Row]:
    """Contrast of veins with and without phase, and whether the projection is exact.

    Args:
        head: the head.
        again: the same one, measured with other noise.
        strength: of the phase.
    """
    (image, projection), plain = _weighted(head, strength), _magnitude(head)
    veins, beside = vein_masks(head)
    if not veins.any() or not beside.any():
        return []
    along = head.local_field_ppm > 0
    noise = {
        name: float(np.std((one - other)[beside])) / math.sqrt(2)
        for name, one, other in (
            ("swi", image, _weighted(again, strength)[0]),
            ("magnitude", plain, _magnitude(again)),
        )
    }
    differs = float(np.count_nonzero(projection != _least_of_slab(image, head.brain_mask)))
    rows: list[Row] = []
    for name, part in ((ALONG, veins & along), ("across B0", veins & ~along), ("all", veins)):
        swi, magnitude = (_darkness(one, part, beside) for one in (image, plain))
        level = [float(one[beside].mean(dtype=np.float64)) / 100 for one in (image, plain)]
        to_noise = swi * level[0] / noise["swi"], magnitude * level[1] / noise["magnitude"]
        rows.append(
            {
                "strength": strength,
                "veins": name,
                "voxels": float(np.count_nonzero(part)),
                "swi_darker": swi,
                "magnitude_darker": magnitude,
                "darker_ratio": swi / magnitude,
                "swi_cnr": to_noise[0],
                "magnitude_cnr": to_noise[1],
                "cnr_ratio": to_noise[0] / to_noise[1],
                "mip_differs": differs,
            }
        )
    return rows


def _magnitude(head: SimulatedHead) -> Float:
    """The image without its phase."""
    return _weighted(head, STRENGTHS[0], 0.0)[0]


def _weighted(
    head: SimulatedHead, strength: float = STRENGTHS[0], exponent: float = 1.0
) -> tuple[Float, Float]:
    """The image of all echoes, and its projection."""
    stack = head.stack
    image = susceptibility_weighted(
        stack.magnitude,
        stack.phase,
        stack.echo_times_s,
        stack.grid,
        head.brain_mask,
        parameters={"strength": strength, "exponent": exponent},
    )
    return image, minimum_intensity_projection(image, SLICES, head.brain_mask)


def _least_of_slab(image: Float, mask: Mask) -> Float:
    """The least of each voxel's slab, slice by slice."""
    half, count = SLICES // 2, image.shape[2]
    least = np.zeros_like(image)
    for z in range(count):
        slab = slice(max(0, z - half), min(count, z + half + 1))
        values = np.where(mask[:, :, slab], image[:, :, slab], np.float32(np.inf)).min(axis=2)
        least[:, :, z] = np.where(np.isfinite(values), values, 0)
    return least


def vein_masks(head: SimulatedHead) -> tuple[Mask, Mask]:
    """Veins inside the brain, and the white matter 2 to 3 voxels away from any."""
    inner = head.scoring_mask()
    veins = head.labels == VEIN
    around = [ndimage.binary_dilation(veins, iterations=n) for n in (_NEAR_VOXELS, _BESIDE_VOXELS)]
    return veins & inner, around[1] & ~around[0] & (head.labels == WHITE) & inner


def _darkness(image: Float, inside: Mask, beside: Mask) -> float:
    """By how many % of the mean beside the mean inside is below it; NaN where one of them is empty."""
    if not inside.any() or not beside.any():
        return math.nan
    level = float(image[beside].mean(dtype=np.float64))
    return 100 * (1 - float(image[inside].mean(dtype=np.float64)) / level)


def sign_rows(head: SimulatedHead) -> list[Row]:
    """What the phase does beside blood and beside chalk."""
    image, plain = _weighted(head)[0], _magnitude(head)
    known = head.brain_mask & (plain > 0)
    weight = np.where(known, image / np.where(known, plain, 1), 0)
    usual = float(np.median(weight[known]))
    rows: list[Row] = []
    for lesion, label in (("haemorrhage", HAEMORRHAGE), ("calcification", CALCIFICATION)):
        solid = head.labels == label
        if not solid.any():
            continue
        pole, equator = (weight[part & known] / usual for part in _beside(head, solid))
        row: Row = {"lesion": lesion, "pole": _mean(pole), "equator": _mean(equator)}
        darker_pole = float(row["pole"]) < float(row["equator"])
        rows.append({**row, "told": darker_pole == (lesion == "haemorrhage")})
    return rows


def _beside(head: SimulatedHead, solid: Mask) -> tuple[Mask, Mask]:
    """The shell around a solid towards B0 and across it, seen from its middle."""
    voxel = np.array(head.stack.grid.voxel_mm)
    reach = max(_REACH_MM, float(voxel.max()))
    distance = ndimage.distance_transform_edt(~solid, sampling=head.stack.grid.voxel_mm)
    shell = (distance > 0) & (distance <= reach)
    middle = np.argwhere(solid).mean(axis=0)
    away = (np.indices(solid.shape).reshape(3, -1).T - middle) * voxel
    length = np.linalg.norm(away, axis=1)
    along = np.abs(away @ np.array(head.stack.grid.b0_direction)) / np.where(length > 0, length, 1)
    along = along.reshape(solid.shape)
    return shell & (along > _POLE), shell & (along < _EQUATOR)


def _mean(values: Float) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else math.nan
