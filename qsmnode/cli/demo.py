"""``qsmnode demo``: the main job on a simulated head, from scanner to archive."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from qsmnode.cli.settings import load_config
from qsmnode.observe.log import set_up
from qsmnode.observe.progress import ProgressLine

# the names of `qsmnode.phantom.vendors` and of its faults, here too so that asking for help loads no numerics
VENDORS = (
    "siemens",
    "siemens-xa",
    "siemens-xa-split",
    "philips",
    "philips-enhanced",
    "ge",
    "ge-polar",
    "canon",
    "uih",
    "hitachi",
)
FAULTS = (
    "single_echo",
    "late_first_echo",
    "two_dimensional",
    "gap",
    "coarse_voxels",
    "short_coverage",
    "low_snr",
    "bipolar",
    "alternating_sign",
    "homodyne",
    "unwrapped",
    "unscaled_phase",
    "unknown_phase_scaling",
    "missing_slice",
    "missing_echo",
    "missing_phase",
    "duplicated_slice",
    "unequal_spacing",
    "equal_echo_numbers",
    "missing_echo_numbers",
    "repeated_instance_numbers",
    "resent_with_other_bytes",
)
_WITHIN_PPB, _WITHIN_SHARE = 5.0, 0.10


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "demo",
        help="run the main job on a simulated head",
        description="Simulate a head, send it to a node over a real association, and show what comes of it.",
    )
    verb.add_argument("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="default: ./demo-out")
    verb.add_argument("--seed", type=int, default=1, metavar="N", help="which head (default: 1)")
    verb.add_argument(
        "--vendor",
        choices=VENDORS,
        default=VENDORS[0],
        metavar="NAME",
        help=f"whose encoding: {', '.join(VENDORS)} (default: {VENDORS[0]})",
    )
    verb.add_argument(
        "--fault",
        action="append",
        choices=FAULTS,
        default=[],
        metavar="NAME",
        help=f"what is wrong with the scan, repeatable: {', '.join(FAULTS)}; a refusal exits with 3",
    )
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Simulate, run a node, send, wait, compare, picture."""
    from qsmnode.node import demonstration
    from qsmnode.node.runtime import Node
    from qsmnode.products.preview import write_capture, write_preview

    out = arguments.out.absolute()
    set_up("warning")
    config = load_config(demonstration.prepare(out, _free_port()))
    with ProgressLine("simulating a head") as progress:
        head = demonstration.simulated(arguments.seed, progress)
        files = demonstration.scan(head, out, arguments.vendor, arguments.fault)
    with Node(config) as node:
        with ProgressLine(f"sending {len(files)} images to {config.node.ae_title}") as progress:
            demonstration.send(config, node.port, files, progress)
        with ProgressLine("reconstructing and delivering") as progress:
            demonstration.wait(node, progress)
        reference, remarks = demonstration.said(node.store)
    objects = demonstration.delivered(out)
    chi_ppb = demonstration.series_ppb(objects["MR"])
    voxel_mm = demonstration.series_voxel_mm(objects["MR"])
    picture = write_preview(out / "qsm.png", chi_ppb, voxel_mm, reference)
    page = write_capture(out / "page.png", objects["OT"][0])
    if chi_ppb.shape == head.susceptibility_ppm.shape:
        _print(demonstration.compared(head, chi_ppb))
    else:
        print("the map has other voxels than the head: not compared with the truth")
    for remark in remarks:
        print(f"the report says: {remark}")
    print(f"QSM series  {objects['MR'][0].parent}  ({len(objects['MR'])} images, ppb)")
    print(f"report      {objects['SR'][0]}")
    print(f"page        {objects['OT'][0]}")
    print(f"pictures    {picture}, {page}")
    print(f"the node    qsmnode jobs -c {out / demonstration.SETTINGS}")
    return 0


def _print(rows: Any) -> None:
    table = Table(title="susceptibility relative to the brain, ppb", title_justify="left")
    for name in ("nucleus", "voxels", "measured", "true", "difference"):
        table.add_column(name, justify="left" if name == "nucleus" else "right")
    for row in rows:
        difference = row.measured_ppb - row.true_ppb
        within = abs(difference) <= max(_WITHIN_PPB, _WITHIN_SHARE * abs(row.true_ppb))
        table.add_row(
            row.name,
            str(row.voxels),
            f"{row.measured_ppb:.1f}",
            f"{row.true_ppb:.1f}",
            f"{difference:+.1f}{' ' if within else '*'}",
        )
    Console().print(table)
    if any("*" in str(cell) for cell in table.columns[-1].cells):
        print("* differs by more than 10 % and more than 5 ppb")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
