"""Where a route's regions of interest come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationInfo, field_validator

from qsmnode.config.values import FolderPath, Number, Settings, Text, absolute

NUCLEI: Literal["nuclei"] = "nuclei"
_EXPECTED = "expected nuclei, or a mapping with either folder or program"
_DAY_S = 86_400


class RegionFolder(Settings):
    """A folder where somebody leaves a DICOM Segmentation, or NIfTI labels with their lookup, for a study."""

    siblings: ClassVar[tuple[str, ...]] = ("program", "timeout_s")

    folder: FolderPath = Field(
        description="Folder of the files; looked up by the UIDs of study and source series and by the"
        " accession number. Nothing is written or removed there."
    )
    wait_s: Number = Field(
        0.0,
        ge=0,
        le=_DAY_S,
        description="How long a job waits for the file once its map is made, in seconds, beyond its own"
        " time; its worker waits with it.",
    )


class RegionProgram(Settings):
    """A program that draws regions: it gets images in a folder of its own and leaves labels there."""

    siblings: ClassVar[tuple[str, ...]] = ("folder", "wait_s")

    program: tuple[Text, ...] = Field(
        min_length=1,
        max_length=64,
        description="The path of the program's file and its arguments, without a shell; its folder comes"
        " last.",
    )
    timeout_s: Number = Field(
        600.0,
        ge=1,
        le=_DAY_S,
        description="How long it may run, in seconds; then it is ended with everything that it started.",
    )

    @field_validator("program")
    @classmethod
    def _from_here(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "/" not in value[0]:
            raise ValueError(f"expected the path of a file, such as /opt/{value[0]}: it is not searched for")
        return (str(absolute(Path(value[0]), info)), *value[1:])


def _tag(value: Any) -> str:
    if isinstance(value, RegionProgram) or (isinstance(value, dict) and "program" in value):
        return "#program"
    return "#folder" if isinstance(value, (RegionFolder, dict)) else "#nuclei"


Regions = Annotated[
    Annotated[Literal["nuclei"], Tag("#nuclei")]
    | Annotated[RegionFolder, Tag("#folder")]
    | Annotated[RegionProgram, Tag("#program")],
    Discriminator(_tag),
]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Regions)


def checked_form(value: Any) -> Any:
    """The value, where it is one of the forms.

    Raises:
        ValueError: it is none, or more than one.
    """
    if isinstance(value, dict) and ("folder" in value) == ("program" in value):
        raise ValueError(_EXPECTED)
    if value != NUCLEI and not isinstance(value, (dict, RegionFolder, RegionProgram)):
        raise ValueError(_EXPECTED)
    return value


def as_plain(regions: Regions | None) -> Any:
    """The setting as plain values, for a job's order."""
    return regions.model_dump(mode="json") if isinstance(regions, Settings) else regions


def from_plain(values: Any) -> Regions | None:
    """The setting that :func:`as_plain` wrote."""
    found: Regions | None = None if values is None else _ADAPTER.validate_python(values)
    return found


def patience_s(values: Any) -> float:
    """How long the plain setting lets a job wait beyond its own time."""
    if not isinstance(values, dict):
        return 0.0
    return float(values.get("wait_s", 0.0)) + float(values.get("timeout_s", 0.0))


def in_words(values: Any) -> str:
    """The plain setting for listings, "" without one: never a program's arguments, which may be secrets."""
    if isinstance(values, dict):
        return f"program {values['program'][0]}" if "program" in values else f"folder {values['folder']}"
    return str(values or "")
