"""The cutout store: what is written is read, and half a file is never taken for a whole one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from helpers import Frames, largest_file, make_oid, random_frames, refusal, write_cutouts, write_frame
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rbztf.errors import DataError, InputError, WriteError
from rbztf.stores.cutouts import CutoutStore, open_cutouts, read_object
from rbztf.stores.epochs import COLUMNS, NO_FRAME, FrameStatus, epoch_table
from rbztf.stores.object_file import is_store_file, write_object

OID = make_oid(17)
PIXELS = st.floats(width=32, allow_nan=True, allow_infinity=True)
FRAMES = st.integers(0, 4).flatmap(
    lambda n: hnp.arrays(np.float32, (n, 28, 28), elements=PIXELS, fill=PIXELS)
)


def epochs_of(n: int) -> object:
    return epoch_table({"hjd": 2458300.5 + np.arange(n), "frame": np.arange(n)}, n)


@given(frames=FRAMES, position=st.floats(-89, 89))
def test_frames_come_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, frames: Frames, position: float
) -> None:
    folder = tmp_path_factory.mktemp("store")
    n = len(frames)
    path = write_object(
        folder, OID, frames, epochs_of(n), ra_deg=position + 90, dec_deg=position, collection="ztf_dr24"
    )
    found = open_cutouts(folder)[OID]
    assert found.frames.dtype == np.float32
    assert found.frames.dtype.isnative
    assert np.array_equal(found.frames, frames, equal_nan=True)
    assert (found.oid, found.path, found.collection) == (OID, path, "ztf_dr24")
    assert (found.ra_deg, found.dec_deg) == pytest.approx((position + 90, position), abs=1e-12)
    assert np.array_equal(found.frame_photometry()[:, 0], 2458300.5 + np.arange(n))
    assert [entry.name for entry in folder.iterdir()] == [path.name]


def test_epochs_come_back_with_and_without_frames(tmp_path: Path) -> None:
    given_columns = {
        "mjd": np.array([58300.1, 58301.2, 58302.3]),
        "hjd": np.array([2458300.6, 2458301.7, 2458302.8]),
        "mag": np.array([17.5, np.nan, 18.25], np.float32),
        "catflags": np.array([0, 32768, 2]),
        "expid": np.array([2**40, 1, 2]),
        "status": np.array([FrameStatus.OK, FrameStatus.OFF_CHIP, FrameStatus.OK]),
        "frame": np.array([1, NO_FRAME, 0]),
        "url": np.array(["https://a/" + "x" * 100, "", "https://b"]),
    }
    frames = random_frames(2)
    write_object(
        tmp_path, OID, frames, epoch_table(given_columns, 3), ra_deg=float("nan"), dec_deg=float("nan")
    )
    found = read_object(tmp_path / f"{OID}.fits")
    epochs = found.epochs
    assert epochs.colnames == list(COLUMNS)
    for name, values in given_columns.items():
        found_values = np.asarray(epochs[name])
        kind = {"U": str}.get(values.dtype.kind, values.dtype)
        assert np.array_equal(
            found_values.astype(kind), values.astype(kind), equal_nan=values.dtype.kind == "f"
        ), name
    assert epochs["hjd"].unit == "d"
    assert np.array_equal(found.frame_photometry()[:, 0], [2458302.8, 2458300.6])
    assert np.isnan(found.ra_deg)
    assert np.isnan(found.dec_deg)


def test_the_file_is_ordinary_fits(tmp_path: Path) -> None:
    frames = random_frames(3)
    write_cutouts(tmp_path, {OID: frames})
    path = tmp_path / f"{OID}.fits"
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "FRAMES", "EPOCHS"]
        assert hdus[0].header["OID"] == str(OID)
        assert np.array_equal(hdus["FRAMES"].data, frames)
        assert hdus["FRAMES"].data.dtype == np.dtype(">f4")
    assert is_store_file(path)


def test_photometry_is_read_without_a_table_of_astropy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which would take milliseconds an object."""
    path = write_cutouts(tmp_path, {OID: random_frames(3)}) / f"{OID}.fits"
    found = read_object(path)
    assert path.stat().st_size - len(found._table) > found.frames.nbytes  # the bytes are kept without frames
    with monkeypatch.context() as patch:
        patch.setattr("astropy.table.Table.read", None)
        photometry = found.frame_photometry()
        assert found.n_epochs == 3
    assert np.array_equal(photometry[:, 0], found.epochs["hjd"])


@pytest.mark.parametrize(("ra_deg", "dec_deg"), [(0.0, 90.0), (360.0, -90.0), (359.9, 0.0)])
def test_positions_at_the_ends_of_their_range(tmp_path: Path, ra_deg: float, dec_deg: float) -> None:
    path = write_object(tmp_path, OID, random_frames(1), epochs_of(1), ra_deg=ra_deg, dec_deg=dec_deg)
    found = read_object(path)
    assert (found.ra_deg, found.dec_deg) == (ra_deg, dec_deg)
    assert "EPOCHS" not in repr(found)  # nor the bytes of the table


def test_frames_of_another_shape_are_refused(tmp_path: Path) -> None:
    for shape in [(28, 28), (2, 28, 27), (2, 27, 28), (1, 2, 28, 28)]:
        with pytest.raises(ValueError, match="must have the shape"):
            write_object(tmp_path, OID, np.zeros(shape, np.float32), epochs_of(2), ra_deg=0, dec_deg=0)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / f"{OID}.fits"
    with largest_file(10_000), pytest.raises(WriteError, match="larger than files may be"):
        write_cutouts(tmp_path, {OID: random_frames(20)})
    assert list(tmp_path.iterdir()) == []
    write_cutouts(tmp_path, {OID: random_frames(2)})
    before = path.read_bytes()
    with largest_file(10_000), pytest.raises(WriteError, match="larger than files may be"):
        write_cutouts(tmp_path, {OID: random_frames(20)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_whoever_reads_the_old_file_may_go_on(tmp_path: Path) -> None:
    path = write_cutouts(tmp_path, {OID: random_frames(2)}) / f"{OID}.fits"
    before = path.read_bytes()
    with path.open("rb") as opened:
        start = opened.read(1000)
        write_cutouts(tmp_path, {OID: random_frames(9)})
        assert start + opened.read() == before
    assert len(read_object(path).frames) == 9


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    write_cutouts(tmp_path, {OID: random_frames(1)})
    fits.setval(tmp_path / f"{OID}.fits", "SCHEMA", value=2)
    with pytest.raises(InputError, match="layout version 2; this rbztf knows 1"):
        read_object(tmp_path / f"{OID}.fits")


def read_all(path: Path) -> None:
    found = read_object(path)
    assert found.frames.shape[1:] == (28, 28)
    assert found.frames.dtype == np.float32
    assert found.frame_photometry()[:, 0].shape == (len(found.frames),)


@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = write_cutouts(folder, {OID: random_frames(2)}) / f"{OID}.fits"
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), "cut short"):
        content = content[: data.draw(st.integers(0, len(content) - 1), "kept")]
    else:
        headers = st.integers(0, 3 * 2880) | st.integers(len(content) - 12000, len(content) - 1)
        for place in data.draw(st.lists(headers, min_size=1, max_size=6), "places"):
            content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    error = refusal(lambda: read_all(path))
    assert error is None or error.next_step


@given(kept=st.integers(0, 100))
def test_a_file_cut_short_within_its_frames_is_refused(
    tmp_path_factory: pytest.TempPathFactory, kept: int
) -> None:
    folder = tmp_path_factory.mktemp("short")
    path = write_cutouts(folder, {OID: random_frames(4)}) / f"{OID}.fits"
    path.write_bytes(path.read_bytes()[: 2 * 2880 + kept * 4 * 28 * 28 * 4 // 101])
    with pytest.raises(DataError):
        read_object(path)


@pytest.mark.parametrize("shape", [(28, 28), (2, 28, 27), (3, 29, 29), (1, 2, 28, 28)])
def test_a_file_with_frames_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_cutouts(tmp_path, {OID: random_frames(2)}) / f"{OID}.fits"
    with fits.open(path) as hdus:
        whole = [hdus[0].copy(), fits.ImageHDU(np.ones(shape, np.float32), name="FRAMES"), hdus[2].copy()]
    fits.HDUList(whole).writeto(path, overwrite=True)
    with pytest.raises(DataError):
        read_object(path)


def test_epochs_that_point_beyond_the_frames_are_refused(tmp_path: Path) -> None:
    epochs = epoch_table({"frame": np.array([0, 5])}, 2)
    write_object(tmp_path, OID, random_frames(2), epochs, ra_deg=0, dec_deg=0)
    with pytest.raises(DataError, match="EPOCHS"):
        read_object(tmp_path / f"{OID}.fits").frame_photometry()[:, 0]


def test_a_store_is_a_mapping_that_ignores_what_is_no_object(tmp_path: Path) -> None:
    oids = [make_oid(3), make_oid(1), make_oid(2)]
    write_cutouts(tmp_path, {oid: random_frames(1, seed=oid % 10) for oid in oids})
    (tmp_path / f".{make_oid(4)}.77.part").write_bytes(b"half")
    (tmp_path / "notes.fits").write_text("none")
    (tmp_path / "12.fits").write_text("none")
    (tmp_path / f"{make_oid(5)}.csv").write_text("none")
    store = open_cutouts(tmp_path)
    assert list(store) == sorted(oids)
    assert len(store) == 3
    assert make_oid(3) in store
    assert make_oid(4) not in store
    assert np.array_equal(store[str(oids[0])].frames, random_frames(1, seed=3))
    assert "3 objects" in repr(store)
    with pytest.raises(KeyError):
        store[make_oid(9)]


def test_epochs_of_every_layout(tmp_path: Path) -> None:
    ours, single, folder = make_oid(1), make_oid(2), make_oid(3)
    write_cutouts(tmp_path, {ours: random_frames(2)})
    write_frame(tmp_path / f"{single}.fits", random_frames(1)[0], OBSMJD=58300.5)
    write_frame(tmp_path / str(folder) / "58301.5.fits", random_frames(1)[0])
    store = open_cutouts(tmp_path)
    for oid in (ours, single, folder):
        assert store.epochs(oid)["hjd"].tolist() == store[oid].epochs["hjd"].tolist()
    assert [is_store_file(tmp_path / f"{oid}.fits") for oid in (ours, single)] == [True, False]
    (tmp_path / "notes.txt").write_bytes(b"SCHEMA  = 1".ljust(80))
    assert not is_store_file(tmp_path / "notes.txt")


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rbztf fetch"):
        CutoutStore(tmp_path / "none")
