"""How reconstructions run."""

from __future__ import annotations

from pydantic import Field

from qsmnode.config.values import Number, Settings, WholeNumber


class JobSettings(Settings):
    """How reconstructions run: one process per job."""

    workers: WholeNumber = Field(1, ge=1, le=256, description="Jobs that run at the same time.")
    threads: WholeNumber | None = Field(
        None,
        ge=1,
        le=1024,
        description="Threads of one job; left out: the processors shared out among the workers.",
    )
    memory_mb: WholeNumber | None = Field(
        None, ge=256, description="Memory that one job may take, in MB; left out: no limit but the machine's."
    )
    timeout_s: Number = Field(3600.0, gt=0, le=604800, description="Longest run of one attempt, in seconds.")
    attempts: WholeNumber = Field(3, ge=1, le=100, description="Attempts before a job counts as failed.")
