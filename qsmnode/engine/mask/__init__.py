"""Where the maps are meant; one file per method."""

from qsmnode.engine.mask import bet, brain, given, signal

__all__ = ["bet", "brain", "given", "signal"]
