"""Deep nuclei by the atlas: how well they are found, how near their means are, and how well both repeat.

The heads' own nuclei are ellipsoids and tubes of the phantom; they do not come from the atlas.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from qsmnode.engine import Maps, reconstruct
from qsmnode.engine.types import Mask
from qsmnode.measure.nuclei import find_nuclei
from qsmnode.measure.nuclei.atlas import PARTS
from qsmnode.measure.regions import Region
from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead
from qsmnode.phantom.protocol import AXIAL, tilted
from qsmnode.phantom.tissues import nucleus_label
from tests.bench.heads import load
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table

HEADS = 10
FIRST_SEED, FIRST_TUNING_SEED = 1010, 10
RETEST_HEADS, SCANS = 3, 5
NAMES = tuple(dict.fromkeys(part.name for part in PARTS))
LEAST_DICE = {"red nucleus": 0.70}
_QUICK_MM = 2.4
_REPORTING = 1000
_SALT = 179424673


@dataclass(frozen=True)
class Found:
    """One nucleus in one scan.

    Attributes:
        dice: overlap with the truth.
        mean_ppb, true_ppb: within what was found, and within the truth on the true map; both against the
            mean of the brain.
        reason: why it has no number; "" where it has.
    """

    name: str
    side: str
    dice: float
    mean_ppb: float
    true_ppb: float
    reason: str


def run(setting: Setting) -> list[Table]:
    """How well nuclei are found in ten heads, each with a protocol of its own; how well a head repeats."""
    return [_accuracy(setting), _repeated(setting)]


def case(seed: int, quick: bool = False) -> tuple[HeadShape, Protocol]:
    """A head, and a random protocol that a site might use for QSM: oblique, short slabs, noise."""
    rng = np.random.default_rng([seed, _SALT])
    in_plane, thick = float(rng.uniform(0.8, 1.1)), float(rng.uniform(1.0, 1.8))
    high = float(rng.uniform(100.0, 160.0))
    shape = round(192.0 / in_plane), round(216.0 / in_plane), round(high / thick)
    voxel = (in_plane, in_plane, thick)
    if quick:
        shape, voxel = (80, 90, round(high / _QUICK_MM)), (_QUICK_MM,) * 3
    first = float(rng.uniform(3.0, 6.0)) / 1000
    gap = float(rng.uniform(4.0, 6.5)) / 1000
    return HeadShape(seed), Protocol(
        echo_times_s=tuple(round(first + gap * echo, 6) for echo in range(5)),
        shape=shape,
        voxel_mm=voxel,
        orientation=tilted(AXIAL, float(rng.uniform(-15, 15)), float(rng.uniform(-6, 6))),
        centre_mm=(float(rng.uniform(-5, 5)), float(rng.uniform(-5, 5)), float(rng.uniform(-8, 8))),
        snr=float(rng.uniform(30, 80)),
        noise_seed=seed,
    )


def again(seed: int, scan: int, quick: bool = False) -> tuple[HeadShape, Protocol]:
    """The same head, lying anew within 5 degrees and 5 mm, shimmed anew, with other noise."""
    rng = np.random.default_rng([seed, scan, _SALT])
    nod, tilt, turn = (float(angle) for angle in rng.uniform(-5, 5, 3))
    x, y, z = (float(place) for place in rng.uniform(-5, 5, 3))
    shape, voxel = (192, 216, 140), (1.0, 1.0, 1.0)
    if quick:
        shape, voxel = (80, 90, 60), (_QUICK_MM,) * 3
    protocol = Protocol(shape=shape, voxel_mm=voxel, centre_mm=(x, y, z), noise_seed=100 * seed + scan)
    return HeadShape(seed, turned_deg=(nod, tilt, turn)), protocol


def _first(setting: Setting) -> int:
    return FIRST_SEED if setting.seeds[0] >= _REPORTING else FIRST_TUNING_SEED


def _accuracy(setting: Setting) -> Table:
    found: dict[str, list[Found]] = {name: [] for name in NAMES}
    seconds = []
    for seed in range(_first(setting), _first(setting) + (1 if setting.quick else HEADS)):
        scan, took = _scan(setting, *case(seed, setting.quick))
        seconds.append(took)
        for one in scan:
            found[one.name].append(one)
    rows: list[Row] = [_summary(name, some) for name, some in found.items()]
    caption = (
        f"{len(seconds)} heads with protocols of their own, both sides. dice: mean over those with a number; "
        "dice_over: that above what is asked for; least_dice: the worst of them; error: mean of found minus "
        "true, in ppb; largest_error: its largest size; refused: without a number; refused_dice: what they "
        f"would have had. It took {np.median(seconds):.1f} s (median), {max(seconds):.1f} s at most."
    )
    return Table("nuclei", caption, rows)


def _summary(name: str, found: list[Found]) -> Row:
    given = [one for one in found if not one.reason]
    errors = [one.mean_ppb - one.true_ppb for one in given]
    refused = [one.dice for one in found if one.reason]
    dice = float(np.mean([one.dice for one in given])) if given else float("nan")
    return {
        "head": name,
        "dice": dice,
        "dice_over": dice - LEAST_DICE.get(name, 0.80),
        "least_dice": min((one.dice for one in given), default=float("nan")),
        "error": float(np.mean(errors)) if given else float("nan"),
        "largest_error": float(np.abs(errors).max()) if given else float("nan"),
        "given": float(len(given)),
        "refused": float(len(refused)),
        "refused_dice": float(np.mean(refused)) if refused else float("nan"),
    }


def _repeated(setting: Setting) -> Table:
    """Standard deviation over scans of one head, pooled over heads and sides."""
    means: dict[tuple[str, str, int], list[float]] = {}
    heads = 1 if setting.quick else RETEST_HEADS
    scans = 2 if setting.quick else SCANS
    for seed in range(_first(setting), _first(setting) + heads):
        for scan in range(scans):
            for one in _scan(setting, *again(seed, scan, setting.quick))[0]:
                if not one.reason:
                    means.setdefault((one.name, one.side, seed), []).append(one.mean_ppb)
    rows: list[Row] = []
    for name in NAMES:
        some = [values for (found, _, _), values in means.items() if found == name and len(values) > 1]
        freedom = sum(len(values) - 1 for values in some)
        squares = sum(float(np.var(values, ddof=1)) * (len(values) - 1) for values in some)
        rows.append(
            {
                "head": name,
                "sd_ppb": float(np.sqrt(squares / freedom)) if freedom else float("nan"),
                "scans": float(sum(len(values) for values in some)),
            }
        )
    caption = (
        f"{heads} heads, {scans} scans each: turned by up to 5 degrees about three axes and moved by up to "
        "5 mm, shimmed anew, other noise. sd_ppb: standard deviation of a nucleus' mean against the brain's "
        "within one head, pooled over heads and sides; scans: how many means it rests on."
    )
    return Table("nuclei_repeated", caption, rows)


def _scan(setting: Setting, head: HeadShape, protocol: Protocol) -> tuple[list[Found], float]:
    simulated = load(setting.heads.path(head, protocol))
    maps = reconstruct(simulated.stack, setting.recipe)
    began = time.perf_counter()
    affine = simulated.protocol.geometry().affine
    regions = find_nuclei(maps, affine, simulated.stack.magnitude, simulated.stack.echo_times_s)
    took = time.perf_counter() - began
    known = [region for region in regions if region.name in NAMES]
    return [_compared(simulated, maps, region) for region in known], took


def _compared(head: SimulatedHead, maps: Maps, region: Region) -> Found:
    truth = head.labels == nucleus_label(region.name, region.side)
    both = int(region.mask.sum()) + int(truth.sum())
    return Found(
        name=region.name,
        side=region.side,
        dice=2 * float((region.mask & truth).sum()) / both if both else float("nan"),
        mean_ppb=_against_brain(maps.susceptibility, region.mask, maps.mask),
        true_ppb=_against_brain(head.susceptibility_ppm, truth, maps.mask),
        reason=region.refused.words if region.refused else "",
    )


def _against_brain(chi: np.ndarray, region: Mask, brain: Mask) -> float:
    if not region.any():
        return float("nan")
    return 1000 * float(chi[region].mean(dtype=np.float64) - chi[brain].mean(dtype=np.float64))
