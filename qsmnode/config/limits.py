"""How much of the machine and of its patience a sender may take."""

from __future__ import annotations

from pydantic import Field

from qsmnode.config.values import Number, Settings, WholeNumber


class LimitSettings(Settings):
    """How much of the machine and of its patience a sender may take."""

    disk_reserve_mb: WholeNumber = Field(
        1024,
        ge=0,
        description="Free disk space, in MB, below which new images are refused (0xA700).",
    )
    max_associations: WholeNumber = Field(
        32, ge=1, le=1000, description="Associations that may be open at the same time."
    )
    acse_timeout_s: Number = Field(
        10.0, gt=0, le=3600, description="Longest wait, in seconds, while an association is opened or closed."
    )
    dimse_timeout_s: Number = Field(
        60.0, gt=0, le=3600, description="Longest wait, in seconds, for the rest of a message that has begun."
    )
    network_timeout_s: Number = Field(
        120.0,
        gt=0,
        le=86400,
        description="Longest silence, in seconds, on an open association before it is aborted.",
    )
