"""What one computation may take of the machine, set by the computation's own process at its start."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from qsmnode.errors import JobCancelled

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process when its parent is gone: no computation outlives the node.

    Args:
        parent: process id of the parent that started us.

    Raises:
        JobCancelled: the parent is gone already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise JobCancelled("the node that asked for this is gone")


def limit_memory(memory_mb: int | None) -> None:
    """Bound this process's data; beyond it an allocation fails as MemoryError instead of taking the machine.

    RLIMIT_DATA counts what is really asked for, not the address space that thread stacks and mapped libraries
    merely reserve.
    """
    if memory_mb is not None:
        limit = memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold patient data
