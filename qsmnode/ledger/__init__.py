"""What the node knows and must still know after a crash: one SQLite file, one writer, states as data."""

from qsmnode.ledger.store import Store

__all__ = ["Store"]
