"""One small head and one small sphere, simulated once for all tests of this folder."""

from __future__ import annotations

import pytest

from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol


@pytest.fixture(scope="session")
def small_head() -> SimulatedHead:
    """A whole head at 3 mm with five echoes."""
    return simulate(HeadShape(7), quick_protocol(3.0))
