"""One call of ``rbztf`` in a process of its own that may be killed, starved or watched."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST_S = 60.0
MOST_MEMORY_MB = 1024.0


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes
    ----------
    code : int
        Exit code; minus the signal that ended it.
    out, err : str
        What it printed.
    seconds : float
    memory_mb : float
        Largest resident memory, that of this program, from which it was forked, included.
    too_long : bool
        It was killed at its limit of time.
    """

    code: int
    out: str
    err: str
    seconds: float
    memory_mb: float
    too_long: bool = False

    def faults(self) -> list[str]:
        """What is not as promised: exit code 0 to 3, one sentence where it failed, no traceback, limits kept."""
        found = []
        if self.too_long:
            found.append(f"no end after {self.seconds:.0f} s")
        elif self.code not in (0, 1, 2, 3):
            found.append(f"exit code {self.code}")
        if "Traceback" in self.err + self.out:
            found.append(f"a traceback: {self.err.strip().splitlines()[-1][:200]}")
        if self.memory_mb > MOST_MEMORY_MB:
            found.append(f"{self.memory_mb:.0f} MB of memory")
        errors = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        if self.code in (1, 2) and not self.too_long and len(errors) != 1:
            found.append(f"{len(errors)} sentences on the error: {self.err[-200:]!r}")
        return found


class Attempt:
    """A running call.

    Parameters
    ----------
    argv : sequence of str
        After ``rbztf``.
    folder : Path
        Working folder of the call; what it prints goes to files beside it.
    prepare : callable, optional
        Run in the new process before the call: sets limits, kills it later.
    name : str
        Tells calls that run at the same time apart.
    """

    def __init__(
        self,
        argv: Sequence[object],
        folder: Path,
        prepare: Callable[[], object] | None = None,
        name: str = "call",
    ) -> None:
        self._logs = [folder.with_name(f"{folder.name}-{name}.{kind}") for kind in ("out", "err")]
        self._started = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._call([str(word) for word in argv], folder, prepare)

    def _call(self, argv: list[str], folder: Path, prepare: Callable[[], object] | None) -> None:
        """The new process: never returns."""
        code = 70
        try:
            os.setsid()
            os.chdir(folder)
            for number, log in enumerate(self._logs, 1):
                os.dup2(os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv = ["rbztf", *argv]
            if prepare is not None:
                prepare()
            from rbztf.cli import main

            main()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        except BaseException:  # noqa: BLE001 - what Python would do with it
            traceback.print_exc()
            code = 1
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            except (OSError, ValueError):
                code = code or 120
            os._exit(code)

    def kill(self) -> None:
        """SIGKILL to the call and what it started."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it does not lead a group yet
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, limit_s: float = LONGEST_S, kill_after_s: float | None = None) -> Outcome:
        """Wait for the end; killed on purpose after ``kill_after_s``, or at the limit."""
        too_long = False
        while True:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            seconds = time.monotonic() - self._started
            if pid:
                break
            if kill_after_s is not None and seconds >= kill_after_s:
                self.kill()
                kill_after_s = None
            elif seconds >= limit_s and not too_long:
                too_long = True
                self.kill()
            time.sleep(0.002)
        code = os.waitstatus_to_exitcode(status)
        out, err = (log.read_text(errors="replace") if log.exists() else "" for log in self._logs)
        return Outcome(code, out, err, seconds, used.ru_maxrss / 1024, too_long)


def call(
    argv: Sequence[object],
    folder: Path,
    prepare: Callable[[], object] | None = None,
    *,
    limit_s: float = LONGEST_S,
    kill_after_s: float | None = None,
) -> Outcome:
    """Run ``rbztf`` with these words to its end, or to a kill."""
    return Attempt(argv, folder, prepare).wait(limit_s, kill_after_s)
