"""Faults of a scan's images: missing, doubled or elsewhere, or numbered or scaled in another way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from qsmnode.phantom.encoders.image import MAGNITUDE, PHASE, UNSAID, Image, Scaling

Images = list[Image]
_OFF = 0.4  # of the slice spacing by which one slice is off its place


def _middle(images: Sequence[Image]) -> int:
    return max(image.index for image in images) // 2


def missing_slice(images: Sequence[Image]) -> Images:
    """Every image of the middle slice is missing."""
    middle = _middle(images)
    return [image for image in images if image.index != middle]


def missing_echo(images: Sequence[Image]) -> Images:
    """Every image of the last echo is missing."""
    last = max(image.echo for image in images)
    return [image for image in images if image.echo != last]


def missing_phase(images: Sequence[Image]) -> Images:
    """Nothing but magnitude."""
    return [image for image in images if image.kind == MAGNITUDE]


def duplicated_slice(images: Sequence[Image]) -> Images:
    """The middle slice of the first echo twice, under another UID."""
    middle = _middle(images)
    doubled = [image for image in images if image.echo == 0 and image.index == middle]
    return [*images, *(replace(image, copy=1) for image in doubled)]


def unequal_spacing(images: Sequence[Image]) -> Images:
    """The middle slice lies off its place."""
    middle = _middle(images)
    return [replace(image, shift=_OFF) if image.index == middle else image for image in images]


def equal_echo_numbers(images: Sequence[Image]) -> Images:
    """EchoNumbers is 1 for all echoes."""
    return [replace(image, echo_number=1) for image in images]


def missing_echo_numbers(images: Sequence[Image]) -> Images:
    """No EchoNumbers."""
    return [replace(image, echo_number=None) for image in images]


def repeated_instance_numbers(images: Sequence[Image]) -> Images:
    """InstanceNumber counts slices: it repeats across kinds and echoes."""
    return [replace(image, instance=image.index + 1) for image in images]


def unscaled_phase(images: Sequence[Image]) -> Images:
    """Phase without rescale values or unit."""
    return _phase_scaled(images, lambda image: UNSAID)


def unknown_phase_scaling(images: Sequence[Image]) -> Images:
    """Phase whose rescale values name no unit and span no turn."""
    return _phase_scaled(images, lambda image: Scaling(1.0, float(-(1 << (image.bits - 1))), "US"))


def _phase_scaled(images: Sequence[Image], scaling: Callable[[Image], Scaling]) -> Images:
    return [replace(image, scaling=scaling(image)) if image.kind == PHASE else image for image in images]
