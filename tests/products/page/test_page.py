"""The page: pictures turned as radiologists read them, the report's numbers, lights that tell the truth."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from qsmnode.errors import Finding
from qsmnode.measure.regions import Issue, Region, measure_regions
from qsmnode.measure.structures import named
from qsmnode.products import codes
from qsmnode.products.context import ProductContext
from qsmnode.products.page import closeup, document, montage
from qsmnode.products.page.colours import colours, on_screen
from qsmnode.products.page.ink import SIDE
from qsmnode.products.page.lights import Level, lights
from qsmnode.products.page.sheet import offsets, room_for, sheet
from qsmnode.products.page.style import PageStyle
from qsmnode.products.page.table import fitted, number, table
from qsmnode.products.page.words import LANGUAGES
from qsmnode.products.storage import write
from qsmnode.products.table import rows
from tests.products.regions import drawn

Make = Callable[..., ProductContext]
ENGLISH = LANGUAGES["en"]
NUCLEI = (
    "caudate nucleus",
    "putamen",
    "globus pallidus",
    "external globus pallidus",
    "internal globus pallidus",
    "red nucleus",
    "substantia nigra",
    "subthalamic nucleus",
    "dentate nucleus",
    "thalamus",
)


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


def regions_of(made: ProductContext, regions: list[Region]) -> ProductContext:
    measured = measure_regions(made.maps, regions)
    numbers = [one.measurement for one in measured if one.measurement is not None]
    return replace(made, regions=measured, measurements=(*made.measurements[:1], *numbers))


def nuclei(shape: tuple[int, ...], names: Sequence[str] = NUCLEI, **facts: Any) -> list[Region]:
    """Both sides of each, of one or two voxels, all of them inside the map."""
    made = []
    for place, name in enumerate(names):
        for side, x in (("left", 2), ("right", 7)):
            mask = np.zeros(shape, np.bool_)
            mask[x : x + 1 + place % 2, 1 + place % 7, 2] = True
            own = {"side": side, "number": len(made) + 1, "mask": mask, "drawn_by": "an atlas", **facts}
            made.append(Region(name=name, structure=named(name), **own))
    return made


def test_page_report_and_tables_hold_equal_numbers(context: Make) -> None:
    made = context()
    made = regions_of(made, [*drawn(made.maps.mask.shape), *_numbered(nuclei(made.maps.mask.shape), 30)])
    found = table(made, ENGLISH)
    told = {row["region"]: row for row in rows(made)}
    stated: dict[str, tuple[str, str]] = {}
    for single in found.singles:
        row = told[single.name]
        mean, sd, median, span, volume = single.cells
        stated[single.name] = f"{mean} \u00b1 {sd}", volume
        assert median == f"{row['median_ppb']:.1f}"
        assert span == f"{row['p5_ppb']:.0f} .. {row['p95_ppb']:.0f}"
    for pair in found.pairs:
        stated |= {f"{pair.name} left": pair.left, f"{pair.name} right": pair.right}
    measured = {name for name, row in told.items() if row["mean_ppb"] is not None}
    assert {name for name, cells in stated.items() if cells[1]} == measured
    assert len(measured) == 1 + 4 + 20 - 1
    for name in measured:
        mean, volume = stated[name]
        row = told[name]
        assert mean.lstrip("\u2020*") == f"{row['mean_ppb'] + 0.0:.1f} \u00b1 {row['sd_ppb']:.1f}"
        assert volume == f"{row['volume_ml']:.3f} ml"


def _numbered(regions: list[Region], first: int) -> list[Region]:
    """Under other numbers, without one name that is there already, and one of them without a voxel."""
    made = [replace(one, number=first + place) for place, one in enumerate(regions)]
    made[1] = replace(made[1], mask=np.zeros_like(made[1].mask))
    return [replace(one, name=f"{one.name} again") for one in made]


def test_twenty_paired_nuclei_fit_with_all_that_is_said_of_them(context: Make) -> None:
    made = context()
    regions = nuclei(made.maps.mask.shape, experimental=True)
    for place, kind in enumerate(("not_found", "size", "sides", "estimates")):
        regions[2 * place] = replace(regions[2 * place], refused=Issue(kind, "in words"))
    regions[9] = replace(regions[9], doubts=(Issue("edge", "in words"),))
    made = regions_of(made, regions)
    found = table(made, ENGLISH)
    assert (len(found.pairs), len(found.singles)) == (10, 1)
    assert fitted(found, ENGLISH, room_for(found)) == found
    assert [note for note in found.notes if note.startswith("no number")] == [
        "no number (not found): caudate nucleus left",
        "no number (size not plausible): putamen left",
        "no number (sides too unlike in size): globus pallidus left",
        "no number (estimates of the mean too far apart): external globus pallidus left",
    ]
    assert found.pairs[0].left == ("\u2013", "")
    assert found.pairs[4].right[0].startswith("*")
    assert [note for note in found.notes if "experimental" in note] == [
        "All regions: experimental method; repeatability limit 6.5 ppb on one scanner"
    ]
    assert sum(note == ENGLISH.doubtful for note in found.notes) == 1


def test_reasons_that_many_share_are_said_once_and_the_rest_is_counted(context: Make) -> None:
    made = context()
    lost = Issue("not_found", "in words")
    both = table(regions_of(made, nuclei(made.maps.mask.shape, NUCLEI[:3], refused=lost)), ENGLISH)
    assert both.pairs == ()
    assert both.notes == (
        "no number (not found): caudate nucleus (both sides), putamen (both sides),",
        "    globus pallidus (both sides)",
    )
    names = [f"a lesion with a long name {number:02d}" for number in range(40)]
    many = table(regions_of(made, nuclei(made.maps.mask.shape, names, refused=lost)), ENGLISH)
    assert len(many.notes) == 4
    left_out = int(many.notes[-1].split()[1])
    said = sum(note.count("(both") for note in many.notes[:-1])
    assert said * 2 + left_out == 80


def test_what_does_not_fit_is_counted(context: Make) -> None:
    made = context()
    whole = table(regions_of(made, nuclei(made.maps.mask.shape)), ENGLISH)
    assert whole.lines == 13
    assert fitted(whole, ENGLISH, 13) == whole
    less = fitted(whole, ENGLISH, 8)
    assert less.lines <= 8
    assert less.notes[0] == f"... {2 * (10 - len(less.pairs))} more in the report"
    assert less.singles == whole.singles


def test_a_number_shows_no_sign_of_zero_and_rounds_what_is_stated() -> None:
    assert [number(value) for value in (-0.04, 31.26, 0.0495)] == ["0.0", "31.3", "0.1"]


def test_experimental_regions_are_marked_where_others_are_not(context: Make) -> None:
    made = context()
    regions = nuclei(made.maps.mask.shape, NUCLEI[:2])
    regions[0] = replace(regions[0], experimental=True)
    found = table(regions_of(made, regions), ENGLISH)
    assert found.pairs[0].left[0].startswith("\u2020")
    assert not found.pairs[0].right[0].startswith("\u2020")
    assert found.notes == (
        "\u2020 drawn by an experimental method; repeatability limit 6.5 ppb on one scanner",
    )


def test_german_names_structures_and_sides(context: Make) -> None:
    made = context()
    regions = nuclei(made.maps.mask.shape, NUCLEI[4:6])[:3]
    found = table(regions_of(made, regions), LANGUAGES["de"])
    assert [pair.name for pair in found.pairs] == ["Pallidum internum"]
    assert [single.name for single in found.singles] == ["ganzes Gehirn", "Nucleus ruber links"]
    cells = [*found.singles[0].cells, *found.pairs[0].left]
    assert "." not in "".join(cells).replace(" .. ", "")
    assert cells[0].replace(",", ".") == f"{rows(made)[0]['mean_ppb']:.1f}"


def test_offsets_stand_at_the_foot_in_words_where_there_is_no_number(context: Make) -> None:
    known = context(maps={"quality": {"reference_csf_offset_ppm": 0.0193}})
    mean = rows(known)[0]["mean_ppb"]
    assert offsets(known, ENGLISH) == (
        f"Relative to this zero: whole brain {mean:.1f} ppb; cerebrospinal fluid 19.3 ppb"
    )
    assert offsets(context(), LANGUAGES["de"]).endswith("Liquor nicht bekannt, siehe Bericht")


def test_regions_are_outlined_in_slices_that_show_them(context: Make) -> None:
    made = context()
    plain = regions_of(made, nuclei(made.maps.mask.shape, NUCLEI[:1]))
    colour = colours(plain)["caudate nucleus"]
    for row in montage.rows(plain, 120, 120, colours(plain)):
        assert len(row.maps) == 3
        outlined = [(np.asarray(tile) == colour).all(axis=2).any() for tile in row.maps]
        assert not outlined[0], "the whole map stays free"
        assert outlined[1]
    for row in montage.rows(plain, 120, 120):
        assert not any((np.asarray(tile) == colour).all(axis=2).any() for tile in row.maps)


def test_close_ups_show_every_region_once_where_two_slices_can() -> None:
    near, far = np.zeros((2, 9, 9, 30), np.bool_)
    near[2:5, 2:5, 4:9] = True
    far[3:5, 3:5, 20:25] = True
    near[2, 2, 6] = False
    assert closeup.places([near, far], 2) == [22, 5]
    assert closeup.places([far], 2) == [22]
    assert closeup.places([], 0) == []
    part = closeup.around([near, far], (1.0, 1.0, 5.0))
    assert part == (slice(0, 9), slice(0, 9), slice(2, 27))


@pytest.mark.parametrize(
    ("lab", "rgb"),
    [((100, 0, 0), (255, 255, 255)), ((0, 0, 0), (0, 0, 0)), ((53.24, 80.09, 67.2), (255, 0, 0))],
)
def test_colours_are_those_of_the_segmentation(lab: tuple[float, ...], rgb: tuple[int, ...]) -> None:
    assert on_screen(*lab) == pytest.approx(rgb, abs=1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_with_regions_withheld_or_not_are_drawn(language: str, context: Make) -> None:
    made = regions_of(context(context={"page": PageStyle(language=language)}), nuclei((12, 9, 7)))
    with_numbers = np.asarray(sheet(made))
    held = np.asarray(sheet(found(made, Finding("ghosting", "withhold", "at most 2 %", "9 %"))))
    empty = np.zeros((12, 9, 7), np.bool_)
    lost = [replace(one.region, mask=empty) for one in made.regions]
    without = np.asarray(sheet(regions_of(made, lost)))
    assert not np.array_equal(with_numbers, held)
    assert not np.array_equal(with_numbers, without)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_all_words(language: str, context: Make) -> None:
    words = LANGUAGES[language]
    assert set(words.reasons) == set(codes.REASONS)
    assert set(words.lights) == set(ENGLISH.lights)
    assert len(words.columns) == len(ENGLISH.columns)
    assert words.change.format(same=6.5, across=11.5)
    assert set(words.region_reasons) == set(codes.REGION_ISSUES)
    assert set(words.offset_names) == set(codes.OFFSETS)
    assert len(words.pair_columns) == len(ENGLISH.pair_columns)
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
