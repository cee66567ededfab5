"""What is opened in the viewer, and what has to be seen there."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.browser import looks
from tests.browser.chromium import BrowserError, Chromium
from tests.browser.looks import Picture, Rectangle
from tests.browser.study import Study
from tests.browser.viewer import Viewer

_LOADED_S = 120
_SETTLED_S = 30
_SLICE = r"((document.body?.innerText ?? '').match(/\((\d+)\/\d+\)/) ?? [0, 0])[1] | 0"
# the innermost element with exactly this text
_WITH_TEXT = (
    "[...document.querySelectorAll('button, span, div')].filter(e => e.textContent.trim() === '{text}').pop()"
)
_NO_TOUR = "localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']))"

_LEAST_CORRELATION = 0.97
_MOST_LEVELS_OFF = 6.0
_LEAST_DICE = 0.9
_LEAST_PAGE = 0.9


@dataclass(frozen=True)
class Verdict:
    """Whether it looks as meant, and how well."""

    good: bool
    text: str


@dataclass(frozen=True)
class Screen:
    """One thing to look at.

    Attributes:
        name: also of its picture.
        series: the product that is opened.
        prepare: what else it takes until the thing is seen.
        judge: of a picture of the screen and the place of the viewport.
    """

    name: str
    series: str
    prepare: Callable[[Chromium, Study], Rectangle]
    judge: Callable[[Picture, Rectangle, Study], Verdict]

    def look(self, browser: Chromium, viewer: Viewer, study: Study, picture: Path) -> Verdict:
        """Open it and judge what is seen, until it is good or nothing more will come."""
        browser.before_pages(_NO_TOUR)
        browser.go(viewer.series(study.uid, study.series[self.series]))
        place = self.prepare(browser, study)
        deadline = time.monotonic() + _SETTLED_S
        while True:
            content = browser.picture()
            picture.write_bytes(content)
            verdict = self.judge(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), place, study)
            if verdict.good or time.monotonic() > deadline:
                return verdict
            time.sleep(1.0)


def screens() -> tuple[Screen, ...]:
    """Everything that is looked at."""
    return (
        Screen("qsm", "qsm", _to_slice, _as_the_map),
        Screen("segmentation", "segmentation", _opened_segmentation, _as_the_segments),
        Screen("page", "page", _page_area, _as_the_page),
    )


def _place(browser: Chromium, selector: str) -> Rectangle:
    """Where an element lies."""
    found = browser.until(
        f"(() => {{ const e = document.querySelector('{selector}'); if (!e) return null;"
        " const r = e.getBoundingClientRect();"
        " return r.width > 100 && r.height > 100 ? [r.left, r.top, r.width, r.height] : null })()",
        _LOADED_S,
    )
    return Rectangle(*(round(value) for value in found))


def _to_slice(browser: Chromium, study: Study) -> Rectangle:
    """Wheel to the study's slice; OHIF counts from the head's top."""
    browser.until(_SLICE, _LOADED_S)
    place = _place(browser, "canvas.cornerstone-canvas")
    wanted = study.map_ppb.shape[2] - study.slice_index
    deadline = time.monotonic() + _LOADED_S
    while (now := browser.ask(_SLICE)) != wanted:
        if time.monotonic() > deadline:
            raise BrowserError(f"slice {wanted} was not reached, only {now}")
        browser.wheel(
            place.left + place.width / 2, place.top + place.height / 2, 100.0 if now < wanted else -100.0
        )
        time.sleep(0.1)
    return place


def _opened_segmentation(browser: Chromium, study: Study) -> Rectangle:
    browser.until(_SLICE, _LOADED_S)
    yes = _WITH_TEXT.format(text="Yes")
    browser.until(f"!!{yes}", _LOADED_S)
    x, y = browser.ask(f"(r => [r.left + r.width / 2, r.top + r.height / 2])({yes}.getBoundingClientRect())")
    browser.click(x, y)
    browser.until(f"!{yes}", _LOADED_S)
    return _to_slice(browser, study)


def _page_area(browser: Chromium, _study: Study) -> Rectangle:
    browser.until("!!document.querySelector('object[data]')", _LOADED_S)
    return _place(browser, "object[data]")


def _as_the_map(picture: Picture, viewport: Rectangle, study: Study) -> Verdict:
    place = looks.fitted(viewport, *study.size_mm)
    image = study.map_ppb[:, :, study.slice_index].T
    inside = (
        looks.stretched(image != 0, place, smooth=False) > 0
    )  # letters and lines of the viewer lie around
    seen = looks.grey(place.of(picture))[inside]
    meant = looks.stretched(looks.windowed(image, study.window), place)[inside]
    alike, off = looks.correlation(seen, meant), float(np.abs(seen - meant).mean())
    return Verdict(
        alike >= _LEAST_CORRELATION and off <= _MOST_LEVELS_OFF,
        f"correlation with the stored slice {alike:.4f} (>= {_LEAST_CORRELATION}), "
        f"{off:.1f} grey levels off on average (<= {_MOST_LEVELS_OFF:g})",
    )


def _as_the_segments(picture: Picture, viewport: Rectangle, study: Study) -> Verdict:
    place = looks.fitted(viewport, *study.size_mm)
    part = place.of(picture)
    meant = looks.stretched(study.segmented[:, :, study.slice_index].T, place, smooth=False) > 0
    overlap, kinds = looks.dice(looks.coloured(part), meant), looks.hues(part, meant)
    return Verdict(
        overlap >= _LEAST_DICE and kinds >= 2,
        f"coloured pixels and stored segments overlap with Dice {overlap:.3f} (>= {_LEAST_DICE}), "
        f"{kinds} hues (>= 2)",
    )


def _as_the_page(picture: Picture, area: Rectangle, study: Study) -> Verdict:
    place = looks.page_within(picture, area)
    if place is None:
        return Verdict(False, "no page is seen")
    alike = looks.correlation(looks.grey(place.of(picture)), looks.stretched(looks.grey(study.page), place))
    return Verdict(
        alike >= _LEAST_PAGE, f"correlation with the page as it was drawn {alike:.3f} (>= {_LEAST_PAGE})"
    )
