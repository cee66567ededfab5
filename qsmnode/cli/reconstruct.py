"""``qsmnode reconstruct``: images on disk to maps on disk, without a node."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from qsmnode.config import AcceptanceSettings, SeveritySettings
from qsmnode.engine.recipe import Recipe
from qsmnode.errors import EngineInputError, UsageError
from qsmnode.observe.progress import ProgressLine


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "reconstruct",
        help="make maps from images on disk, without a node",
        description="Reconstruct every eligible acquisition; with several, each into a folder of its own.",
    )
    verb.add_argument("path", type=Path, nargs="+", metavar="PATH", help="files or folders of DICOM images")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    verb.add_argument(
        "--recipe", default="default", choices=Recipe.presets(), metavar="NAME", help="preset (see `methods`)"
    )
    verb.add_argument(
        "--step",
        action="append",
        default=[],
        metavar="STEP=METHOD",
        help="another method for a step, or one more step, such as r2star=nlls (see `methods`); repeatable",
    )
    verb.add_argument(
        "--accept",
        action="append",
        default=[],
        choices=sorted(SeveritySettings.model_fields),
        metavar="CHECK",
        help="only warn of what this acceptance check finds, such as filtered_phase for a phantom in a "
        "shimmed field (see `acceptance.severity` in `qsmnode config`); repeatable",
    )
    verb.add_argument(
        "--roi",
        type=Path,
        metavar="FILE",
        help="regions to measure: a DICOM Segmentation of the study, or NIfTI labels in the images' space "
        "with a .json or .tsv of the same name beside them (number, name, code, laterality)",
    )
    verb.add_argument("--format", default="dicom", choices=("dicom", "nifti"), help="default: dicom")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, reconstruct, write."""
    from qsmnode.node.offline import eligible, look_at, reconstruct_files

    recipe = _recipe(arguments.recipe, arguments.step)
    with ProgressLine("reading headers") as progress:
        found = look_at(arguments.path, progress)
    limits = AcceptanceSettings.default().tolerating(arguments.accept)
    acquisitions = eligible(found, limits)
    for number, acquisition in enumerate(acquisitions, start=1):
        out = arguments.out / f"acquisition-{number}" if len(acquisitions) > 1 else arguments.out
        with ProgressLine(acquisition.description) as progress:
            written = reconstruct_files(
                found, acquisition, recipe, arguments.format, out, progress, limits, arguments.roi
            )
        print(f"{acquisition.description}: {len(written)} files in {out}")
    return 0


def _recipe(preset: str, steps: list[str]) -> Recipe:
    """The preset with the methods that were asked for.

    Raises:
        UsageError: there is no such step or method, or it needs another one.
    """
    chosen = {"preset": preset}
    for text in steps:
        step, equals, method = text.partition("=")
        if not equals:
            raise UsageError(f"--step {text}: expected STEP=METHOD, such as r2star=nlls")
        chosen[step] = method
    try:
        return Recipe.from_mapping(chosen)
    except EngineInputError as error:
        raise UsageError(str(error)) from None
