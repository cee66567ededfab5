"""``qsmnode reconstruct``: images on disk to maps on disk, without a node."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsmnode.config import AcceptanceSettings, SeveritySettings
from qsmnode.engine.recipe import Recipe
from qsmnode.errors import EngineInputError, NotEligible, UsageError
from qsmnode.observe.progress import ProgressLine

if TYPE_CHECKING:
    from qsmnode.node.destination import Destination


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "reconstruct",
        help="make maps from images on disk, without a node",
        description="Reconstruct every eligible acquisition; with several, each into a folder of its own.",
    )
    verb.add_argument(
        "path",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="files or folders of DICOM images; or a BIDS dataset, or NIfTI files named as in one "
        "(NAME_part-mag_MEGRE.nii.gz, NAME_part-phase_MEGRE.nii.gz) with their sidecars",
    )
    verb.add_argument("--out", type=Path, metavar="DIR", help="where the results go")
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
    _add_regions(verb)
    _add_output(verb)
    verb.set_defaults(run=run, verb_parser=verb)


def _add_regions(verb: argparse.ArgumentParser) -> None:
    regions = verb.add_mutually_exclusive_group()
    regions.add_argument(
        "--roi",
        type=Path,
        metavar="FILE",
        help="regions to measure: a DICOM Segmentation of the study, or NIfTI labels in the images' space "
        "with a .json or .tsv of the same name beside them (number, name, code, laterality)",
    )
    regions.add_argument(
        "--nuclei",
        action="store_true",
        help="let the atlas find deep nuclei and measure them (experimental; needs the extra [atlas])",
    )
    verb.add_argument(
        "--iron",
        action="store_true",
        help="with --roi or --nuclei: estimate iron in the gray-matter nuclei among the regions",
    )


def _add_output(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--format",
        default="dicom",
        choices=("dicom", "nifti"),
        help="of what goes to --out; default: dicom, which NIfTI images cannot become",
    )
    verb.add_argument(
        "--bids", type=Path, metavar="DIR", help="a BIDS derivative dataset to write, beside --out or instead"
    )
    verb.add_argument(
        "--subject", default="", metavar="LABEL", help="with --bids: for images whose names say no subject"
    )
    verb.add_argument("--session", default="", metavar="LABEL", help="with --bids: the same")


def run(arguments: argparse.Namespace) -> int:
    """Read, reconstruct, write."""
    from qsmnode.bids.scan import holds_nifti

    if arguments.out is None and arguments.bids is None:
        arguments.verb_parser.error("the following arguments are required: --out or --bids")
    if arguments.bids is None and (arguments.subject or arguments.session):
        arguments.verb_parser.error("--subject and --session need --bids DIR")
    if arguments.nuclei and (why := _why_no_nuclei()):
        raise UsageError(f"--nuclei: {why}")
    if arguments.iron and arguments.roi is None and not arguments.nuclei:
        arguments.verb_parser.error("--iron needs regions: --roi FILE or --nuclei")
    recipe = _recipe(arguments.recipe, arguments.step)
    limits = AcceptanceSettings.default().tolerating(arguments.accept)
    of_kind = _scans if holds_nifti(arguments.path) else _acquisitions
    of_kind(arguments, recipe, limits)
    return 0


def _why_no_nuclei() -> str:
    from qsmnode.node.regions.nuclei import why_unavailable

    return why_unavailable()


def _destination(arguments: argparse.Namespace) -> Destination:
    from qsmnode.node.destination import Destination

    return Destination(arguments.out, arguments.format, arguments.bids, arguments.subject, arguments.session)


def _acquisitions(arguments: argparse.Namespace, recipe: Recipe, limits: AcceptanceSettings) -> None:
    """DICOM images."""
    from qsmnode.node.offline import eligible, look_at, reconstruct_acquisition

    destination = _destination(arguments)
    with ProgressLine("reading headers") as progress:
        found = look_at(arguments.path, progress)
    acquisitions = eligible(found, limits)
    places = destination.places_of_acquisitions(len(acquisitions))
    folders = destination.folders(len(acquisitions))
    for acquisition, place, folder in zip(acquisitions, places, folders, strict=True):
        destination.prepare(folder)
        with ProgressLine(acquisition.description) as progress:
            context = reconstruct_acquisition(
                found,
                acquisition,
                recipe,
                progress,
                limits,
                arguments.roi,
                nuclei=arguments.nuclei,
                iron=arguments.iron,
            )
        _say(
            acquisition.description, destination.write_context(context, folder, place), folder, arguments.bids
        )


def _scans(arguments: argparse.Namespace, recipe: Recipe, limits: AcceptanceSettings) -> None:
    """NIfTI images: one scan that cannot become a map keeps no other from it."""
    from qsmnode.bids.scan import scans_under
    from qsmnode.node.offline_nifti import reconstruct_scan

    destination = _destination(arguments)
    destination.refuse_without_header()
    scans = scans_under(arguments.path)
    places, folders = destination.places_of_scans(scans), destination.folders(len(scans))
    refused = []
    for scan, place, folder in zip(scans, places, folders, strict=True):
        destination.prepare(folder, scan.dataset)
        try:
            with ProgressLine(scan.label) as progress:
                result = reconstruct_scan(
                    scan,
                    recipe,
                    progress,
                    limits,
                    arguments.roi,
                    nuclei=arguments.nuclei,
                    iron=arguments.iron,
                )
        except NotEligible as error:
            refused.append(f"{scan.label}: {error}")
            continue
        _say(scan.label, destination.write_result(result, folder, place), folder, arguments.bids)
    if refused:
        raise NotEligible("\n".join([f"{len(refused)} of {len(scans)} scans became no map", *refused]))


def _say(what: str, written: Sequence[Path], *folders: Path | None) -> None:
    places = " and ".join(str(folder) for folder in folders if folder is not None)
    print(f"{what}: {len(written)} files in {places}")


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
