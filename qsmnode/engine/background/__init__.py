"""Background removal: the field of what lies outside the mask is taken out. One file per method."""

from qsmnode.engine.background import ismv, lbv, pdf, resharp, vsharp

__all__ = ["ismv", "lbv", "pdf", "resharp", "vsharp"]
