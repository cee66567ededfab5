"""The role of storage commitment: asks archives to answer for results, and answers for what was received."""

from qsmnode.node.commitment.role import Commitment

__all__ = ["Commitment"]
