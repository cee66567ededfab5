"""What a route asks for: typed predicates, parsed here, decided in ``qsmnode.node.router``."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic_core import CoreSchema

from qsmnode.config.values import AETitle, Number, Settings, Text, WholeNumber

Kind = Literal["magnitude", "phase", "real", "imaginary"]


def _check_scalar(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("expected text or a number; put words such as true and null in quotes")
    if value == "" or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("expected text that is not empty, or a finite number")
    return value


MatchScalar = Annotated[int | float | str, BeforeValidator(_check_scalar)]


def _check_order(low: float | None, high: float | None) -> None:
    if low is None and high is None:
        raise ValueError("expected min, max or both")
    if low is not None and high is not None and low > high:
        raise ValueError(f"min ({low:g}) is above max ({high:g}): nothing could match")


class Range(Settings):
    """A closed interval; either end may be left out."""

    min: Number | None = Field(None, description="Smallest value that matches.")
    max: Number | None = Field(None, description="Largest value that matches.")

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        _check_order(self.min, self.max)
        return self


class RangeCondition(Range):
    """One of the element's values lies in the interval."""

    siblings: ClassVar[tuple[str, ...]] = ("regex", "not", "any", "all")


class CountRange(Settings):
    """A closed interval of whole numbers; either end may be left out."""

    min: WholeNumber | None = Field(None, ge=0, description="Smallest count that matches.")
    max: WholeNumber | None = Field(None, ge=0, description="Largest count that matches.")

    @model_validator(mode="after")
    def _ordered(self) -> CountRange:
        _check_order(self.min, self.max)
        return self


def _range_tag(value: Any) -> str:
    return "#range" if isinstance(value, (dict, Settings)) else "#number"


class AcquisitionMatch(Settings):
    """Predicates on what this node computes about the acquisition, whatever the vendor's tags say."""

    echoes: (
        Annotated[
            Annotated[int, Field(strict=True, ge=1), Tag("#number")] | Annotated[CountRange, Tag("#range")],
            Discriminator(_range_tag),
        ]
        | None
    ) = Field(None, description="Number of different echo times: exactly this many, or from min to max.")
    kinds: tuple[Kind, ...] = Field(
        (), description="Kinds of image that must all be there; others may be as well."
    )
    dimensions: Literal[2, 3] | None = Field(
        None, description="2 for a slice-by-slice, 3 for a volume acquisition."
    )
    field_t: (
        Annotated[
            Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False), Tag("#number")]
            | Annotated[Range, Tag("#range")],
            Discriminator(_range_tag),
        ]
        | None
    ) = Field(
        None, description="Field strength in T: a nominal value (0.25 T either way), or from min to max."
    )
    voxel_mm: Range | None = Field(None, description="Longest edge of a voxel in mm, from min to max.")


def _check_regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        where = "" if error.pos is None else f" at character {error.pos + 1}"
        raise ValueError(f"not a regular expression: {error.msg}{where}") from None
    except (OverflowError, RecursionError):
        raise ValueError("not a regular expression: too large") from None
    return pattern


class RegexCondition(Settings):
    """The pattern is found somewhere in the value (Python's ``re`` syntax)."""

    regex: Annotated[Text, AfterValidator(_check_regex)] = Field(
        description="Regular expression, searched in each value."
    )


class NotCondition(Settings):
    """The condition inside does not hold."""

    not_: Condition = Field(alias="not", description="Condition that must not hold.")


class AnyCondition(Settings):
    """At least one instance satisfies the condition inside, whatever the others hold."""

    any_: Condition = Field(alias="any", description="Condition that at least one instance must satisfy.")


class AllCondition(Settings):
    """Every instance that has a value satisfies the condition inside; one that does not is no match."""

    all_: Condition = Field(
        alias="all", description="Condition that every instance with a value must satisfy."
    )


def _condition_tag(value: Any) -> str:
    if isinstance(value, dict):
        named = [f"#{key}" for key in ("regex", "not", "any", "all") if key in value]
        return named[0] if named else "#range"
    for model, tag in _MODEL_TAGS:
        if isinstance(value, model):
            return tag
    return "#list" if isinstance(value, (list, tuple)) else "#value"


_MODEL_TAGS: tuple[tuple[type[Settings], str], ...] = (
    (RegexCondition, "#regex"),
    (NotCondition, "#not"),
    (AnyCondition, "#any"),
    (AllCondition, "#all"),
    (RangeCondition, "#range"),
)

Condition = Annotated[
    Annotated[MatchScalar, Tag("#value")]
    | Annotated[tuple[MatchScalar, ...], Field(min_length=1), Tag("#list")]
    | Annotated[RegexCondition, Tag("#regex")]
    | Annotated[RangeCondition, Tag("#range")]
    | Annotated[NotCondition, Tag("#not")]
    | Annotated[AnyCondition, Tag("#any")]
    | Annotated[AllCondition, Tag("#all")],
    Discriminator(_condition_tag),
]

KEYWORDS = "#keywords"


class Match(Settings):
    """All predicates must hold; none at all matches every acquisition."""

    calling_ae: tuple[AETitle, ...] | None = Field(
        None, min_length=1, description="AE titles of senders; every image must have come from one of them."
    )
    acquisition: AcquisitionMatch | None = Field(
        None, description="Predicates on what this node computes about the acquisition."
    )
    keywords: dict[str, Condition] = Field(
        default_factory=dict,
        alias="#keywords",
        description="Any DICOM keyword: a value, a list of values, {regex: ...}, {min: ..., max: ...}, "
        "{not: ...}; {any: ...} and {all: ...} say what to do when instances differ.",
    )

    @model_validator(mode="before")
    @classmethod
    def _gather_keywords(cls, value: Any) -> Any:
        """DICOM keywords stand beside ``calling_ae`` in the YAML and in a mapping of their own here."""
        if not isinstance(value, dict) or KEYWORDS in value:
            return value
        own = {name: value[name] for name in ("calling_ae", "acquisition") if name in value}
        return own | {KEYWORDS: {name: each for name, each in value.items() if name not in own}}

    @classmethod
    def field_of(cls, key: str) -> str:
        return key if key in ("calling_ae", "acquisition") else "keywords"

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        gathered = schema["properties"].pop(KEYWORDS)
        schema["additionalProperties"] = gathered["additionalProperties"] | {
            "description": gathered["description"]
        }
        return schema


for _model in (NotCondition, AnyCondition, AllCondition, Match):
    _model.model_rebuild()
