"""Tubes of gadolinium and of calcium chloride against their concentration, with the recipe for phantoms.

    python -m tests.bench.tubes [--voxel 2.0] [--recipe phantom] [--echo-times-ms 2 4.5 ...]

Each solution in three directions, 3 T, noise and transmit phase included; mean over each tube without its
outer 1.5 mm, relative to the water around. Asked for: R squared 0.99 and a slope of 0.326 ppm/mM within 10 %
for gadolinium; 0.98 and -0.000268 ppm l/mmol within 10 % for calcium chloride.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from qsmnode.engine import Recipe, reconstruct
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.tubes import Solution, rack, simulate_tubes

DIRECTIONS = {"along B0": (0.0, 0.0, 1.0), "across B0": (1.0, 0.0, 0.0), "oblique": (1.0, 0.5, 1.0)}
SOLUTIONS = {
    "Gd, mmol/l": tuple(Solution.gadolinium(c) for c in (0.0, 0.5, 1.15, 2.3, 4.6, 9.2)),
    "CaCl2, mol/l": tuple(Solution.calcium_chloride(c) for c in (0.5, 1.0, 2.0, 3.0, 4.0)),
}
WIDTH_MM = 128.0
MARGIN_MM = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voxel", type=float, default=2.0, metavar="MM")
    parser.add_argument("--recipe", default="phantom", choices=Recipe.presets())
    parser.add_argument("--echo-times-ms", type=float, nargs="+", default=[2.0, 4.5, 7.0, 9.5, 12.0, 14.5])
    parser.add_argument("--wall", type=float, default=0.5, metavar="MM")
    parser.add_argument("--radii", type=float, nargs="+", default=[7.0], metavar="MM")
    arguments = parser.parse_args()
    recipe = Recipe.preset(arguments.recipe)
    print(f"recipe {recipe.version}, sha256 {recipe.hash[:16]}")
    protocol = Protocol(
        tuple(t / 1000 for t in arguments.echo_times_ms),
        shape=(round(WIDTH_MM / arguments.voxel),) * 3,
        voxel_mm=(arguments.voxel,) * 3,
    )
    for name, solutions in SOLUTIONS.items():
        for words, direction in DIRECTIONS.items():
            print(f"\n{name}, tubes {words}")
            _report(solutions, direction, arguments.wall, tuple(arguments.radii), protocol, recipe)


def _report(
    solutions: tuple[Solution, ...],
    direction: tuple[float, float, float],
    wall_mm: float,
    radii_mm: tuple[float, ...],
    protocol: Protocol,
    recipe: Recipe,
) -> None:
    simulated = simulate_tubes(rack(solutions, direction, wall_mm=wall_mm, radii_mm=radii_mm), protocol)
    began = time.perf_counter()
    maps = reconstruct(simulated.stack, recipe, reference_mask=simulated.water())
    seconds = time.perf_counter() - began
    cores = [simulated.tube(n, MARGIN_MM) for n in range(len(solutions))]
    means = [float(maps.susceptibility[core].mean()) for core in cores]
    concentrations = [s.concentration for s in solutions]
    slope, intercept = np.polyfit(concentrations, means, 1)
    true_slope, _ = np.polyfit(concentrations, [s.chi_ppm for s in solutions], 1)
    squared = np.corrcoef(concentrations, means)[0, 1] ** 2
    for solution, core, mean in zip(solutions, cores, means, strict=True):
        spread = float(maps.susceptibility[core].std())
        kept = 100 * float(maps.mask[core].mean())
        print(
            f"  {solution.concentration:6.2f}  {mean:8.4f} +- {spread:.4f} ppm, "
            f"true {solution.chi_ppm:8.4f}, mask {kept:.0f} %"
        )
    print(
        f"  slope {slope:.4f} ({100 * (slope / true_slope - 1):+.1f} %), intercept {intercept:.4f} ppm, "
        f"R squared {squared:.4f}, {maps.quality['inversion_iterations']:.0f} iterations, {seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
