"""The role that asks an archive for images that a scanner did not send."""

from qsmnode.node.query.role import Query

__all__ = ["Query"]
