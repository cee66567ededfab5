"""Simulated heads, kept on disk: simulating one at 1 mm takes half a minute.

Seeds 1000-1999 are for reporting, the tuning seeds are for everything else. A kept head is found by the hash
of its shape, its protocol and the phantom's sources, so that a changed phantom never gives an old head.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import qsmnode.phantom
from qsmnode.engine import EchoStack
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import fast_shape, irfftn, rfftn
from qsmnode.engine.types import Float, Grid
from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.signal import Complex, add_noise, coils, harmonic_map, shim
from qsmnode.phantom.tissues import AIR_PPM, WHITE, tissue_table

REPORTING = (1000, 1001, 1002, 1003, 1004)
TUNING = (1, 5, 6, 7, 8, 9, 21, 31)
EASY_TIMES_S = (0.004, 0.012, 0.020, 0.028)
EASY_SNR = 70.0
_EASY_VIEW_MM = (160.0, 200.0, 160.0)
_ARRAYS = ("susceptibility_ppm", "local_field_ppm", "total_field_hz", "brain_mask", "labels")


def default_cache() -> Path:
    """Where heads are kept unless told otherwise: in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "qsmnode" / "bench-heads"


@dataclass(frozen=True)
class Heads:
    """Heads by shape and protocol, simulated where the folder does not hold them yet.

    Args:
        folder: where they are kept; a head of 160 x 192 x 160 voxels and five echoes takes 270 MB.
    """

    folder: Path

    def path(self, head: HeadShape, protocol: Protocol) -> Path:
        """The file of a head as the phantom simulates it."""
        return self._kept(head, protocol, "head", simulate)

    def simulated(self, head: HeadShape, protocol: Protocol) -> SimulatedHead:
        """A head as the phantom simulates it."""
        return load(self.path(head, protocol))

    def easy_path(self, seed: int, voxel_mm: float = 1.0) -> Path:
        """The file of an easy head, see :func:`easy`."""
        x, y, z = (round(extent / voxel_mm) for extent in _EASY_VIEW_MM)
        size = (voxel_mm, voxel_mm, voxel_mm)
        protocol = Protocol(echo_times_s=EASY_TIMES_S, snr=EASY_SNR, shape=(x, y, z), voxel_mm=size)
        return self._kept(HeadShape(seed, texture=0.0), protocol, "easy", easy)

    def _kept(
        self,
        head: HeadShape,
        protocol: Protocol,
        kind: str,
        make: Callable[[HeadShape, Protocol], SimulatedHead],
    ) -> Path:
        named = json.dumps([kind, asdict(head), asdict(protocol), _sources()], sort_keys=True)
        path = self.folder / f"{kind}-{head.seed}-{hashlib.sha256(named.encode()).hexdigest()[:16]}.npz"
        if not path.exists():
            save(make(head, protocol), path)
        return path


def _sources() -> str:
    """Hash of the files that a head follows from."""
    digest = hashlib.sha256()
    for path in (*sorted(Path(qsmnode.phantom.__file__).parent.glob("*.py")), Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def save(head: SimulatedHead, path: Path) -> None:
    """Write a head; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made_from = json.dumps([asdict(head.head), asdict(head.protocol)])
    arrays: dict[str, Any] = {name: getattr(head, name) for name in _ARRAYS}
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.savez(
            file,
            magnitude=head.stack.magnitude,
            phase=head.stack.phase,
            made_from=np.array(made_from),
            **arrays,
        )
    Path(file.name).replace(path)


def load(path: Path) -> SimulatedHead:
    """Read a head back."""
    with np.load(path) as file:
        shape, protocol = json.loads(str(file["made_from"]))
        measured, head = Protocol(**_tuples(protocol)), HeadShape(**_tuples(shape))
        stack = _stack(measured, file["magnitude"], file["phase"])
        arrays = {name: file[name] for name in _ARRAYS}
    return SimulatedHead(head, measured, stack, geometry=measured.geometry(), **arrays)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _stack(protocol: Protocol, magnitude: Float, phase: Float) -> EchoStack:
    return EchoStack(
        magnitude,
        phase,
        protocol.echo_times_s,
        protocol.frequency_mhz,
        protocol.geometry().grid(),
        readout_axis=0,
        bipolar=protocol.bipolar_rad != 0,
    )


def whole_head(voxel_mm: float, **changes: object) -> Protocol:
    """The reporting protocol: 160 x 192 x 160 at 1 mm, five echoes, SNR 60; a similar view at other sizes."""
    if voxel_mm == 1.0:
        return replace(Protocol(), **changes)  # type: ignore[arg-type]
    return quick_protocol(voxel_mm, **changes)


def easy(head: HeadShape, protocol: Protocol) -> SimulatedHead:
    """A head whose field is computed on the image's own grid, with the kernel that inverts it.

    So were the heads on which figures of other packages are published: smooth tissue, no partial volume in
    the signal, no dephasing within a voxel. It tells how our figures compare with theirs, and nothing else.
    """
    fine = simulate(head, protocol)
    geometry, grid = protocol.geometry(), protocol.geometry().grid()
    chi, brain = fine.susceptibility_ppm, fine.brain_mask
    total = kernel_field(chi - np.float32(AIR_PPM), grid)
    total -= harmonic_map(shim(total, brain, geometry), geometry)
    hertz = total * np.float32(protocol.frequency_mhz)
    decay, density = tissue_table(protocol.field_t)[fine.labels, 1:].transpose(3, 0, 1, 2)
    offset = harmonic_map(coils(protocol, brain, head.generator("coils")).phase, geometry)
    signal = np.empty((len(protocol.echo_times_s), *grid.shape), np.complex64)
    for echo, time_s in zip(signal, protocol.echo_times_s, strict=True):
        turned = np.float32(2 * np.pi * time_s) * hertz + offset
        echo[...] = 1000 * density * np.exp(-decay * np.float32(time_s) + 1j * turned)
    stack = noisy(signal, protocol, fine.labels == WHITE, np.random.default_rng([head.seed, 104729]))
    local = kernel_field(np.where(brain, chi, np.float32(0)), grid)
    return replace(fine, stack=stack, total_field_hz=hertz, local_field_ppm=local)


def kernel_field(chi: Float, grid: Grid) -> Float:
    """Field (ppm) of a susceptibility (X, Y, Z) in ppm by the continuous kernel, sampled on the image's grid.

    No real field is like that next to a step. The array is padded twofold with zeros.
    """
    shape = fast_shape(grid.shape, grid.shape)
    inner = tuple(slice(0, n) for n in grid.shape)
    padded = np.zeros(shape, np.float32)
    padded[inner] = chi
    spectrum = rfftn(padded)
    spectrum *= dipole_kernel(shape, grid.voxel_mm, grid.b0_direction)
    return np.ascontiguousarray(irfftn(spectrum, shape)[inner])


def noisy(signal: Complex, protocol: Protocol, white: Any, rng: np.random.Generator) -> EchoStack:
    """The stack of a noise-free signal (E, X, Y, Z) after noise as ``protocol.snr`` says.

    Args:
        signal: complex, changed in place.
        protocol: its ``snr`` is relative to the mean of ``white`` in the first echo.
        white: (X, Y, Z) bool, white matter.
        rng: where the noise comes from.
    """
    if protocol.snr > 0:
        add_noise(signal, float(np.abs(signal[0][white]).mean()) / protocol.snr, rng)
    return _stack(protocol, np.abs(signal), np.angle(signal))


def noise_sd(head: SimulatedHead) -> float:
    """Standard deviation of real and imaginary part, in the magnitude's unit; 0 without noise."""
    if head.protocol.snr == 0:
        return 0.0
    return float(head.stack.magnitude[0][head.labels == WHITE].mean()) / head.protocol.snr
