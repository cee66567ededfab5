"""The page: pictures turned as radiologists read them, the report's numbers, lights that tell the truth."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from qsmnode.errors import Finding
from qsmnode.measure.statistics import Measurement
from qsmnode.products import codes
from qsmnode.products.context import ProductContext
from qsmnode.products.page import document, montage
from qsmnode.products.page.lights import Level, lights
from qsmnode.products.page.sheet import SIDE, sheet
from qsmnode.products.page.style import PageStyle
from qsmnode.products.page.table import table
from qsmnode.products.page.words import LANGUAGES
from qsmnode.products.storage import write

Make = Callable[..., ProductContext]
ENGLISH = LANGUAGES["en"]


def picture(page: pydicom.Dataset) -> np.ndarray[Any, Any]:
    return np.frombuffer(page.PixelData, np.uint8).reshape(page.Rows, page.Columns, 3)


def found(made: ProductContext, *findings: Finding) -> ProductContext:
    return replace(made, source=replace(made.source, findings=findings))


@pytest.mark.parametrize("form", ["capture", "pdf"])
def test_dciodvfy_has_nothing_to_say_and_it_refers_to_the_map(
    context: Make, tmp_path: Path, dciodvfy: Any, form: str
) -> None:
    made = context(context={"page": PageStyle(form=form)})
    (path,) = write(document.build(made), tmp_path, "page")
    verdict = dciodvfy(path)
    assert verdict.iod == {"capture": "SCImage", "pdf": "EncapsulatedPDF"}[form]
    assert (verdict.errors, verdict.warnings) == ((), ())
    page = pydicom.dcmread(path)
    sources = page.SourceImageSequence if form == "capture" else page.SourceInstanceSequence
    assert len(sources) == len(made.source.slices)
    assert page.BurnedInAnnotation == "YES"
    assert (str(page.PatientID), page.SeriesNumber) == ("P-1", 705)
    assert page.SOPInstanceUID == document.plan(made).sop_instance_uids[0]


@pytest.mark.parametrize("form", ["capture", "pdf"])
def test_the_same_job_makes_the_same_bytes(context: Make, tmp_path: Path, form: str) -> None:
    paths = [
        write(document.build(context(context={"page": PageStyle(form=form)})), tmp_path / name, "page")[0]
        for name in "ab"
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_pdf_is_one_page_that_others_can_open(context: Make) -> None:
    (page,) = document.build(context(context={"page": PageStyle(form="pdf")}))
    content = page.EncapsulatedDocument[: page.EncapsulatedDocumentLength]
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page\n") == 1
    assert len(page.EncapsulatedDocument) % 2 == 0


def _sides(made: ProductContext, place: tuple[int, int, int]) -> tuple[Image.Image, ...]:
    """The rows' outlined pictures of a head whose magnitude is bright in one voxel's corner."""
    magnitude = np.ones_like(made.source.stack.magnitude)
    x, y, z = place
    magnitude[:, x : x + 3, y : y + 3, z : z + 2] = 50
    stack = replace(made.source.stack, magnitude=magnitude)
    whole = replace(made.maps, mask=np.ones(made.maps.mask.shape, np.bool_))
    rows = montage.rows(replace(made, source=replace(made.source, stack=stack), maps=whole), 120, 120)
    return tuple(row.outlined for row in rows)


def _brightest(tile: Image.Image) -> tuple[float, float]:
    """Where across and down, 0 to 1, the bright corner lies."""
    grey = np.asarray(tile.convert("L"), float)
    y, x = np.nonzero(grey > 0.8 * grey.max())
    return float(x.mean() / tile.width), float(y.mean() / tile.height)


def test_the_patients_right_and_front_are_on_the_left_and_the_head_above(context: Make) -> None:
    made = context()
    # columns run to the patient's left, rows to the back, slices to the head
    assert made.source.affine[0, 0] > 0
    assert made.source.affine[1, 1] > 0
    assert made.source.affine[2, 2] > 0
    middle = tuple(length // 2 - 1 for length in made.source.stack.grid.shape)
    axial, coronal, _ = _sides(made, (0, middle[1], middle[2]))  # at the patient's right
    assert _brightest(axial)[0] < 0.4
    assert _brightest(coronal)[0] < 0.4
    axial, _, sagittal = _sides(made, (middle[0], 0, middle[2]))  # in front
    assert _brightest(axial)[1] < 0.4
    assert _brightest(sagittal)[0] < 0.4
    _, coronal, sagittal = _sides(made, (middle[0], middle[1], made.source.stack.grid.shape[2] - 2))  # above
    assert _brightest(coronal)[1] < 0.4
    assert _brightest(sagittal)[1] < 0.4


def test_grey_levels_are_the_windows(context: Make) -> None:
    made = context()
    mask = np.ones(made.maps.mask.shape, np.bool_)
    for ppb, grey in ((-100, 0), (50, 128), (200, 255), (125, 191)):
        chi = np.full(mask.shape, ppb / 1000, np.float32)
        row = montage.rows(replace(made, maps=replace(made.maps, susceptibility=chi, mask=mask)), 60, 60)[0]
        assert np.asarray(row.maps[1])[30, 30, 0] == pytest.approx(grey, abs=1)


def test_an_empty_map_makes_a_page_without_numbers(context: Make) -> None:
    made = context()
    empty = replace(made.maps, mask=np.zeros(made.maps.mask.shape, np.bool_))
    page = sheet(replace(made, maps=empty, measurements=()))
    assert page.size == (SIDE, SIDE)


def test_withheld_numbers_stand_nowhere_on_the_page(context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a table was made")

    monkeypatch.setattr("qsmnode.products.page.sheet.table", never)
    held = found(context(), Finding("ghosting", "withhold", "at most 2 %", "9 %"))
    sheet(held)
    with pytest.raises(AssertionError, match="a table was made"):
        sheet(context())


def test_lights_tell_which_part_departs_and_how_badly(context: Make) -> None:
    made = found(
        context(),
        Finding("echoes", "degraded", "3", "2"),
        Finding("in_plane", "warn", "1.2", "2"),
        Finding("snr", "warn", "20", "12"),
    )
    levels = {light.name: light.level for light in lights(made, ENGLISH)}
    assert levels["acquisition"] is Level.BAD
    assert levels["signal"] is Level.WARNS
    assert levels["phase"] is levels["mask"] is levels["fit"] is Level.GOOD
    assert lights(made, ENGLISH)[0].reasons == ("QA-202  Too few echoes", "QA-206  Voxels too large in plane")
    assert all(light.level is Level.GOOD for light in lights(context(), ENGLISH))


def test_the_table_holds_the_reports_numbers_and_no_sign_of_zero() -> None:
    region = Measurement("whole brain", 10, 1234.56, -0.04, 31.26, 2.0, -80.4, 99.6)
    assert table([region], ENGLISH, 5) == [("whole brain", "0.0", "31.3", "2.0", "-80 .. 100", "1234.6 ml")]
    lines = table([region] * 9, ENGLISH, 5)
    assert len(lines) == 5
    assert lines[-1] == ("... 5 more in the report",)


def test_a_doubtful_region_is_marked_and_a_small_one_has_a_volume() -> None:
    numbers = {"voxels": 9, "mean_ppb": 1, "sd_ppb": 1, "median_ppb": 1, "p5_ppb": 0, "p95_ppb": 2}
    regions = [Measurement(name=name, volume_ml=0.012, **numbers) for name in ("lesion", "putamen", "vein")]
    lines = table(regions, ENGLISH, 9, {"putamen", "absent"})
    assert [line[0] for line in lines] == ["lesion", "* putamen", "vein", "* doubtful, see the report"]
    assert lines[0][-1] == "0.012 ml"
    fewer = table(regions, ENGLISH, 3, {"putamen"})
    assert [line[0] for line in fewer] == ["lesion", "... 2 more in the report", "* doubtful, see the report"]
    assert table(regions, ENGLISH, 3, {"absent"}) == table(regions, ENGLISH, 3)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_all_words(language: str, context: Make) -> None:
    words = LANGUAGES[language]
    assert set(words.reasons) == set(codes.REASONS)
    assert set(words.lights) == set(ENGLISH.lights)
    assert len(words.columns) == len(ENGLISH.columns)
    assert words.change.format(same=6.5, across=11.5)
    every = [Finding(check, "warn", "a", "b") for check in codes.REASONS]
    sheet(found(context(context={"page": PageStyle(language=language)}), *every))


def _logo() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (400, 100), (250, 30, 200)).save(stream, format="PNG")
    return stream.getvalue()


def test_the_logo_stands_at_the_top_and_gives_the_page_another_name(context: Make) -> None:
    plain, with_logo = context(), context(context={"page": PageStyle(logo=_logo())})
    (page,) = document.build(with_logo)
    pink = (picture(page)[:90] == (250, 30, 200)).all(axis=2)
    assert pink.sum() == 200 * 50
    assert page.SOPInstanceUID not in document.plan(plain).sop_instance_uids


def test_words_and_pictures_are_there(context: Make) -> None:
    page = picture(document.build(context())[0])
    assert page.shape == (SIDE, SIDE, 3)
    for top, bottom in ((10, 90), (92, 690), (720, 900), (925, 1010)):  # head, pictures, table, foot
        assert (page[top:bottom].max(axis=2) > 100).mean() > 0.005


def test_the_time_is_the_jobs(context: Make) -> None:
    early = document.build(context(context={"created_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC)}))[0]
    later = document.build(context(context={"created_at": datetime(2026, 1, 2, 5, 4, tzinfo=UTC)}))[0]
    assert early.PixelData != later.PixelData
