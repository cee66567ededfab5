"""How long received images and results are kept once nobody needs them here."""

from __future__ import annotations

from pydantic import Field

from qsmnode.config.values import Number, Settings


class RetentionSettings(Settings):
    """How long received images and results are kept once nobody needs them here."""

    max_age_days: Number | None = Field(
        None,
        ge=0,
        le=36500,
        description="Days after which what may go goes; left out: kept while there is room.",
    )
    max_store_gb: Number | None = Field(
        None,
        gt=0,
        description="Size in GB of the store above which what may go goes, oldest first; left out: no limit.",
    )
    min_free_percent: Number = Field(
        5.0,
        ge=0,
        lt=100,
        description="Free percentage of the disk below which what may go goes, oldest first; 0: never.",
    )
    ignored_days: Number = Field(
        30.0,
        ge=0,
        le=36500,
        description="Days after which what is ignored, unmatched, rejected, unreadable or came twice may go,"
        " and after which finished requests for storage commitment are forgotten.",
    )
