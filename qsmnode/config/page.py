"""What a site chooses of the one-page summary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qsmnode.config.values import FolderPath, Settings


class PageSettings(Settings):
    """What a site chooses of the one-page summary."""

    language: Literal["en", "de"] = Field("en", description="Language of its words.")
    form: Literal["capture", "pdf"] = Field(
        "capture", description="An image that every viewer shows (Secondary Capture), or an Encapsulated PDF."
    )
    logo: FolderPath | None = Field(
        None, description="A PNG or JPEG of at most 100 KB, shown at most 200 by 56 pixels large."
    )
