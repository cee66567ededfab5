"""Paramagnetic and diamagnetic sources that share a voxel; one file per way."""

from qsmnode.engine.separation import r2star_qsm

__all__ = ["r2star_qsm"]
