"""Storage commitment: who answers for what was sent, and what this node answers for."""

from __future__ import annotations

from pydantic import Field

from qsmnode.config.values import Flag, Number, Settings, Text, WholeNumber


class CommitmentSettings(Settings):
    """How archives are asked to answer for results, and whether this node answers for what it received."""

    timeout_s: Number = Field(
        3600.0,
        gt=0,
        le=2592000,
        description="Longest wait, in seconds, for an archive's report; then the delivery is unconfirmed.",
    )
    rounds: WholeNumber = Field(
        3,
        ge=1,
        le=100,
        description="Reports of lost objects, which are then sent again, before a delivery is parked.",
    )
    linger_s: Number = Field(
        5.0,
        ge=0,
        le=600,
        description="Wait, in seconds, for a report on the association that asked; later ones are taken too.",
    )
    provide: Flag = Field(
        False,
        description="Whether senders are promised, when they ask, that what they sent is kept here.",
    )
    archive: Text | None = Field(
        None,
        description="Name of a peer with commitment that is asked for what was promised, and frees it for"
        " deletion by its report; left out: it is kept for good.",
    )
    archive_interval_s: Number = Field(
        3600.0,
        ge=1,
        le=2592000,
        description="Wait, in seconds, before the archive is asked again for what it did not have.",
    )
