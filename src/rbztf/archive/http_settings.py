"""How patient and how polite to be with an archive."""

from __future__ import annotations

from dataclasses import dataclass

from rbztf.errors import UsageError

MAX_WORKERS = 10
"""More at once led to timeouts and corrupt files at IRSA, whoever asked."""


@dataclass(frozen=True)
class HttpSettings:
    """How patient and how polite to be.

    Attributes
    ----------
    workers : int
        Requests at the same time, 1 to 10.
    tries : int
        How often one thing is asked for before it is given up.
    connect_timeout_s, read_timeout_s : float
        Longest wait for a connection, and for the next bytes.
    frame_budget_s, table_budget_s : float
        Longest time one try for a frame or a table may take from start to end.
    backoff_s, max_backoff_s : float
        Pause after the first failure, doubled after each further one, and its limit.
    max_pause_s : float
        Longest ``Retry-After`` that is waited for; a longer one counts as "down".
    breaker_failures : int
        Failures in a row, over all workers, after which the archive counts as down.
    """

    workers: int = 4
    tries: int = 8
    connect_timeout_s: float = 4.0
    read_timeout_s: float = 120.0
    frame_budget_s: float = 60.0
    table_budget_s: float = 300.0
    backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    max_pause_s: float = 300.0
    breaker_failures: int = 40

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise UsageError(
                f"{self.workers} requests at the same time: must be 1 to {MAX_WORKERS}.",
                "More led to timeouts and corrupt files for everybody; 4 is a good choice.",
            )
