"""Background removal: the field of what lies outside the mask is taken out. One file per method."""

from qsmnode.engine.background import lbv, pdf, vsharp

__all__ = ["lbv", "pdf", "vsharp"]
