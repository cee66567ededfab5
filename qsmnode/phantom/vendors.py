"""Every vendor's encoding by its name, and one way to write a simulated scan in any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmnode.engine.types import Float
from qsmnode.errors import UsageError
from qsmnode.phantom.encoders import ge, others, philips, philips_enhanced, siemens_xa
from qsmnode.phantom.encoders.image import (
    IMAGINARY,
    KINDS,
    MAGNITUDE,
    PHASE,
    REAL,
    Image,
    Pixels,
    Scaling,
    images_of,
)
from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.encoders.signal import Signal
from qsmnode.phantom.faults.registry import Fault, faults_named
from qsmnode.phantom.pixels import Measured
from qsmnode.phantom.scan import PulseSequence, Scan
from qsmnode.phantom.siemens import SIEMENS_MAKER, write_images
from qsmnode.phantom.visit import Visit

POLAR = (MAGNITUDE, PHASE)
COMPLEX = (REAL, IMAGINARY)


@dataclass(frozen=True)
class Vendor:
    """One encoding.

    Attributes:
        words: what it is.
        maker: who made the scanner.
        bits: BitsStored, by default.
        depths: every BitsStored that it can write.
        kinds: of image that it makes by default.
        coded: stored values of one kind, and what they mean.
        write: images of one scan into files.
        coded_hertz: images of a field map (X, Y, Z) in Hz, where it makes one.
        subtracts: its field map comes as the phase difference of two echoes.
    """

    words: str
    maker: Maker
    bits: int
    depths: tuple[int, ...]
    kinds: tuple[str, ...]
    coded: Callable[[Signal, str, int], tuple[Pixels, Scaling]]
    write: Callable[[Scan, Sequence[Image], Path], list[Path]]
    coded_hertz: Callable[[Float], list[Image]] | None = None
    subtracts: bool = False


def _siemens_classic(scan: Scan, images: Sequence[Image], folder: Path) -> list[Path]:
    written = []
    for offset, kind in enumerate(KINDS):
        if of_kind := [image for image in images if image.kind == kind]:
            written += write_images(scan, folder, of_kind, series_offset=offset)
    return written


_ANY = (12, 13, 14, 15, 16)

VENDORS: dict[str, Vendor] = {
    "siemens": Vendor(
        "Siemens VB to VE: classic, one series per kind",
        SIEMENS_MAKER,
        12,
        _ANY,
        POLAR,
        siemens_xa.coded,
        _siemens_classic,
        subtracts=True,
    ),
    "siemens-xa": Vendor(
        "Siemens XA: enhanced, one object per echo and kind",
        siemens_xa.MAKER,
        12,
        _ANY,
        POLAR,
        siemens_xa.coded,
        siemens_xa.write_enhanced,
        subtracts=True,
    ),
    "siemens-xa-split": Vendor(
        "Siemens XA for interoperability: classic, one series per echo and kind",
        siemens_xa.MAKER,
        12,
        _ANY,
        POLAR,
        siemens_xa.coded,
        siemens_xa.XA_SPLIT.write,
        subtracts=True,
    ),
    "philips": Vendor(
        "Philips: classic, all kinds in one series",
        philips.MAKER,
        12,
        _ANY,
        POLAR,
        philips.coded,
        philips.PHILIPS.write,
        coded_hertz=philips.coded_hertz,
    ),
    "philips-enhanced": Vendor(
        "Philips: enhanced, one object with every kind and echo",
        philips.MAKER,
        12,
        _ANY,
        POLAR,
        philips.coded,
        philips_enhanced.write,
        coded_hertz=philips.coded_hertz,
    ),
    "ge": Vendor(
        "GE: magnitude, phase, real and imaginary",
        ge.MAKER,
        16,
        (16,),
        (*POLAR, *COMPLEX),
        ge.coded,
        ge.GE.write,
        coded_hertz=ge.coded_hertz,
    ),
    "ge-polar": Vendor(
        "GE: magnitude and phase",
        ge.MAKER,
        16,
        (16,),
        POLAR,
        ge.coded,
        ge.GE.write,
        coded_hertz=ge.coded_hertz,
    ),
    "canon": Vendor(
        "Canon: classic, signed values",
        others.CANON.maker,
        16,
        _ANY,
        POLAR,
        others.coded_canon,
        others.CANON.write,
    ),
    "uih": Vendor(
        "UIH: classic, the frequency in Hz",
        others.UIH.maker,
        16,
        _ANY,
        POLAR,
        others.coded_uih,
        others.UIH.write,
    ),
    "hitachi": Vendor(
        "Hitachi: classic, phase in mrad",
        others.HITACHI.maker,
        12,
        _ANY,
        POLAR,
        others.coded_hitachi,
        others.HITACHI.write,
    ),
}


def vendor_named(name: str) -> Vendor:
    """The encoding of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in VENDORS:
        raise UsageError(f"vendor: expected one of {', '.join(VENDORS)}; got {name!r}")
    return VENDORS[name]


def write(
    vendor: str,
    measured: Measured,
    folder: Path | str,
    *,
    faults: Iterable[str] = (),
    bits: int | None = None,
    kinds: Sequence[str] | None = None,
    patient_id: str | None = None,
    seed: int | None = None,
    salt: str = "",
    repeat: int = 1,
    description: str = "t2star_qsm_3d_tra",
) -> list[Path]:
    """Write a multi-echo gradient echo as a vendor's scanner would.

    Args:
        vendor: a name of ``VENDORS``.
        measured: a simulated head or sphere.
        folder: where to; made if it does not exist.
        faults: names of ``FAULTS``: what is wrong with it.
        bits: BitsStored of the phase in place of the vendor's own, so that encodings compare.
        kinds: of image in place of the vendor's own, for instance real and imaginary alone ("R", "I").
        patient_id, seed, salt, repeat, description: as for ``siemens.write_classic``.

    Returns:
        the files in the order in which the scanner sends them.

    Raises:
        UsageError: an unknown vendor, fault, depth or kind, or a fault that the protocol leaves no room for.
    """
    made, wrong = vendor_named(vendor), faults_named(faults)
    depth, wanted = bits or made.bits, _wanted(made.kinds if kinds is None else kinds, wrong)
    if depth not in made.depths or repeat < 1:
        raise UsageError(
            f"bits, repeat: {vendor} stores {' or '.join(map(str, made.depths))} bits, and a protocol runs "
            f"once or more; got {depth}, {repeat}"
        )
    signal = Signal.of(measured)
    for fault in wrong:
        signal = fault.signal(signal) if fault.signal else signal
    visit = Visit(measured.seed if seed is None else seed, salt, patient_id)
    scan = _scan(measured, signal, visit, repeat, description, len(wanted))
    images = [one for kind in wanted for one in coded_images(made, signal, kind, depth)]
    for fault in wrong:
        images = fault.images(images) if fault.images else images
    files = made.write(scan, images, Path(folder))
    for fault in wrong:
        files = fault.files(files) if fault.files else files
    return files


def _wanted(kinds: Sequence[str], wrong: Sequence[Fault]) -> tuple[str, ...]:
    """Kinds of image to make; a fault of phase images leaves no other way to a phase."""
    if not kinds or not set(kinds) <= {*POLAR, *COMPLEX}:
        raise UsageError(f"kinds: expected some of M, P, R, I, got {', '.join(kinds) or 'none'}")
    if not any(fault.polar for fault in wrong):
        return tuple(kinds)
    if PHASE not in kinds:
        raise UsageError(f"kinds: a fault of phase images needs P among them, got {', '.join(kinds)}")
    return tuple(kind for kind in kinds if kind in POLAR)


def coded_images(made: Vendor, signal: Signal, kind: str, bits: int) -> list[Image]:
    """The images of one kind in a vendor's stored values, echo by echo and slice by slice."""
    pixels, scaling = made.coded(signal, kind, bits)
    # signed magnitudes need one bit more than they are deep
    deep = 16 if pixels.dtype.kind == "i" and kind != PHASE else bits
    return images_of(pixels, kind, deep, scaling)


def _scan(
    measured: Measured, signal: Signal, visit: Visit, repeat: int, description: str, kinds: int
) -> Scan:
    protocol, times = measured.protocol, signal.echo_times_s
    sequence = PulseSequence(
        f"*fl{3 if signal.slab else 2}d{len(times)}r",
        description,
        10 + 2 * repeat,
        times,
        slab=signal.slab,
        repetition_time_ms=round(1000 * times[-1] + 5.0, 1),
        minutes_into_study=10.0 + 8.0 * repeat,
    )
    return Scan(
        visit,
        sequence,
        signal.geometry,
        protocol.field_t,
        protocol.frequency_mhz,
        f"gre {repeat}",
        thickness_mm=signal.thickness_mm,
        kinds=kinds,
    )
