"""The logo is read once, checked, and travels with the job."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from qsmnode.config import PageSettings
from qsmnode.errors import UsageError
from qsmnode.node.branding import page_order


def settings(path: Path, content: bytes) -> PageSettings:
    path.write_bytes(content)
    return PageSettings.model_validate({"language": "de", "form": "pdf", "logo": str(path)})


def png(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, height)).save(stream, format="PNG")
    return stream.getvalue()


def test_the_order_holds_the_logo_itself(tmp_path: Path) -> None:
    content = png(80, 20)
    order = page_order(settings(tmp_path / "logo.png", content))
    assert (order["language"], order["form"]) == ("de", "pdf")
    assert base64.b64decode(order["logo"]) == content
    assert page_order(PageSettings.model_validate({})) == {"language": "en", "form": "capture"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture", "expected a whole PNG or JPEG"),
        (png(300, 300)[:-30], "expected a whole PNG or JPEG"),
        (png(80, 20) + bytes(100_000), "larger than 100 KB"),
        (png(4000, 2000), "more than 4 million pixels"),
    ],
    ids=["other", "cut", "large", "pixels"],
)
def test_what_is_no_logo_is_refused_at_the_start(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"page.logo .*logo.png: {words}"):
        page_order(settings(tmp_path / "logo.png", content))


def test_a_logo_that_is_not_there_is_told(tmp_path: Path) -> None:
    nowhere = PageSettings.model_validate({"logo": str(tmp_path / "none.png")})
    with pytest.raises(UsageError, match="cannot be read"):
        page_order(nowhere)
