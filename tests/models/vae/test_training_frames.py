"""The frames to train on: what is in the files, their order, and flat memory."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
from helpers import make_oid, random_frames, write_cutouts

from rbztf.config import FramesSection
from rbztf.errors import DataError
from rbztf.models.vae.encoder_inputs import NO_DATA, SATURATED, make_inputs
from rbztf.models.vae.known_frames import known_frames
from rbztf.models.vae.training_frames import NO_OBJECT, UNKNOWN_KIND, FrameSet, KnownFrames, prepare_frames
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import write_object
from rbztf.ztf import Oid

MASKED = FramesSection(normaliser="asinh_noise", invalid="mask")
A, B = make_oid(1), make_oid(2)


def test_files_hold_what_the_normaliser_makes(tmp_path: Path) -> None:
    objects = {A: random_frames(5), B: random_frames(3, seed=1)}
    objects[A][1, :4] = np.nan
    objects[B][2] = np.nan
    store = open_cutouts(write_cutouts(tmp_path / "c", objects))
    known = KnownFrames(make_inputs(random_frames(4, seed=2), MASKED), np.array([0, 3, 1, 0]))
    data, problems = prepare_frames(store, MASKED, tmp_path / "scratch", known=known)
    assert problems == []
    expected = make_inputs(np.concatenate([objects[A], objects[B][:2]]), MASKED)
    inputs = data.inputs(np.arange(7))
    for name in ("values", "states", "side"):
        assert np.array_equal(getattr(inputs, name), getattr(expected, name))
    assert data.objects.tolist() == [A] * 5 + [B] * 2 + [NO_OBJECT] * 4
    assert data.take(np.arange(11)).kinds.tolist() == [UNKNOWN_KIND] * 7 + [0, 3, 1, 0]
    assert (data.take(np.array([1])).states[0, :4] == NO_DATA).all()
    data.release()
    assert np.array_equal(data.take(np.arange(7)).values, expected.values)  # read again


def test_headers_say_which_pixels_are_saturated(tmp_path: Path) -> None:
    frames = random_frames(2)
    frames[1, 14, 14] = 60_000
    table = epoch_table({"hjd": np.arange(2.0), "frame": np.arange(2), "saturate": np.full(2, 5e4)}, 2)
    write_object(tmp_path / "c", A, frames, table, ra_deg=1.0, dec_deg=2.0)
    data, _ = prepare_frames(open_cutouts(tmp_path / "c"), MASKED, tmp_path / "scratch")
    assert data.states is not None
    assert np.argwhere(data.states == SATURATED).tolist() == [[1, 14, 14]]


def test_a_store_without_frames_is_refused(tmp_path: Path) -> None:
    store = open_cutouts(write_cutouts(tmp_path / "c", {A: np.full((2, 28, 28), np.nan, np.float32)}))
    with pytest.raises(DataError, match="no usable frame"):
        prepare_frames(store, MASKED, tmp_path / "scratch")


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="pages cannot be given back here")
def test_memory_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    """An epoch over 60,000 frames (190 MB, a sparse file) adds less than a third of that."""
    n = 60_000
    path = tmp_path / "scratch"
    with path.open("wb") as stream:
        stream.truncate(n * 28 * 28 * 4)
    with path.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    frames = np.frombuffer(mapped, np.float32).reshape(n, 28, 28)
    data = FrameSet(frames, np.zeros(n, np.int64), maps=(mapped,))
    most = 0
    before = resident_kb()
    for number, batch in enumerate(data.batches(256, seed=0, epoch=0)):
        assert len(batch.values) <= 256
        if number % 8 == 0:
            most = max(most, resident_kb() - before)
    assert most < 65_000


def resident_kb() -> int:
    text = Path("/proc/self/statm").read_text() if Path("/proc/self/statm").exists() else "0 0"
    return int(text.split()[1]) * mmap.PAGESIZE // 1024


def test_frames_of_a_store_count_as_their_object_does(tmp_path: Path) -> None:
    first, second = make_oid(1), make_oid(2)
    write_cutouts(tmp_path / "c", {first: random_frames(3), second: random_frames(2, seed=1)})
    known = known_frames(4, MASKED, 0)
    data, _ = prepare_frames(
        open_cutouts(tmp_path / "c"), MASKED, tmp_path / "scratch", known=known, kinds={Oid(second): 5}
    )
    assert data.kinds is not None
    assert data.kinds.tolist() == [UNKNOWN_KIND] * 3 + [5] * 2 + known.kinds.tolist()


def test_two_trainings_in_one_folder_keep_their_own_frames(tmp_path: Path) -> None:
    """The second is smaller: a shared file would end before the frames of the first."""
    for name, n in (("many", 5), ("few", 1)):
        write_cutouts(tmp_path / name, {make_oid(1): random_frames(n)})
    first, _ = prepare_frames(open_cutouts(tmp_path / "many"), MASKED, tmp_path / "scratch")
    before = np.array(first.frames)
    first.release()
    second, _ = prepare_frames(open_cutouts(tmp_path / "few"), MASKED, tmp_path / "scratch")
    np.testing.assert_array_equal(first.frames, before)
    assert len(second) == 1
    assert list((tmp_path / "scratch").iterdir()) == []
