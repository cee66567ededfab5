"""What one run of the benchmarks was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from qsmnode.engine import Recipe
from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead
from tests.bench.heads import Heads, load, whole_head
from tests.bench.metrics import SMALLEST_NUCLEUS, Truth
from tests.bench.timing import alone

T = TypeVar("T")

QUICK_MM = 4.0
_WARM_MM = 5.0


@dataclass(frozen=True)
class Setting:
    """One run.

    Attributes:
        seeds: of the heads.
        heads: where they come from.
        out: folder for tables and figures.
        recipe: the chain that is measured; "default" in the tables, whatever it is.
        voxel_mm: size of the reported voxels.
        quick: small grids and few cases, to see that everything works; its figures mean nothing.
        essential: the recipe beside the plain references only, not every other method and preset.
        large: whether the 0.5 mm head of 7 T is reconstructed too.
        count: random heads and protocols of the robustness part.
        first_case: seed of the first of them.
    """

    seeds: tuple[int, ...]
    heads: Heads
    out: Path
    recipe: Recipe
    voxel_mm: float = 1.0
    quick: bool = False
    essential: bool = False
    large: bool = False
    count: int = 50
    first_case: int = 1100

    def protocol(self, **changes: Any) -> Protocol:
        """How the heads are measured."""
        return whole_head(self.voxel_mm, **changes)

    def path(self, seed: int, **changes: Any) -> Path:
        """The file of a head."""
        return self.heads.path(HeadShape(seed), self.protocol(**changes))

    def head(self, seed: int, **changes: Any) -> SimulatedHead:
        """A head."""
        return load(self.path(seed, **changes))

    def warm_path(self) -> Path:
        """The file of a small head, to compile on before anything is timed."""
        return self.heads.path(HeadShape(1), whole_head(_WARM_MM))

    def truth(self, head: SimulatedHead, erosion_mm: float = 2.0) -> Truth:
        """What is scored against; nuclei of few voxels count only where voxels are small."""
        truth = Truth.of(head, erosion_mm)
        if not self.quick:
            return truth
        return Truth(**{**vars(truth), "smallest_nucleus": SMALLEST_NUCLEUS // 4})

    def apart(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call ``function`` in a process of its own; in a quick run here: starting one takes seconds."""
        return function(*arguments) if self.quick else alone(function, *arguments)

    def figure(self, name: str) -> Path:
        """Where a figure goes."""
        self.out.mkdir(parents=True, exist_ok=True)
        return self.out / (name.replace(",", "").replace(" ", "_") + ".png")
