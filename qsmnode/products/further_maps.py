"""The maps beside susceptibility, each a series of classic MR images of its own where a route lists it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qsmnode.engine.mask.intensity import combined
from qsmnode.engine.types import Float, Maps
from qsmnode.errors import JobFailed
from qsmnode.measure.statistics import reference_statement
from qsmnode.products import codes
from qsmnode.products.context import ProductContext
from qsmnode.products.image_series import LARGEST, ImageSeries, Pixels, stored
from qsmnode.products.qsm_series import PPB_PER_PPM

_TENTHS = 10.0
_PERCENTILES = (1, 99)  # inside the mask: from where to where the window of a plain image reaches


def _contrast(context: ProductContext, name: str) -> Float:
    image = context.maps.contrasts.get(name)
    if image is None:
        steps = ", ".join(context.recipe.as_mapping())
        raise JobFailed(f"{name}: expected a recipe that makes it, got the steps {steps}")
    return image


def _numbers(
    name: str, of: Callable[[ProductContext], Float], steps: float, centre: float, width: float, unit: float
) -> Callable[[ProductContext], Pixels]:
    """Numbers with a unit: ``steps`` whole ones make 1 of the array, each is worth ``unit``."""

    def pixels(context: ProductContext) -> Pixels:
        return Pixels(stored(name, of(context), steps), unit, centre, width)

    return pixels


def _grey(name: str, of: Callable[[ProductContext], Float]) -> Callable[[ProductContext], Pixels]:
    """Brightness without a unit: as it came, made smaller where 16 bits cannot hold it."""

    def pixels(context: ProductContext) -> Pixels:
        image = of(context)
        largest = float(np.max(np.abs(image), initial=0.0, where=np.isfinite(image)))
        step = max(1.0, largest / LARGEST)
        whole = stored(name, image, 1.0 / step)
        inside = whole[context.maps.mask]
        low, high = np.percentile(inside, _PERCENTILES) if inside.size else (0.0, 1.0)
        return Pixels(whole, step, round(float(low + high) / 2, 1), max(1.0, round(float(high - low), 1)))

    return pixels


def _words(words: str) -> Callable[[ProductContext], str]:
    return lambda context: words


def _of_sources(words: str) -> Callable[[ProductContext], str]:
    return lambda context: f"{words} {reference_statement(context.maps)}"


def _maps(of: Callable[[Maps], Float]) -> Callable[[ProductContext], Float]:
    return lambda context: of(context.maps)


R2STAR = ImageSeries(
    name="r2star",
    offset=11,
    title="R2* 1/s",
    kind="R2_STAR",
    label="R2*",
    explanation="R2*, apparent transverse relaxation rate",
    unit=codes.PER_SECOND,
    quantity=codes.R2STAR,
    pixels=_numbers("r2star", lambda context: _contrast(context, "r2star"), _TENTHS, 400, 800, 0.1),
    about=_words("Apparent transverse relaxation rate R2*, 1/s, 0 outside the mask."),
    derivation=codes.R2STAR,
    steps={"r2star": "arlo"},
)
SWI = ImageSeries(
    name="swi",
    offset=12,
    title="SWI",
    kind="SWI",
    label="SWI",
    explanation="Susceptibility-weighted magnitude, no unit",
    unit=codes.NO_UNITS,
    quantity=None,
    pixels=_grey("swi", lambda context: _contrast(context, "swi")),
    about=_words("Susceptibility-weighted image of all echoes."),
    steps={"swi": "clear"},
)
SWI_MIP = ImageSeries(
    name="swi_mip",
    offset=13,
    title="SWI mIP",
    kind="SWI_MIP",
    label="SWI mIP",
    explanation="Minimum intensity projection of SWI, no unit",
    unit=codes.NO_UNITS,
    quantity=None,
    pixels=_grey("swi_mip", lambda context: _contrast(context, "swi_mip")),
    about=_words(
        "Minimum intensity projection of the susceptibility-weighted image over neighbouring slices."
    ),
    derivation=codes.MINIMUM_PROJECTION,
    steps={"swi": "clear"},
)
CHI_POSITIVE = ImageSeries(
    name="chi_positive",
    offset=14,
    title="Chi+ ppb",
    kind="CHI_POSITIVE",
    label="Chi+",
    explanation="Susceptibility of paramagnetic sources",
    unit=codes.PPB,
    quantity=codes.SUSCEPTIBILITY,
    pixels=_numbers(
        "chi_positive", lambda context: _contrast(context, "chi_positive"), PPB_PER_PPM, 75, 150, 1.0
    ),
    about=_of_sources("Susceptibility of paramagnetic sources, by a model of R2*, ppb, 0 outside the mask."),
    derivation=codes.SUSCEPTIBILITY,
    steps={"r2star": "arlo", "separation": "r2star_qsm"},
)
CHI_NEGATIVE = ImageSeries(
    name="chi_negative",
    offset=15,
    title="Chi- ppb",
    kind="CHI_NEGATIVE",
    label="Chi-",
    explanation="Susceptibility of diamagnetic sources",
    unit=codes.PPB,
    quantity=codes.SUSCEPTIBILITY,
    pixels=_numbers(
        "chi_negative", lambda context: _contrast(context, "chi_negative"), PPB_PER_PPM, -75, 150, 1.0
    ),
    about=_of_sources("Susceptibility of diamagnetic sources, by a model of R2*, ppb, 0 outside the mask."),
    derivation=codes.SUSCEPTIBILITY,
    steps={"r2star": "arlo", "separation": "r2star_qsm"},
)
LOCAL_FIELD = ImageSeries(
    name="local_field",
    offset=16,
    title="Local field ppb",
    kind="LOCAL_FIELD",
    label="Local field",
    explanation="Field of sources inside the mask, relative to the main field",
    unit=codes.PPB,
    quantity=None,
    pixels=_numbers("local_field", _maps(lambda maps: maps.local_field), PPB_PER_PPM, 0, 100, 1.0),
    about=_words("Field of sources inside the mask, ppb of the main field, 0 outside the mask."),
)
TOTAL_FIELD = ImageSeries(
    name="total_field",
    offset=17,
    title="Total field Hz",
    kind="TOTAL_FIELD",
    label="Total field",
    explanation="Field as fitted to all echoes",
    unit=codes.HERTZ,
    quantity=None,
    pixels=_numbers("total_field", _maps(lambda maps: maps.total_field), _TENTHS, 0, 1000, 0.1),
    about=_words("Field as fitted to the phase of all echoes, Hz, 0 outside the mask."),
)
MASK = ImageSeries(
    name="mask",
    offset=18,
    title="QSM mask",
    kind="MASK",
    label="Mask",
    explanation="1 where the map holds values",
    unit=codes.NO_UNITS,
    quantity=None,
    pixels=_numbers("mask", _maps(lambda maps: maps.mask.astype(np.float32)), 1.0, 1, 2, 1.0),
    about=_words("1 where the susceptibility map holds values, else 0."),
)
MAGNITUDE = ImageSeries(
    name="magnitude",
    offset=19,
    title="Magnitude combined",
    kind="MAGNITUDE",
    label="Magnitude",
    explanation="Magnitude of all echoes, no unit",
    unit=codes.NO_UNITS,
    quantity=None,
    pixels=_grey("magnitude", lambda context: combined(context.source.stack.magnitude)),
    about=_words("Root of the sum of squares of the echoes' magnitudes."),
)

FURTHER_MAPS = (
    R2STAR,
    SWI,
    SWI_MIP,
    CHI_POSITIVE,
    CHI_NEGATIVE,
    LOCAL_FIELD,
    TOTAL_FIELD,
    MASK,
    MAGNITUDE,
)
