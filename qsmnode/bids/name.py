"""File names as BIDS builds them: ``sub-01_ses-2_echo-1_part-mag_MEGRE.nii.gz``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

IMAGES = (".nii.gz", ".nii")
SIDECAR = ".json"


@dataclass(frozen=True)
class Name:
    """A file name in its pieces.

    Attributes:
        pieces: what stands before the suffix, ``key-label`` or a plain word each.
        suffix: the kind of data, such as ``MEGRE``.
    """

    pieces: tuple[str, ...]
    suffix: str

    @cached_property
    def entities(self) -> Mapping[str, str]:
        """Key to label, in the order of the name."""
        return dict(piece.split("-", 1) for piece in self.pieces if "-" in piece)

    @property
    def scan(self) -> tuple[str, ...]:
        """What all images of one scan share: every piece but ``echo`` and ``part``."""
        return tuple(piece for piece in self.pieces if piece.split("-", 1)[0] not in ("echo", "part"))

    def describes(self, other: Name) -> bool:
        """Whether a sidecar of this name speaks for an image of the other (BIDS' inheritance)."""
        return self.suffix == other.suffix and set(self.pieces) <= set(other.pieces)


def parsed(file_name: str, endings: tuple[str, ...] = IMAGES) -> Name | None:
    """The name of a file that ends so; None for any other."""
    ending = next((each for each in endings if file_name.lower().endswith(each)), None)
    if ending is None:
        return None
    *pieces, suffix = file_name[: -len(ending)].split("_")
    return Name(tuple(pieces), suffix)
