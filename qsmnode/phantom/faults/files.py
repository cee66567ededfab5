"""Faults of what is sent: the files are as the scanner wrote them, and one comes again in another state."""

from __future__ import annotations

from pathlib import Path

import pydicom


def resent_with_other_bytes(files: list[Path]) -> list[Path]:
    """The last object again, under its own UID, with one pixel changed."""
    last = files[-1]
    dataset = pydicom.dcmread(last)
    pixels = bytearray(dataset.PixelData)
    pixels[len(pixels) // 4 * 2] ^= 1
    dataset.PixelData = bytes(pixels)
    again = last.with_name(f"{last.stem}-again.dcm")
    dataset.save_as(again)
    again.chmod(0o600)
    return [*files, again]
