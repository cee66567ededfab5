"""What every test of the engine may ask for: balls of known susceptibility, to be left as they are."""

from __future__ import annotations

import pytest

from tests.engine.balls import Scene, scene
from tests.engine.inversions import PLACES


@pytest.fixture(scope="session", params=PLACES, ids=PLACES)
def where(request: pytest.FixtureRequest) -> Scene:
    return scene(*PLACES[request.param])


@pytest.fixture(scope="session")
def axial() -> Scene:
    return scene(*PLACES["axial"])
