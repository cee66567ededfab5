"""What a site chooses of the page."""

from __future__ import annotations

from dataclasses import dataclass

CAPTURE, PDF = "capture", "pdf"


@dataclass(frozen=True)
class PageStyle:
    """What a site chooses of the page.

    Attributes:
        language: of its words, see :data:`qsmnode.products.page.words.LANGUAGES`.
        form: ``capture`` (an image that every viewer shows) or ``pdf``.
        logo: a PNG or JPEG; empty: none.
    """

    language: str = "en"
    form: str = CAPTURE
    logo: bytes = b""
