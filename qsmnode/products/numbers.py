"""What every product that states numbers takes them from, so that all state the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from qsmnode.engine.types import Maps
from qsmnode.measure import iron as estimates
from qsmnode.measure.iron import Iron
from qsmnode.measure.offsets import Offset, reference_offsets
from qsmnode.measure.regions import Issue, MeasuredRegion
from qsmnode.measure.statistics import Measurement
from qsmnode.products.context import RecipeFacts


class Numbers(Protocol):
    """A reconstruction with what was measured in it, whatever its source came in."""

    def uid(self, *parts: str) -> str: ...

    @property
    def maps(self) -> Maps: ...

    @property
    def echo_times_s(self) -> tuple[float, ...]: ...

    @property
    def measurements(self) -> tuple[Measurement, ...]: ...

    @property
    def regions(self) -> tuple[MeasuredRegion, ...]: ...

    @property
    def region_failure(self) -> Issue | None: ...

    @property
    def recipe(self) -> RecipeFacts: ...

    @property
    def content_sha256(self) -> str: ...

    @property
    def withheld(self) -> bool: ...

    @property
    def iron(self) -> bool: ...


def whole_brain(made: Numbers) -> Measurement | None:
    """What was measured in the whole mask."""
    regions = {region.title for region in made.regions}
    return next((item for item in made.measurements if item.name not in regions), None)


def offsets(made: Numbers) -> tuple[Offset, ...]:
    """Where other references lie on the map's scale; without a number where numbers are withheld."""
    found = reference_offsets(made.maps, whole_brain(made), made.echo_times_s)
    if not made.withheld:
        return found
    return tuple(replace(one, ppb=None, reason="numbers of susceptibility are withheld") for one in found)


def tells_iron(made: Numbers) -> bool:
    """Whether iron is to be spoken of at all."""
    return made.iron and not made.withheld


def iron_in(made: Numbers, measured: MeasuredRegion) -> Iron | None:
    """The estimate in a region; None where nobody asks for it, or it is no nucleus with a number."""
    if not tells_iron(made) or measured.measurement is None:
        return None
    return estimates.iron(measured.region.structure, measured.measurement.mean_ppb)


def iron_in_words(made: Numbers, found: Iron) -> str:
    """Why there is no estimate, or what it rests on."""
    return found.reason or estimates.basis(made.maps.reference)
