"""Benchmarks of accuracy, time and memory, as one command.

    .venv/bin/python -m tests.bench all
    .venv/bin/python -m tests.bench chain inversion --seeds 1000 --out out/bench
    .venv/bin/python -m tests.bench all --quick

Tables are printed and written as CSV and Markdown, figures as PNG.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qsmnode.engine import Recipe
from tests.bench import (
    chain,
    combinations,
    contrasts,
    edges,
    inversion,
    microbleeds,
    nuclei,
    robustness,
    scaling,
    unwrapping,
)
from tests.bench.heads import REPORTING, TUNING, Heads, default_cache
from tests.bench.musts import judged
from tests.bench.setting import QUICK_MM, Setting
from tests.bench.tables import Table

PARTS: Mapping[str, Callable[[Setting], list[Table]]] = {
    "inversion": inversion.run,
    "chain": chain.run,
    "combinations": combinations.run,
    "unwrapping": unwrapping.run,
    "scaling": scaling.run,
    "robustness": robustness.run,
    "edges": edges.run,
    "contrasts": contrasts.run,
    "microbleeds": microbleeds.run,
    "nuclei": nuclei.run,
}
TUNE = "tune-plain"
_ALPHAS, _COUPLINGS = [1e-5, 2e-5, 3e-5, 6e-5, 1.2e-4], [30.0, 100.0, 300.0]
_FIRST_TUNING_CASE = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 where --strict was given and a requirement is not met."""
    given = _parser().parse_args(arguments)
    setting = _setting(given)
    chosen = list(PARTS) if "all" in given.parts else list(dict.fromkeys(given.parts))
    print(f"recipe {setting.recipe.version}, sha256 {setting.recipe.hash[:16]}; tables in {setting.out}")
    tables: dict[str, Table] = {}
    for name in chosen:
        began = time.perf_counter()
        made = inversion.tune(setting, _ALPHAS, _COUPLINGS) if name == TUNE else PARTS[name](setting)
        for table in made:
            tables[table.name] = table
            table.write(setting.out)
            print("\n" + table.markdown(), flush=True)
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    verdict = judged(tables)
    if not verdict.rows:
        return 0
    verdict.write(setting.out)
    print("\n" + verdict.markdown())
    return int(given.strict and any(row["verdict"] != "pass" for row in verdict.rows))


def _setting(given: argparse.Namespace) -> Setting:
    seeds = given.seeds or (TUNING if given.tuning else REPORTING)
    if given.quick:
        seeds = seeds[:1]
    text = given.recipe
    recipe = Recipe.from_mapping(json.loads(text) if text.startswith("{") else text)
    first = _FIRST_TUNING_CASE if given.tuning else Setting.first_case
    return Setting(
        seeds=tuple(seeds),
        heads=Heads(given.cache),
        out=given.out,
        recipe=recipe,
        voxel_mm=given.voxel_mm or (QUICK_MM if given.quick else 1.0),
        quick=given.quick,
        essential=given.essential,
        large=given.large,
        count=given.cases,
        first_case=first if given.first_case is None else given.first_case,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="+", choices=[*PARTS, TUNE, "all"], metavar="part", help=_parts())
    parser.add_argument("--seeds", type=int, nargs="+", help="of the heads; default: the reporting seeds")
    parser.add_argument("--tuning", action="store_true", help="tuning seeds instead of the reporting seeds")
    parser.add_argument(
        "--essential",
        action="store_true",
        help="the recipe and the plain references only: minutes, not hours",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one small head, few cases: does it work at all?"
    )
    parser.add_argument("--voxel-mm", type=float, help="voxels of the heads; default: 1")
    parser.add_argument("--recipe", default="default", help="a preset, or a recipe as JSON; default: default")
    parser.add_argument("--large", action="store_true", help="scaling: the 0.5 mm head of 7 T too")
    parser.add_argument("--cases", type=int, default=Setting.count, help="robustness: how many; default: 50")
    parser.add_argument("--first-case", type=int, help="robustness: seed of the first case")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="default: out/bench")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where simulated heads are kept")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a requirement is not met")
    return parser


def _parts() -> str:
    return f"one or more of {', '.join(PARTS)}, {TUNE}; or all (without {TUNE})"


if __name__ == "__main__":
    raise SystemExit(main())
