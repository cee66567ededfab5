"""Deep nuclei on a susceptibility map, found by an atlas; experimental, needs the extra ``[atlas]``."""

from qsmnode.measure.nuclei.find import available, find_nuclei

__all__ = ["available", "find_nuclei"]
