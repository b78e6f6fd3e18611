"""When to ask an archive again, when to pause, and when to leave it alone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from rbztf.archive.http_settings import HttpSettings
from rbztf.errors import ArchiveDown, ArchiveError, Stopped

TELL_AFTER_S = 4.0
"""Time without a good answer after which failures are told of."""
TELL_SILENCE_S = 8.0
TELL_EVERY_S = 30.0


class Circuit:
    """What all threads that ask one archive know of its state: a circuit breaker.

    Parameters
    ----------
    settings : HttpSettings
    seed : int, optional
        Of the jitter in the pauses between tries.

    Attributes
    ----------
    tell : callable
        Gets a sentence, in the thread that asks, when the archive does not answer and is tried again.
    """

    def __init__(self, settings: HttpSettings, seed: int | None = None) -> None:
        self.tell: Callable[[str], None] = lambda sentence: None
        self._settings = settings
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._failures_in_a_row = 0
        self._first_request: float | None = None
        self._last_success: float | None = None
        self._next_telling = 0.0
        self._down = ""
        self._not_before = 0.0
        self._jitter = random.Random(seed)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed.set()

    def check_open(self) -> None:
        """Raise Stopped after :meth:`close`."""
        if self._closed.is_set():
            raise Stopped("The session was closed.")

    def wait_for_turn(self) -> None:
        """Wait out a pause that the archive asked of any of us.

        Raises
        ------
        ArchiveDown
            If nothing more is to be asked.
        """
        while (pause_s := self._not_before - time.monotonic()) > 0:
            self._pause(pause_s)
        self._check_up()
        self._first_request = self._first_request or time.monotonic()

    def back_off(self, attempt: int) -> None:
        """Pause after the failure of try number ``attempt``."""
        full = min(self._settings.max_backoff_s, self._settings.backoff_s * 2.0 ** (attempt - 1))
        self._pause(full * self._jitter.uniform(0.5, 1.0))

    def hold_back(self, seconds: float) -> None:
        """Let all wait so long before they ask again.

        Raises
        ------
        ArchiveDown
            If that is longer than we would wait.
        """
        if seconds > self._settings.max_pause_s:
            raise self._open(f"The archive asks to be left alone for {min(seconds, 1e9):.0f} s.")
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def succeeded(self) -> None:
        """The archive gave a good answer."""
        with self._lock:
            self._failures_in_a_row = 0
            self._last_success = time.monotonic()

    def failed(self, host: str, failure: ArchiveError) -> None:
        """The archive gave a bad answer, or none.

        Raises
        ------
        ArchiveDown
            If that was one too many.
        """
        with self._lock:
            self._failures_in_a_row += 1
            n_failures = self._failures_in_a_row
        if n_failures >= self._settings.breaker_failures:
            raise self._open(
                f"{host} gave {n_failures} bad answers or none in a row (last: {failure.message})"
            )
        what = failure.message.removeprefix(f"{host}: ")
        self._tell(f"{host} does not answer as it should: {what} Trying again.")

    def tell_silence(self) -> None:
        """Say that no answer at all has come since the first request, if that is a while ago."""
        now = time.monotonic()
        if self._last_success is None and now - (self._first_request or now) > TELL_SILENCE_S:
            self._tell("The archive has not answered yet. Still waiting.")

    def _tell(self, sentence: str) -> None:
        """Say at once that an archive that never answered fails, and else after a while without success."""
        now = time.monotonic()
        with self._lock:
            quiet = self._last_success is not None and now - self._last_success < TELL_AFTER_S
            if quiet or now < self._next_telling:
                return
            self._next_telling = now + TELL_EVERY_S
        self.tell(sentence)

    def _pause(self, seconds: float) -> None:
        self._closed.wait(seconds)
        self.check_open()
        self._check_up()

    def _check_up(self) -> None:
        if self._down:
            raise _down(self._down)

    def _open(self, message: str) -> ArchiveDown:
        with self._lock:
            self._down = self._down or message
        return _down(self._down)


def _down(message: str) -> ArchiveDown:
    """A new error each time: one that is raised again and again would keep all that was ever received."""
    next_step = "Nothing more is asked; run the same command later to go on where this one stopped."
    return ArchiveDown(message, next_step)
