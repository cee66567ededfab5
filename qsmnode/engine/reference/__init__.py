"""What zero susceptibility means; one file per choice."""

from qsmnode.engine.reference import csf, given, none, whole_brain

__all__ = ["csf", "given", "none", "whole_brain"]
