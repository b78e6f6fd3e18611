"""Which object a fetch takes up next, each locked; those of another process come when they are free."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rbztf.stores.store_locks import POLL_S, Patience, StoreLocks
from rbztf.wording import counted
from rbztf.ztf import Oid


class Intake:
    """Objects one by one, each locked for this process until :meth:`done`.

    Parameters
    ----------
    oids : iterable of Oid
        The objects wanted, in order.
    locks : StoreLocks
    patience : Patience
        With other processes, while there is nothing else to do.

    Attributes
    ----------
    waiting : list of Oid
        Objects that another process holds.
    given_up : list of Oid
        Objects that another process still held when the time to wait was over.
    """

    def __init__(self, oids: Iterable[Oid], locks: StoreLocks, patience: Patience) -> None:
        self.waiting: list[Oid] = []
        self.given_up: list[Oid] = []
        self._source, self._locks, self._patience = iter(oids), locks, patience
        self._next_poll = 0.0

    def next(self) -> Oid | None:
        """The next object that is free; None if there is none (now)."""
        for oid in self._source:
            if self._locks.take(oid):
                return oid
            self.waiting.append(oid)
        return self._freed()

    def _freed(self) -> Oid | None:
        """An object that another process has given up meanwhile."""
        if time.monotonic() < self._next_poll:
            return None
        for oid in self.waiting:
            if self._locks.take(oid):
                self.waiting.remove(oid)
                self._patience.rest()
                return oid
        self._next_poll = time.monotonic() + POLL_S
        return None

    def done(self, oid: Oid) -> None:
        """Let other processes have the object."""
        self._locks.release(oid)

    def idle(self) -> None:
        """Wait a moment for the others; after the longest time to wait, give up what they hold."""
        what = f"{counted(len(self.waiting), 'object')} that another process is fetching into the same folder"
        if not self._patience.wait(f"Waiting for {what}."):
            self.given_up, self.waiting = self.waiting, []
