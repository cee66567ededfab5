"""Retention: lets go what nobody needs here any more, file by file, and says why the rest stays."""

from qsmnode.node.retention.purge import Purged, planned, purge
from qsmnode.node.retention.role import Retention

__all__ = ["Purged", "Retention", "planned", "purge"]
