"""The role that computes: one subprocess per job, from a materialised folder, through a pipe."""

from qsmnode.node.worker.role import Worker

__all__ = ["Worker"]
