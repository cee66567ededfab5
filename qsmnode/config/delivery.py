"""How results are sent, and sent again."""

from __future__ import annotations

from pydantic import Field, model_validator

from qsmnode.config.values import Number, Settings, WholeNumber


class DeliverySettings(Settings):
    """How results are sent, and sent again."""

    attempts: WholeNumber = Field(
        10, ge=1, le=1000, description="Attempts before a delivery is parked for somebody to look at."
    )
    first_backoff_s: Number = Field(
        5.0,
        gt=0,
        le=86400,
        description="Wait, in seconds, after the first failed attempt; doubled after each further one.",
    )
    longest_backoff_s: Number = Field(
        600.0, gt=0, le=604800, description="Longest wait, in seconds, between two attempts."
    )
    connect_timeout_s: Number = Field(
        10.0,
        gt=0,
        le=3600,
        description="Longest wait, in seconds, for a peer to accept a connection and an association.",
    )
    response_timeout_s: Number = Field(
        60.0, gt=0, le=3600, description="Longest wait, in seconds, for a peer's answer to one object."
    )

    @model_validator(mode="after")
    def _ordered(self) -> DeliverySettings:
        first, longest = self.first_backoff_s, self.longest_backoff_s
        if longest < first:
            raise ValueError(f"longest_backoff_s ({longest:g}) is shorter than first_backoff_s ({first:g})")
        return self
