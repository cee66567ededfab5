"""What every product is made from, and what it will be called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from pydicom import Dataset

from qsmnode import __version__
from qsmnode.config import SeriesSettings
from qsmnode.dicom.identity import derive_uid
from qsmnode.dicom.source import Source
from qsmnode.engine.departures import Departures, departures
from qsmnode.engine.quality import NUMBERS
from qsmnode.engine.types import Maps
from qsmnode.errors import EngineInputError, Finding
from qsmnode.measure.regions import Issue, MeasuredRegion
from qsmnode.measure.statistics import Measurement
from qsmnode.products.identity import plain
from qsmnode.products.page.style import PageStyle
from qsmnode.products.patient import identity_digest
from qsmnode.products.revision import REFUSAL_PAGE, REFUSAL_REPORT, Replaced, titled

_LARGEST_SOURCE_NUMBER = 20_000_000  # SeriesNumber is an IS, at most 2^31 - 1
_NO_SOURCE_NUMBER = 90
_LONGEST_DESCRIPTION = 64  # VR LO
_LONGEST_DEPARTURES = 400  # the places it goes to are of VR ST and LT
_USUAL_PAGE = PageStyle()
_AS_USUAL = SeriesSettings.model_validate({})


class RecipeFacts(Protocol):
    """What products say of a recipe."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def hash(self) -> str: ...

    def as_mapping(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Plan:
    """The names of a product's objects, known before any of them is made."""

    series_uid: str
    series_number: int
    sop_class_uid: str
    sop_instance_uids: tuple[str, ...]


@dataclass(frozen=True)
class ProductContext:
    """One reconstruction of one acquisition.

    Attributes:
        source: what it was made from.
        maps: what the engine gave, on the source's grid.
        measurements: what was measured in it: the whole brain, then each region that has numbers.
        regions: of interest, measured or with the reason why not.
        region_failure: why there are none although they were asked for; None: nothing failed.
        recipe: how.
        created_at: the time inside every object: wall clock of the site (see ``TimezoneOffsetFromUTC`` in
            :func:`qsmnode.products.identity.date_and_time`). Nothing else tells a product the time.
        revision: 1, or how often the acquisition changed after it was delivered, plus 1.
        replaces: the products of the revision before, and of refusals since, by name; each new one names its
            own.
        node: name of this node, such as its AE title.
        options: product options and whatever else changes the objects; part of their UIDs.
        page: what the site chooses of the one-page summary.
        iron: whether iron is estimated in gray-matter nuclei.
        styles: how products present themselves, by name, where not as usual; part of their own UIDs.
        transforms: the library of the Fourier transforms and its version where it is not the default one,
            else "". It changes the last bits of the map, and so is part of the UIDs.

    Raises:
        EngineInputError: the maps do not lie on the source's grid.
    """

    source: Source
    maps: Maps
    measurements: tuple[Measurement, ...]
    recipe: RecipeFacts
    created_at: datetime
    revision: int = 1
    replaces: Mapping[str, Replaced] = field(default_factory=dict)
    node: str = "QSMNODE"
    options: Mapping[str, str] = field(default_factory=dict)
    transforms: str = ""
    styles: Mapping[str, SeriesSettings] = field(default_factory=dict)
    regions: tuple[MeasuredRegion, ...] = ()
    page: PageStyle = _USUAL_PAGE
    iron: bool = False
    region_failure: Issue | None = None

    def __post_init__(self) -> None:
        shape = self.source.stack.grid.shape
        if self.maps.susceptibility.shape != shape or len(self.source.slices) != shape[2]:
            raise EngineInputError(
                f"maps: expected the source's grid {shape} and one source per slice, got "
                f"{self.maps.susceptibility.shape} and {len(self.source.slices)} slices"
            )

    def uid(self, *parts: str) -> str:
        """A UID that follows from input content, identity, recipe, versions, options and ``parts``.

        The time is not part of it: the same job built twice is the same objects.
        """
        options = [f"{name}={value}" for name, value in sorted(self.options.items())]
        if self.transforms:
            options.append(f"transforms {self.transforms}")
        # the same images, never refused, make objects that name no refusal
        refused = [self.replaces[name] for name in (REFUSAL_REPORT, REFUSAL_PAGE) if name in self.replaces]
        options += [f"after {one.sop_instance_uid}" for one in refused]
        return derive_uid(
            self.source.content_sha256,
            self._identity,
            self.recipe.hash,
            __version__,
            str(self.revision),
            *options,
            *(f"{finding.check}: {finding.severity}" for finding in self.findings),
            *parts,
        )

    @cached_property
    def drawn(self) -> tuple[str, ...]:
        """The regions as parts of the UIDs of products that hold them; maps do not change with them."""
        failed = self.region_failure
        without = () if failed is None else (f"no regions: {failed.kind}: {failed.words}",)
        return (*(one.region.digest for one in self.regions), *without)

    @cached_property
    def told(self) -> tuple[str, ...]:
        """The regions and what is told of them, as parts of the UIDs of products that tell it."""
        return (*self.drawn, "iron") if self.iron and self.regions else self.drawn

    @cached_property
    def _identity(self) -> str:
        return identity_digest(self.source.template)

    @property
    def template(self) -> Dataset:
        """The header that patient, study and equipment are copied from."""
        return self.source.template

    @property
    def echo_times_s(self) -> tuple[float, ...]:
        """Of the source."""
        return self.source.stack.echo_times_s

    @property
    def content_sha256(self) -> str:
        """Of what was read."""
        return self.source.content_sha256

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the acceptance checks found."""
        return self.source.findings

    def style(self, product: str) -> SeriesSettings:
        """How a product presents itself."""
        return self.styles.get(product, _AS_USUAL)

    def styled(self, product: str) -> tuple[str, ...]:
        """What is other than usual about that, as parts of a UID."""
        return self.style(product).facts()

    @cached_property
    def departures(self) -> Departures:
        """What is other in this recipe than in a preset."""
        return departures(self.recipe.as_mapping())

    def title(self, name: str, *, as_it_is: bool = False) -> str:
        """A SeriesDescription: what it is, what is other than usual, what is wrong with it, what it is for.

        Args:
            name: what it is.
            as_it_is: whether a site chose the name, and relies on it.
        """
        if self.departures.short and not as_it_is:
            name = f"{name}, {self.departures.short}"
        words = [""]
        if any(finding.severity == "degraded" for finding in self.findings):
            words.append("DEGRADED")
        if self.withheld:
            words.append("NUMBERS WITHHELD")
        rest = f"{' '.join(words)} (research use)"
        room = _LONGEST_DESCRIPTION - len(titled(rest, self.revision))
        return f"{plain(name)[:room].rstrip()}{rest}"

    @property
    def withheld(self) -> bool:
        """Whether no number of susceptibility may be given."""
        return any(finding.severity == "withhold" for finding in self.findings)

    @property
    def quality(self) -> dict[str, float]:
        """Numbers of quality by name; those in ppm only where numbers of susceptibility may be given."""
        return {
            name: value
            for name, value in sorted(self.maps.quality.items())
            if not (self.withheld and name in NUMBERS and NUMBERS[name][0] == "ppm")
        }

    def series_number(self, offset: int) -> int:
        """A number that names the source's series."""
        return series_number(self.source.template, offset)

    @property
    def algorithm(self) -> str:
        """Recipe, version and hash in one line, and the library of the transforms where it is unusual."""
        transforms = f", Fourier transforms by {self.transforms}" if self.transforms else ""
        other = f", {shortened(str(self.departures), _LONGEST_DEPARTURES)}" if str(self.departures) else ""
        return (
            f"qsmnode {__version__}, recipe {self.recipe.version}, "
            f"sha256 {self.recipe.hash[:16]}{transforms}{other}"
        )


def series_number(template: Dataset, offset: int) -> int:
    """A number that names the source's: 3 becomes 301, 302 ..."""
    found = template.get("SeriesNumber")
    number = int(found) if found is not None else 0
    return (number if 0 < number < _LARGEST_SOURCE_NUMBER else _NO_SOURCE_NUMBER) * 100 + offset


def shortened(words: str, limit: int) -> str:
    """As much as there is room for; where it is cut it says so."""
    return words if len(words) <= limit else f"{words[: limit - 3]}..."
