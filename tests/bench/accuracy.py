"""Nuclei of simulated heads against the truth: the default recipe, from wrapped phase, without a given mask.

    python -m tests.bench.accuracy [--seeds 1000 1001 ...] [--recipe NAME]

Seeds 1000-1999 are kept for reporting. Means are relative to the true brain mask eroded by 2 mm, for map and
truth alike; voxels that the map dropped count as 0.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from qsmnode.engine import Recipe, reconstruct
from qsmnode.node.demonstration import compared
from qsmnode.phantom.head import HeadShape, Protocol, simulate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1000, 1001, 1002, 1003, 1004])
    parser.add_argument("--recipe", default="default", choices=Recipe.presets())
    arguments = parser.parse_args()
    recipe = Recipe.preset(arguments.recipe)
    print(f"recipe {recipe.version}, sha256 {recipe.hash[:16]}")
    for seed in arguments.seeds:
        _report(seed, recipe)


def _report(seed: int, recipe: Recipe) -> None:
    head = simulate(HeadShape(seed=seed), Protocol())
    began = time.perf_counter()
    maps = reconstruct(head.stack, recipe)
    seconds = time.perf_counter() - began
    mask = head.scoring_mask()
    truth = head.susceptibility_ppm[mask] - head.susceptibility_ppm[mask].mean()
    found = maps.susceptibility[mask] - maps.susceptibility[mask].mean()
    error = 100 * float(np.linalg.norm(found - truth) / np.linalg.norm(truth))
    rows = compared(head, maps.susceptibility * np.float32(1000))
    measured, true = (np.array([getattr(row, name) for row in rows]) for name in ("measured_ppb", "true_ppb"))
    slope = float(np.polyfit(true, measured, 1)[0])
    off = np.abs(measured - true) > np.maximum(5.0, 0.1 * np.abs(true))
    coverage = 100 * float(np.count_nonzero(maps.mask & mask) / np.count_nonzero(mask))
    print(
        f"\nhead {seed}: NRMSE {error:.1f} %, nuclei slope {slope:.3f}, mean error "
        f"{np.abs(measured - true).mean():.1f} ppb, {int(off.sum())} of {len(rows)} nuclei off by more than "
        f"10 % and 5 ppb, coverage {coverage:.1f} %, {seconds:.1f} s"
    )
    for row, bad in zip(rows, off, strict=True):
        print(f"  {row.name:26} {row.measured_ppb:8.1f} {row.true_ppb:8.1f} ppb {'*' if bad else ''}")


if __name__ == "__main__":
    main()
