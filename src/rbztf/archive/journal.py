"""Frames under way: an append-only file per object, from which a killed fetch goes on.

``FOLDER/.OID.journal`` starts with eight bytes that name the format, followed by records:
length and CRC-32 of the payload (two little-endian uint32), then the payload: the length
of a JSON text (uint32), the text, and, for a sound frame, 28 x 28 little-endian float32.
A record cut short by a kill fails its check and is dropped, with all behind it.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.stores.epochs import COLUMNS, FrameStatus, can_hold
from rbztf.ztf import SIZE_PIX

MAGIC = b"RBZTFJ1\n"
EDGE_PIX = "edge_pix"
"""Fact of a frame: pixels between it and the nearest edge of its chip."""
BAD_REQUEST = "bad_request"
"""Fact of an epoch whose frame the archive refused (HTTP 400) without saying that it is off the chip."""
_FRAMING = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_PIXELS = np.dtype("<f4")


@dataclass(frozen=True)
class Outcome:
    """What came of asking for one frame.

    Attributes
    ----------
    status : FrameStatus
    url : str
        What was asked.
    facts : dict
        Columns of the epoch that the frame's header filled, :data:`EDGE_PIX` and :data:`BAD_REQUEST`.
    frame : ndarray (28, 28), float32, or None
        The pixels, where ``status`` is ok.
    reason : str
        Why there are none, as one sentence.
    """

    status: FrameStatus
    url: str
    facts: dict[str, float | int] = field(default_factory=dict)
    frame: NDArray[np.float32] | None = None
    reason: str = ""


@dataclass
class Journaled:
    """What a journal holds.

    Attributes
    ----------
    plan : dict or None
        The light curve as served (``text``) and its ``collection``.
    outcomes : dict of int to Outcome
        By the exposure's ``filefracday``; the last word on each.
    sound_bytes : int
        Where the sound part of the file ends.
    """

    plan: dict[str, str] | None = None
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    sound_bytes: int = 0


def journal_path(folder: Path, oid: int) -> Path:
    """Where the journal of an object lies."""
    return folder / f".{int(oid)}.journal"


def read_journal(path: Path) -> Journaled:
    """Read what is sound of a journal; nothing where there is no file."""
    found = Journaled()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return found
    for payload, end in _payloads(content):
        try:
            record, pixels = _record(payload)
            if "plan" in record:
                found.plan = {
                    "text": str(record["plan"]["text"]),
                    "collection": str(record["plan"]["collection"]),
                }
            else:
                found.outcomes[int(record["exposure"])] = _outcome(record, pixels)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
            break  # not written by a Journal, whatever its checksum
        found.sound_bytes = end
    return found


def _record(payload: bytes) -> tuple[dict[str, Any], bytes]:
    length = _LENGTH.unpack_from(payload)[0]
    return json.loads(payload[_LENGTH.size : _LENGTH.size + length]), payload[_LENGTH.size + length :]


def _payloads(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Sound records, each with the place where it ends."""
    if not content.startswith(MAGIC):
        return
    start = len(MAGIC)
    while start + _FRAMING.size <= len(content):
        length, checksum = _FRAMING.unpack_from(content, start)
        end = start + _FRAMING.size + length
        payload = content[start + _FRAMING.size : end]
        if len(payload) != length or zlib.crc32(payload) != checksum:
            return
        yield payload, end
        start = end


def _outcome(record: dict[str, Any], pixels: bytes) -> Outcome:
    frame = None
    if pixels:
        frame = np.frombuffer(pixels, _PIXELS).reshape(SIZE_PIX, SIZE_PIX).astype(np.float32)
    status = FrameStatus(record["status"])
    if (status is FrameStatus.OK) != (frame is not None):
        raise ValueError("a sound frame has pixels, and nothing else has")
    facts = {name: value for name, value in record["facts"].items() if _is_fact(name, value)}
    return Outcome(status, str(record["url"]), facts, frame, str(record["reason"]))


def _is_fact(name: str, value: object) -> bool:
    if name in (EDGE_PIX, BAD_REQUEST):
        return isinstance(value, int | float)
    return name in COLUMNS and can_hold(value, name)


class Journal:
    """A journal open for writing; what it held before is kept, a broken tail is cut off.

    Parameters
    ----------
    path : Path
        From :func:`journal_path`.
    sound_bytes : int
        From :func:`read_journal`.
    """

    def __init__(self, path: Path, sound_bytes: int = 0) -> None:
        self.path = path
        self._stream = path.open("ab", buffering=0)  # nothing is left to write when it is closed
        self._stream.truncate(sound_bytes)
        if not sound_bytes:
            self._write(MAGIC)

    def plan(self, text: str, collection: str) -> None:
        """Keep the light curve whose frames are asked for from now on."""
        self._append({"plan": {"text": text, "collection": collection}}, b"")

    def outcome(self, exposure: int, outcome: Outcome) -> None:
        """Keep what came of one frame."""
        record = {
            "exposure": int(exposure),
            "status": outcome.status.value,
            "url": outcome.url,
            "facts": outcome.facts,
            "reason": outcome.reason,
        }
        pixels = b"" if outcome.frame is None else outcome.frame.astype(_PIXELS).tobytes()
        self._append(record, pixels)

    def close(self) -> None:
        """Close the file, which stays."""
        self._stream.close()

    def _append(self, record: dict[str, Any], pixels: bytes) -> None:
        text = json.dumps(record, separators=(",", ":")).encode()
        payload = _LENGTH.pack(len(text)) + text + pixels
        self._write(_FRAMING.pack(len(payload), zlib.crc32(payload)) + payload)

    def _write(self, content: bytes) -> None:
        """Hand all of it to the system, where it survives a kill of this process."""
        left = memoryview(content)
        while left:
            left = left[self._stream.write(left) or 0 :]
