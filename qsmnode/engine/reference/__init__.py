"""What zero susceptibility means; one file per choice."""

from qsmnode.engine.reference import none, whole_brain

__all__ = ["none", "whole_brain"]
