"""The receiver: listens, admits listed peers, puts what they send on disk, and only then says Success."""

from qsmnode.node.receiver.role import Receiver

__all__ = ["Receiver"]
