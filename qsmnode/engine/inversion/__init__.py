"""From a local field to susceptibility; one file per method."""

from qsmnode.engine.inversion import tkd, tv

__all__ = ["tkd", "tv"]
