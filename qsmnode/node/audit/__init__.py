"""The audit role: tells who sent, received and deleted what, to files and to a syslog server."""

from qsmnode.node.audit.role import Audit

__all__ = ["Audit"]
