"""Removing the phase at echo time 0; one file per method."""

from qsmnode.engine.offset import mcpc3ds, none

__all__ = ["mcpc3ds", "none"]
