"""One small sky, and an archive that serves it, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky


@pytest.fixture(scope="session")
def sky() -> SimulatedSky:
    return SimulatedSky(n_objects=48, n_epochs=12, seed=5)


@pytest.fixture(scope="session")
def archive(sky: SimulatedSky) -> Iterator[SimulatedArchive]:
    with SimulatedArchive(sky) as archive:
        yield archive
        assert archive.requests.errors == []


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session
