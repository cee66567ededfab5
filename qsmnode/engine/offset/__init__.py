"""Removing the phase at echo time 0; one file per method."""

from qsmnode.engine.offset import bipolar, mcpc3ds, none

__all__ = ["bipolar", "mcpc3ds", "none"]
