"""When an acquisition counts as arrived."""

from __future__ import annotations

from pydantic import Field, model_validator

from qsmnode.config.values import Number, Settings


class AssemblySettings(Settings):
    """When an acquisition counts as arrived."""

    settling_s: Number = Field(
        60.0,
        ge=0,
        le=86400,
        description="Quiet time, in seconds, after which an acquisition without a declared count is whole.",
    )
    deadline_s: Number = Field(
        3600.0,
        gt=0,
        le=2592000,
        description="Time since the last arrival, in seconds, after which what is incomplete is rejected.",
    )

    ask_after: Number = Field(
        0.5,
        gt=0,
        lt=1,
        description="Part of deadline_s without an arrival after which a route's ask_for_missing is asked.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> AssemblySettings:
        if self.deadline_s < self.settling_s:
            raise ValueError(
                f"deadline_s ({self.deadline_s:g}) is shorter than settling_s ({self.settling_s:g})"
            )
        return self
