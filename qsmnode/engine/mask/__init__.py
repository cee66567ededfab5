"""Where the maps are meant; one file per method."""

from qsmnode.engine.mask import brain, signal

__all__ = ["brain", "signal"]
