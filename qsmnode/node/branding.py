"""What jobs are told about the page: the site's choices, its logo by its bytes."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from qsmnode.config import PageSettings
from qsmnode.errors import UsageError

_LARGEST = 100_000
_MOST_PIXELS = 4_000_000


def page_order(settings: PageSettings) -> dict[str, Any]:
    """Language, form and logo as they stand in a job's order.

    Raises:
        UsageError: the logo cannot be read, is too large, or is no picture.
    """
    order: dict[str, Any] = {"language": settings.language, "form": settings.form}
    if settings.logo is not None:
        order["logo"] = base64.b64encode(_logo(settings)).decode("ascii")
    return order


def _logo(settings: PageSettings) -> bytes:
    path = settings.logo
    assert path is not None
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"page.logo {path}: cannot be read ({error.strerror})") from error
    if len(content) > _LARGEST:
        raise UsageError(f"page.logo {path}: larger than {_LARGEST // 1000} KB; it is shown 200 by 56 large")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise UsageError(f"page.logo {path}: more than {_MOST_PIXELS // 1_000_000} million pixels")
            picture.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"page.logo {path}: expected a whole PNG or JPEG") from error
    return content
