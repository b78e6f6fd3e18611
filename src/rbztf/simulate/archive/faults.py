"""Faults of an archive or its network, on demand and reproducible: errors, delays, damaged answers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rbztf.errors import InputError

TRANSIENT_KINDS = (
    "latency",
    "429",
    "500",
    "503",
    "truncated",
    "short_body",
    "reset",
    "trickle",
    "html",
    "votable_error",
    "wrong_image",
)
"""Faults that go away when asked again.

``truncated`` breaks off before the announced length, ``short_body`` announces the length of
what it sends, which is half a file; ``wrong_image`` answers with a cutout of another field
(for anything but a cutout it is an HTML page).
"""
HOSTILE_KINDS = ("bad_request", "cut_line", "lost_bytes", "inserted_bytes")
"""Faults that are not among the default kinds, since a client that asks again may not get there.

``bad_request`` answers 400 without saying why. ``lost_bytes`` and ``inserted_bytes`` change what follows
in a body, whose length stays; how many and where, the address decides. ``cut_line`` breaks a table off at the end of a line, and
does not promise a length, so that nothing shows it.
"""
PERSISTENT_KINDS = ("missing", "off_chip")
"""Images that are never there: 404 as from an empty folder, and 400."""
KINDS = (*TRANSIENT_KINDS, *HOSTILE_KINDS, *PERSISTENT_KINDS)


@dataclass(frozen=True)
class Faults:
    """Which answers go wrong, decided by the seed, the address and how often it was asked.

    Parameters
    ----------
    rate : float
        Share of answers with a transient fault.
    kinds : sequence of str
        Of :data:`KINDS`; all transient ones and ``missing`` by default.
    seed : int
    max_per_url : int
        Only the first so many answers of an address can go wrong, so that a client that
        asks again gets there.
    persistent_rate : float
        Share of images that are never there, for each persistent kind.
    retry_after_s : int
        Sent as ``Retry-After`` with 429 and 503; HTTP knows whole seconds only.
    latency_s, trickle_s : float
        How long ``latency`` waits, and how long ``trickle`` takes to send a body.

    Raises
    ------
    InputError
        If a kind is unknown.
    """

    rate: float = 0.3
    kinds: Sequence[str] = (*TRANSIENT_KINDS, "missing")
    seed: int = 0
    max_per_url: int = 2
    persistent_rate: float = 0.02
    retry_after_s: int = 0
    latency_s: float = 0.2
    trickle_s: float = 1.0

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise InputError(f"Unknown fault {kind!r}.", f"Must be one of: {', '.join(KINDS)}.")

    @property
    def transient(self) -> tuple[str, ...]:
        """The chosen kinds that belong to single answers, not to images."""
        return tuple(kind for kind in self.kinds if kind not in PERSISTENT_KINDS)

    def of_answer(self, url: str, asked: int) -> str | None:
        """The fault of the answer to a request.

        Parameters
        ----------
        url : str
            Path and query.
        asked : int
            How many times this address was asked before.
        """
        if asked >= self.max_per_url or not self.transient:
            return None
        rng = self._rng("answer", url, asked)
        if rng.random() >= self.rate:
            return None
        return self.transient[int(rng.integers(len(self.transient)))]

    def of_image(self, name: str) -> str | None:
        """``missing`` or ``off_chip`` for an image that is never there, else None."""
        for kind in PERSISTENT_KINDS:
            if kind in self.kinds and self._rng(kind, name, 0).random() < self.persistent_rate:
                return kind
        return None

    def shifted(self, body: bytes, url: str, *, lost: bool) -> bytes:
        """A body some bytes of which were lost or inserted, in its last two blocks: the pixels of a cutout."""
        rng = self._rng("shifted", url, 0)
        n, start = int(rng.integers(1, 9)), max(0, len(body) - 5760)
        at = start + int(rng.integers(0, min(3000, len(body) - start)))
        if lost:
            return body[:at] + body[at + n :] + bytes(n)
        return (body[:at] + rng.bytes(n) + body[at:])[: len(body)]

    def _rng(self, purpose: str, text: str, count: int) -> np.random.Generator:
        return np.random.default_rng(
            [self.seed, zlib.crc32(purpose.encode()), zlib.crc32(text.encode()), count]
        )
