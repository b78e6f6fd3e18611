"""A journal gives back what was written whole, and nothing else."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from rbztf.archive.journal import MAGIC, Journal, Journaled, Outcome, read_journal
from rbztf.stores.epochs import FrameStatus

FRAME = np.random.default_rng(0).normal(200, 10, (28, 28)).astype(np.float32)
FRAME[0, 0] = np.nan
OUTCOMES = {
    20200101000001: Outcome(FrameStatus.OK, "http://x/1", {"seeing": 2.1, "infobits": 0}, FRAME),
    20200101000002: Outcome(FrameStatus.MISSING, "http://x/2", reason="404"),
    20200101000003: Outcome(FrameStatus.OK, "http://x/3", {}, FRAME + 1),
}


def write(path: Path) -> list[int]:
    """A journal of a plan and three outcomes; returns where each record ends."""
    ends = []
    journal = Journal(path)
    journal.plan("oid,mjd\n", "ztf_dr24")
    ends.append(path.stat().st_size)
    for exposure, outcome in OUTCOMES.items():
        journal.outcome(exposure, outcome)
        ends.append(path.stat().st_size)
    journal.close()
    return ends


def agrees(found: Journaled, n_outcomes: int) -> bool:
    wanted = dict(list(OUTCOMES.items())[:n_outcomes])
    if list(found.outcomes) != list(wanted):
        return False
    for key, outcome in wanted.items():
        got = found.outcomes[key]
        if (got.status, got.url, got.facts, got.reason) != (
            outcome.status,
            outcome.url,
            outcome.facts,
            outcome.reason,
        ):
            return False
        if (got.frame is None) != (outcome.frame is None):
            return False
        if outcome.frame is not None and not np.array_equal(got.frame, outcome.frame, equal_nan=True):
            return False
    return True


def test_what_was_written_is_read(tmp_path: Path) -> None:
    ends = write(tmp_path / "j")
    found = read_journal(tmp_path / "j")
    assert found.plan == {"text": "oid,mjd\n", "collection": "ztf_dr24"}
    assert found.sound_bytes == ends[-1]
    assert agrees(found, 3)
    assert read_journal(tmp_path / "none") == Journaled()


def test_a_tail_cut_anywhere_is_dropped_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "j"
    ends = write(path)
    whole = path.read_bytes()
    for cut in [*range(0, ends[0] + 20), *range(ends[0] + 20, len(whole), 97), *ends]:
        path.write_bytes(whole[:cut])
        found = read_journal(path)
        n_whole = sum(end <= cut for end in ends)
        assert agrees(found, max(0, n_whole - 1))
        assert found.sound_bytes == (ends[n_whole - 1] if n_whole else 0)
        journal = Journal(path, found.sound_bytes)
        journal.outcome(1, Outcome(FrameStatus.OFF_CHIP, "u"))
        journal.close()
        assert list(read_journal(path).outcomes) == [*list(OUTCOMES)[: max(0, n_whole - 1)], 1]


@pytest.mark.parametrize("place", [8, 12, 20, 60, -1])
def test_a_damaged_record_is_dropped(tmp_path: Path, place: int) -> None:
    path = tmp_path / "j"
    write(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    found = read_journal(path)
    assert agrees(found, 2 if place < 0 else 0)


def test_the_last_word_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.outcome(1, Outcome(FrameStatus.MISSING, "u"))
    journal.outcome(1, Outcome(FrameStatus.OK, "u", {}, FRAME))
    journal.close()
    assert read_journal(tmp_path / "j").outcomes[1].status is FrameStatus.OK


def handmade(record: object, pixels: bytes = b"") -> bytes:
    """A record with the right checksum, whatever it says."""
    text = record if isinstance(record, bytes) else json.dumps(record).encode()
    payload = struct.pack("<I", len(text)) + text + pixels
    return struct.pack("<II", len(payload), zlib.crc32(payload)) + payload


SOUND = {"exposure": 1, "status": "missing", "url": "u", "facts": {}, "reason": ""}


@pytest.mark.parametrize(
    "bad",
    [
        handmade(b"not JSON"),
        handmade(b"[" * 100_000),
        handmade([1, 2]),
        handmade({"exposure": 2}),
        handmade({**SOUND, "exposure": "two"}),
        handmade({**SOUND, "status": "lost"}),
        handmade({**SOUND, "status": "ok"}),
        handmade({**SOUND, "facts": [1]}),
        handmade({**SOUND, "status": "ok"}, b"1234"),
        handmade({**SOUND, "status": "ok"}, b"12345"),
        handmade({"plan": "none"}),
        struct.pack("<II", 0, 0),
        struct.pack("<II", 2**32 - 1, 0),
    ],
)
def test_a_record_made_by_hand_ends_what_is_read(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(MAGIC + handmade(SOUND) + bad + handmade({**SOUND, "exposure": 3}))
    found = read_journal(path)
    assert list(found.outcomes) == [1]
    assert found.sound_bytes == len(MAGIC + handmade(SOUND))


def test_facts_made_by_hand_are_left_out(tmp_path: Path) -> None:
    facts = {"seeing": 1e300, "infobits": 2**70, "colour": 1, "gain": "6", "maglimit": 20.5, "edge_pix": 3.5}
    (tmp_path / "j").write_bytes(MAGIC + handmade({**SOUND, "facts": facts}))
    assert read_journal(tmp_path / "j").outcomes[1].facts == {"maglimit": 20.5, "edge_pix": 3.5}
