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
    disk_reserve_percent: Number = Field(
        2.0,
        ge=0,
        lt=100,
        description="The same as a part of the store's disk, in percent; the larger of the two holds.",
    )
    max_object_mb: WholeNumber = Field(
        4400,
        ge=1,
        le=4400,
        description="Largest object, in MB; the association of a larger one is aborted. No pixel data "
        "can be larger than 4295 MB.",
    )
    max_expanded_mb: WholeNumber = Field(
        4400,
        ge=1,
        le=4400,
        description="Largest size, in MB, of a deflated object once inflated; a larger one is unreadable.",
    )
    max_associations: WholeNumber = Field(
        32, ge=1, le=1000, description="Associations that may be open at the same time."
    )
    max_strangers: WholeNumber = Field(
        48,
        ge=1,
        le=1000,
        description="Connections that may be open without an association; the oldest makes room for one.",
    )
    max_strangers_per_address: WholeNumber = Field(
        24, ge=1, le=1000, description="The same for the connections from one address."
    )
    acse_timeout_s: Number = Field(
        10.0, gt=0, le=3600, description="Longest wait, in seconds, while an association is opened or closed."
    )
    pdu_timeout_s: Number = Field(
        10.0,
        gt=0,
        le=3600,
        description="Longest time, in seconds, in which one PDU that has begun must be here whole.",
    )
    dimse_timeout_s: Number = Field(
        60.0,
        gt=0,
        le=3600,
        description="Longest wait, in seconds, for the next part of a message.",
    )
    network_timeout_s: Number = Field(
        120.0,
        gt=0,
        le=86400,
        description="Longest silence, in seconds, on an open association before it is aborted.",
    )
    header_timeout_s: Number = Field(
        30.0,
        gt=0,
        le=3600,
        description="Longest time, in seconds, for reading one header; a worse object is unreadable.",
    )
    header_memory_mb: WholeNumber = Field(
        1024,
        ge=64,
        description="Memory, in MB, for reading headers, beyond what their reading process starts with.",
    )
