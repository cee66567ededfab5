"""What an acquisition must be like, and what follows where it is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from qsmnode.config.values import Number, Settings, WholeNumber

Severity = Literal["pass", "warn", "degraded", "withhold", "reject"]


class SeveritySettings(Settings):
    """What a departure leads to: pass, warn, degraded, withhold (no numbers) or reject (no map)."""

    dimensions: Severity = Field("warn", description="A 2-D acquisition, or one that does not say.")
    echoes: Severity = Field("degraded", description="Fewer echoes than min_echoes.")
    first_echo: Severity = Field("warn", description="A first echo later than max_first_echo_ms.")
    echo_spacing: Severity = Field("warn", description="Echoes that are not equally far apart.")
    last_echo: Severity = Field("warn", description="A last echo outside its range.")
    in_plane: Severity = Field("warn", description="Voxels larger than max_in_plane_mm.")
    anisotropy: Severity = Field("warn", description="Voxels longer than max_anisotropy says.")
    coverage: Severity = Field("warn", description="Less of the head than min_coverage_mm.")
    field_strength: Severity = Field("reject", description="A field strength that is not known.")
    b0_axis: Severity = Field("reject", description="A magnet whose field may not lie along the table.")
    contrast_agent: Severity = Field("withhold", description="A contrast agent was given.")
    neck: Severity = Field("withhold", description="The body part registered is the neck.")
    filtered_phase: Severity = Field("reject", description="Phase that the scanner has filtered.")
    unwrapped_phase: Severity = Field("warn", description="Phase that the scanner has unwrapped.")
    poles: Severity = Field("warn", description="Poles left by the combination of coils.")
    bipolar: Severity = Field("warn", description="A bipolar readout, which was corrected.")
    snr: Severity = Field("warn", description="A first echo with too much noise.")
    ghosting: Severity = Field("warn", description="Ghosts of a head that moved.")
    mask: Severity = Field("warn", description="A mask that is no plausible brain.")
    fit: Severity = Field("withhold", description="Echoes that do not lie on a line.")
    streaks: Severity = Field("withhold", description="Streaks along the dipole's cone.")
    quality: Severity = Field("warn", description="Another number of the reconstruction out of its range.")


class AcceptanceSettings(Settings):
    """What an acquisition must be like, and what follows where it is not."""

    min_echoes: WholeNumber = Field(3, ge=1, le=64, description="Fewest echoes of a good acquisition.")
    max_first_echo_ms: Number = Field(10.0, gt=0, le=1000, description="Latest first echo, in ms.")
    max_echo_spacing_difference: Number = Field(
        0.02, ge=0, le=10, description="Largest difference of echo spacings, as a part of their mean."
    )
    min_last_echo_ms: Number = Field(
        20.0,
        ge=0,
        le=1000,
        description="Earliest last echo at 3 T, in ms; at another field times 3 T / field.",
    )
    max_last_echo_ms: Number = Field(
        45.0, gt=0, le=1000, description="Latest last echo at 3 T, in ms; at another field times 3 T / field."
    )
    max_in_plane_mm: Number = Field(
        1.2, gt=0, le=100, description="Largest voxel edge within a slice, in mm."
    )
    max_anisotropy: Number = Field(2.5, ge=1, le=100, description="Longest voxel edge over the shortest.")
    min_coverage_mm: Number = Field(110.0, ge=0, le=1000, description="Shortest stack of slices, in mm.")
    min_horizontal_field_t: Number = Field(
        1.3, ge=0, le=20, description="Below this many T a magnet may be open, with its field upright."
    )
    min_field_spread_ppm: Number = Field(
        0.03,
        ge=0,
        le=10,
        description="Least spread (p5 to p95) in ppm of the smooth field in unfiltered phase.",
    )
    max_pole_density: Number = Field(
        1e-5, ge=0, le=1, description="Most poles that all echoes share, as a part of the squares of pixels."
    )
    min_snr: Number = Field(20.0, ge=0, le=10000, description="Least signal over noise of the first echo.")
    max_ghosting: Number = Field(
        0.025,
        ge=0,
        le=1,
        description="Most signal beside the head along one axis over the other, over the head's.",
    )
    max_fit_residual: Number = Field(
        0.12, ge=0, le=10, description="Largest median residual of the field's fit."
    )
    max_streak: Number = Field(
        1.1, ge=0, le=100, description="Most power of the map next to the dipole's cone over elsewhere."
    )
    severity: SeveritySettings = Field(
        default_factory=lambda: SeveritySettings.model_validate({}),
        description="What a departure leads to: pass, warn, degraded, withhold or reject.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> AcceptanceSettings:
        low, high = self.min_last_echo_ms, self.max_last_echo_ms
        if low > high:
            raise ValueError(f"min_last_echo_ms ({low:g}) is above max_last_echo_ms ({high:g})")
        return self

    @classmethod
    def default(cls) -> AcceptanceSettings:
        """What holds where a configuration says nothing, or there is none."""
        return cls.model_validate({})

    def tolerating(self, checks: Iterable[str]) -> AcceptanceSettings:
        """These settings, with a warning for what these checks find."""
        levels = SeveritySettings.model_validate(dict.fromkeys(checks, "warn"))
        return self.overridden_by(AcceptanceSettings.model_validate({"severity": levels}))

    def overridden_by(self, other: AcceptanceSettings | None) -> AcceptanceSettings:
        """These settings with those that ``other`` states itself."""
        if other is None:
            return self
        stated = {name: getattr(other, name) for name in other.model_fields_set - {"severity"}}
        levels = {name: getattr(other.severity, name) for name in other.severity.model_fields_set}
        severity = self.severity.model_copy(update=levels)
        return self.model_copy(update={**stated, "severity": severity})
