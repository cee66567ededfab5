"""How far apart the maps of one head are that came through two encodings.

`python -m tests.phantom.encodings --seeds 1 5 6` prints it for more heads than a test has time for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qsmnode.engine import Maps, Recipe, reconstruct
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import Protocol, quick_protocol
from qsmnode.phantom.vendors import write
from tests.phantom.reading import Arrived

Encoding = tuple[str, int]  # a vendor and its bits

PAIRS: tuple[tuple[Encoding, Encoding], ...] = (
    (("philips", 16), ("siemens", 16)),
    (("ge", 16), ("siemens", 16)),
    (("ge-polar", 16), ("siemens", 16)),
    (("philips", 12), ("siemens", 12)),
    (("siemens", 12), ("siemens", 16)),
)
FEWEST_VOXELS = 20  # of a tissue whose mean is looked at


@dataclass(frozen=True)
class Distance:
    """What differs between two maps of a head.

    Attributes:
        alone: voxels that are in one of the two masks alone.
        both: voxels that are in both; the rest is about them.
        largest_ppb, p99_ppb, median_ppb: of the differences of single voxels.
        tissue_ppb: largest difference of a tissue's means.
    """

    alone: int
    both: int
    largest_ppb: float
    p99_ppb: float
    median_ppb: float
    tissue_ppb: float

    @classmethod
    def of(cls, one: Maps, other: Maps, head: SimulatedHead) -> Distance:
        """The distance of two maps on the head's grid."""
        both = one.mask & other.mask
        ppb = 1000.0 * (one.susceptibility.astype(np.float64) - other.susceptibility)
        tissues = [both & (head.labels == label) for label in np.unique(head.labels[both])]
        means = [abs(float(ppb[tissue].mean())) for tissue in tissues if tissue.sum() >= FEWEST_VOXELS]
        apart = np.abs(ppb[both])
        return cls(
            int(np.count_nonzero(one.mask != other.mask)),
            int(np.count_nonzero(both)),
            float(apart.max()),
            float(np.percentile(apart, 99)),
            float(np.median(apart)),
            max(means),
        )


@dataclass
class Mapped:
    """Maps of one head by encoding; equal arrays are reconstructed once."""

    head: SimulatedHead
    folder: Path
    by_encoding: dict[Encoding, Maps] = field(default_factory=dict)
    by_content: dict[str, Maps] = field(default_factory=dict)

    def __getitem__(self, encoding: Encoding) -> Maps:
        if encoding not in self.by_encoding:
            vendor, bits = encoding
            # a scanner that alternates the sign does so where it writes real and imaginary parts
            faults = ("alternating_sign",) if vendor == "ge" else ()
            files = write(vendor, self.head, self.folder / f"{vendor}-{bits}", bits=bits, faults=faults)
            self.by_encoding[encoding] = self._map_of(files)
        return self.by_encoding[encoding]

    def _map_of(self, files: Sequence[Path]) -> Maps:
        source = Arrived.of(files).source
        stack = source.stack
        facts = (stack.grid, stack.echo_times_s, stack.imaging_frequency_mhz, stack.readout_axis)
        content = repr((facts, hash(stack.magnitude.tobytes()), hash(stack.phase.tobytes())))
        if content not in self.by_content:
            self.by_content[content] = reconstruct(stack, Recipe.preset("default"))
        return self.by_content[content]


def coarse_head(seed: int) -> SimulatedHead:
    """A whole head in few voxels, with two echoes: quickly written, read and reconstructed."""
    protocol = Protocol((0.006, 0.020), shape=(38, 43, 24), voxel_mm=(5.0, 5.0, 7.5))
    return simulate(HeadShape(seed), protocol)


@contextmanager
def _mapped(seed: int, voxel_mm: float | None) -> Iterator[Mapped]:
    head = coarse_head(seed) if voxel_mm is None else simulate(HeadShape(seed), quick_protocol(voxel_mm))
    with tempfile.TemporaryDirectory() as folder:
        yield Mapped(head, Path(folder))


def main() -> None:
    """Print a line for each head and pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--voxel-mm", type=float, help="five echoes in cubes of this edge, not the coarse grid"
    )
    options = parser.parse_args()
    print("| head | maps | alone | both | largest ppb | p99 | median | tissue |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in options.seeds:
        with _mapped(seed, options.voxel_mm) as maps:
            for one, other in PAIRS:
                found = Distance.of(maps[one], maps[other], maps.head)
                figures = (found.largest_ppb, found.p99_ppb, found.median_ppb, found.tissue_ppb)
                numbers = " | ".join(f"{value:.3g}" for value in figures)
                print(
                    f"| {seed} | {' '.join(map(str, one))} - {' '.join(map(str, other))} "
                    f"| {found.alone} | {found.both} | {numbers} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
