"""A simulated archive on one fixed port, so that stores fetched from it can be compared byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers import Script, Scripted

from rbztf.archive.http_settings import HttpSettings
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.verbs.fetch import fetch

StartArchive = Callable[..., SimulatedArchive]


@pytest.fixture(scope="session")
def quick() -> HttpSettings:
    """As patient as usual, in less time."""
    return HttpSettings(backoff_s=0.01, max_backoff_s=0.05, frame_budget_s=2.0, table_budget_s=5.0)


@pytest.fixture(scope="session")
def sky() -> SimulatedSky:
    return SimulatedSky(5, 14, seed=3)


@pytest.fixture(scope="session")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
    return found


@pytest.fixture
def start_archive(sky: SimulatedSky, port: int) -> Iterator[StartArchive]:
    """Start archives of ``sky``, one at a time, all under the same address."""
    with ExitStack() as stack:

        def start(**options: object) -> SimulatedArchive:
            stack.pop_all().close()
            return stack.enter_context(SimulatedArchive(sky, port=port, **options))  # type: ignore[arg-type]

        yield start


@pytest.fixture(scope="session")
def clean_store(
    sky: SimulatedSky, port: int, quick: HttpSettings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of a store fetched without any trouble."""
    folder = tmp_path_factory.mktemp("clean")
    with SimulatedArchive(sky, port=port) as archive:
        assert fetch(sky.oids, out=folder, archive_url=archive.url, settings=quick).complete
    return _files_of(folder)


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Everything in a store but its lock, by name."""
    return _files_of


def _files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".rbztf.lock"}


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Scripted]]:
    servers: list[Scripted] = []

    def start(script: Script) -> Scripted:
        servers.append(Scripted(script))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
