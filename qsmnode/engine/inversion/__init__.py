"""From a local field to susceptibility; one file per method."""

from qsmnode.engine.inversion import fansi, hd_qsm, ilsqr, medi, rts, tgv, tkd, tv

__all__ = ["fansi", "hd_qsm", "ilsqr", "medi", "rts", "tgv", "tkd", "tv"]
