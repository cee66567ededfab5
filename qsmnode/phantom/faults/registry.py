"""Every fault by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmnode.errors import UsageError
from qsmnode.phantom.encoders.image import Image
from qsmnode.phantom.encoders.signal import Signal
from qsmnode.phantom.faults import files, images, signal


@dataclass(frozen=True)
class Fault:
    """What a switch changes: the signal, then the images, then the files; None leaves them alone.

    ``polar`` is whether it concerns phase images: real and imaginary ones are not made beside them.
    """

    signal: Callable[[Signal], Signal] | None = None
    images: Callable[[Sequence[Image]], list[Image]] | None = None
    files: Callable[[list[Path]], list[Path]] | None = None
    polar: bool = False

    @property
    def words(self) -> str:
        """What it does, in one line."""
        function = self.signal or self.images or self.files
        return (function.__doc__ or "").strip().split("\n")[0]


FAULTS: dict[str, Fault] = {
    "single_echo": Fault(signal.single_echo),
    "late_first_echo": Fault(signal.late_first_echo),
    "two_dimensional": Fault(signal.two_dimensional),
    "gap": Fault(signal.gap),
    "coarse_voxels": Fault(signal.coarse_voxels),
    "short_coverage": Fault(signal.short_coverage),
    "low_snr": Fault(signal.low_snr),
    "bipolar": Fault(signal.bipolar),
    "alternating_sign": Fault(signal.alternating_sign),
    "homodyne": Fault(signal.homodyne),
    "unwrapped": Fault(signal.unwrapped, polar=True),
    "unscaled_phase": Fault(images=images.unscaled_phase, polar=True),
    "unknown_phase_scaling": Fault(images=images.unknown_phase_scaling, polar=True),
    "missing_slice": Fault(images=images.missing_slice),
    "missing_echo": Fault(images=images.missing_echo),
    "missing_phase": Fault(images=images.missing_phase),
    "duplicated_slice": Fault(images=images.duplicated_slice),
    "unequal_spacing": Fault(images=images.unequal_spacing),
    "equal_echo_numbers": Fault(images=images.equal_echo_numbers),
    "missing_echo_numbers": Fault(images=images.missing_echo_numbers),
    "repeated_instance_numbers": Fault(images=images.repeated_instance_numbers),
    "resent_with_other_bytes": Fault(files=files.resent_with_other_bytes),
}


def faults_named(names: Iterable[str]) -> list[Fault]:
    """The faults of these names, each once, in the order of the list above.

    Raises:
        UsageError: a name is unknown.
    """
    wanted = set(names)
    if unknown := sorted(wanted - set(FAULTS)):
        raise UsageError(f"fault: expected some of {', '.join(FAULTS)}; got {', '.join(unknown)}")
    return [fault for name, fault in FAULTS.items() if name in wanted]
