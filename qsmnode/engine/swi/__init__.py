"""Susceptibility-weighted images; one file per way."""

from qsmnode.engine.swi import clear

__all__ = ["clear"]
