"""No damage to a file makes a reader do anything but give a value or refuse with one sentence."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fuzz.cases import CASES, Case
from fuzz.mutations import mutations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rbztf.errors import RbztfError, printable

SECONDS = 5
"""Of CPU time for one call; a valid file takes milliseconds."""
KIBIBYTES = 512 * 1024
LONGEST = 1000
"""Characters of a message."""
EXAMPLES = int(os.environ.get("RBZTF_FUZZ", "4"))
"""For each reader; ``make fuzz`` takes 1,500, other ones each time."""


class TooSlow(BaseException):
    """No reader can take it for damage."""


@contextmanager
def bounded() -> Iterator[None]:
    """Ends the test after :data:`SECONDS` of CPU time or at :data:`KIBIBYTES` more memory than before."""

    def stop(*_: object) -> None:
        raise TooSlow

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    handler = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KIBIBYTES


def check(case: Case, given_: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Read, and hold what comes of it against the rule."""
    error = None
    with bounded():
        try:
            case.read(given_)
        except RbztfError as refused:
            error = refused
    shown = capfd.readouterr()
    assert shown.out == shown.err == ""
    if error is None:
        return
    assert error.message.endswith("."), error.message
    assert len(error.message) < LONGEST
    assert printable(str(error)) == str(error)
    if case.names_file:
        assert given_.name in error.message, error.message


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Path]]]:
    """The valid input of every reader, and its files."""
    made = {}
    for name, case in CASES.items():
        folder = tmp_path_factory.mktemp("valid")
        made[name] = case.make(folder), sorted(path for path in folder.rglob("*") if path.is_file())
    return made


@pytest.mark.parametrize("name", CASES)
def test_a_damaged_file(
    name: str, valid: dict[str, tuple[Path, list[Path]]], capfd: pytest.CaptureFixture[str]
) -> None:
    """A value or one sentence, within bounds of time and memory, and nothing on the terminal."""
    case, (given_, files) = CASES[name], valid[name]
    case.read(given_)  # what is valid is read; modules are loaded before memory is measured
    capfd.readouterr()
    contents = [path.read_bytes() for path in files]

    @settings(
        max_examples=EXAMPLES,
        derandomize="RBZTF_FUZZ" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def damaged(data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(files) - 1))
        path, content = files[number], contents[number]
        replaced(path, data.draw(mutations(content)))
        try:
            check(case, given_, capfd)
        finally:
            replaced(path, content)

    damaged()


def replaced(path: Path, content: bytes) -> None:
    """Another file in the place of one that may still be mapped."""
    path.unlink()
    path.write_bytes(content)
