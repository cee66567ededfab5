"""How the images of a product present themselves in a viewer."""

from __future__ import annotations

from pydantic import Field, field_validator

from qsmnode.config.values import Number, Settings, Text, WholeNumber


class SeriesSettings(Settings):
    """How the images of one product present themselves in a viewer."""

    description: Text | None = Field(
        None,
        max_length=40,
        description="Beginning of the SeriesDescription; cut where what is wrong with the map needs room.",
    )
    number: WholeNumber | None = Field(
        None, ge=1, le=99, description="Last two digits of the SeriesNumber, after the source's."
    )
    window: tuple[Number, Number] | None = Field(
        None, description="Centre and width of the window, in the unit of the series."
    )

    @field_validator("window")
    @classmethod
    def _is_wide(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[1] <= 0:
            raise ValueError("expected a centre and a width above 0")
        return value

    def facts(self) -> tuple[str, ...]:
        """What is other than usual, as text; empty for the defaults."""
        return tuple(f"{name}={value}" for name, value in self.model_dump(exclude_none=True).items())
