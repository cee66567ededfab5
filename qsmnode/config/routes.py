"""What is done with which acquisition."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from qsmnode.config.acceptance import AcceptanceSettings
from qsmnode.config.match import Match
from qsmnode.config.regions import Regions, checked_form
from qsmnode.config.values import Settings, Text


class Route(Settings):
    """What is done with the acquisitions that match; the first route that matches wins."""

    name: Text = Field(max_length=64, description="Name of the route, as shown in jobs and explanations.")
    match: Match = Field(
        default_factory=lambda: Match.model_validate({}),
        description="Which acquisitions; left out or empty: every one.",
    )
    recipe: str | dict[str, Any] = Field(
        "default", description="Name of a preset, or a mapping of step to method and parameters."
    )
    products: tuple[Text, ...] = Field(("qsm", "report"), min_length=1, description="What is made and sent.")
    send_to: tuple[Text, ...] = Field(
        min_length=1, description="Names of the peers that receive the products."
    )
    ask_for_missing: Text | None = Field(
        None,
        description="Name of an archive that is asked for the images of an incomplete acquisition.",
    )
    on_reject: Literal["ledger", "report"] = Field(
        "ledger", description="Where the reason is shown when a matching acquisition cannot be reconstructed."
    )
    acceptance: AcceptanceSettings | None = Field(
        None, description="Limits and severities that are others on this route than at the top level."
    )
    regions: Regions | None = Field(
        None,
        description="Regions of interest whose numbers stand in the report: nuclei, which an atlas finds"
        " (experimental); a folder where somebody leaves them; or a program that draws them.",
    )
    iron: bool = Field(
        False,
        description="Whether the report estimates iron in gray-matter nuclei among the regions of interest.",
    )
    task: Literal["qsm"] = Field("qsm", description="What kind of job the route starts.")

    @field_validator("regions", mode="before")
    @classmethod
    def _regions_form(cls, value: Any) -> Any:
        return None if value is None else checked_form(value)

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe_form(cls, value: Any) -> Any:
        if isinstance(value, dict) or (isinstance(value, str) and value):
            return str(value) if isinstance(value, str) else value
        raise ValueError("expected the name of a preset or a mapping of step to method")
