"""The refusal as one page for any viewer: a secondary capture that says why there is no map."""

from __future__ import annotations

import textwrap

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from qsmnode.products import codes
from qsmnode.products.identity import identified, plain
from qsmnode.products.refusal import STATEMENT, RefusalContext
from qsmnode.products.revision import REFUSAL_PAGE

NAME = REFUSAL_PAGE
_WIDTH, _HEIGHT, _MARGIN = 1024, 768, 48
_LINE, _COLUMNS = 24, 100
_GREY, _WHITE = 170, 255


def series_uid(context: RefusalContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series")


def build(context: RefusalContext) -> list[Dataset]:
    """The page, ready to be written."""
    page = identified(context)
    page.SOPClassUID = SecondaryCaptureImageStorage
    page.SOPInstanceUID = context.uid(NAME, "image")
    page.SeriesInstanceUID = series_uid(context)
    page.SeriesNumber = context.series_number(4)
    page.InstanceNumber = 1
    page.Modality = "OT"
    page.ConversionType = "WSD"
    page.SeriesDescription = "QSM refused (research use)"
    page.ImageType = ["DERIVED", "SECONDARY"]
    page.BodyPartExamined = context.template.get("BodyPartExamined") or "BRAIN"
    page.PatientOrientation = ""
    page.BurnedInAnnotation = "NO"  # the words name nobody
    page.LossyImageCompression = "00"
    _put(page, picture(context))
    return [page]


def picture(context: RefusalContext) -> npt.NDArray[np.uint8]:
    """The page, (rows, columns), white on black."""
    sheet = Image.new("L", (_WIDTH, _HEIGHT), 0)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    draw.text((_MARGIN, top), "QSM refused", fill=_WHITE, font=ImageFont.load_default(36))
    top += 3 * _LINE
    font = ImageFont.load_default(18)
    for line, grey in lines(context, (_HEIGHT - top - _MARGIN) // _LINE):
        draw.text((_MARGIN, top), line, fill=grey, font=font)
        top += _LINE
    return np.asarray(sheet, dtype=np.uint8)


def lines(context: RefusalContext, most: int) -> list[tuple[str, int]]:
    """The words with their grey, cut where the page ends and saying so."""
    made = [(line, _WHITE) for line in _folded(STATEMENT)]
    made += [(line, _GREY) for line in _folded(f"Acquisition: {context.description}")]
    for finding in context.findings:
        code = codes.REASONS[finding.check]
        made += [("", _GREY), (f"{code.value}  {code.meaning}", _WHITE)]
        made += [(line, _GREY) for line in _folded(f"found: {finding.found}")]
        if finding.expected:
            made += [(line, _GREY) for line in _folded(f"expected: {finding.expected}")]
    end = [("", _GREY), (f"{context.algorithm}; research use, not for diagnosis", _GREY)]
    if len(made) + len(end) > most:
        made = [*made[: most - len(end) - 1], ("... the report of the refusal says the rest", _GREY)]
    return made + end


def _folded(words: str) -> list[str]:
    return textwrap.wrap(plain(words), _COLUMNS)


def _put(page: Dataset, pixels: npt.NDArray[np.uint8]) -> None:
    page.Rows, page.Columns = pixels.shape
    page.SamplesPerPixel = 1
    page.PhotometricInterpretation = "MONOCHROME2"
    page.BitsAllocated, page.BitsStored, page.HighBit, page.PixelRepresentation = 8, 8, 7, 0
    page.WindowCenter, page.WindowWidth = 128, 256
    page.PixelData = pixels.tobytes()
    page["PixelData"].VR = "OB"
