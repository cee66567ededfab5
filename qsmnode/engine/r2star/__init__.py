"""Decay rates of the signal; one file per way."""

from qsmnode.engine.r2star import arlo, nlls

__all__ = ["arlo", "nlls"]
