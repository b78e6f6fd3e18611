"""Every changed bit of a file of the store is noticed; files without checksums are read, and can be given them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from helpers import make_oid, random_frames, refusal, refused, run_well, strict_json, write_cutouts

import rbztf
from rbztf.errors import DataError, RbztfError
from rbztf.stores.cutouts import open_cutouts, read_object
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import read_epochs, write_object
from rbztf.stores.sealing import seal_file
from rbztf.verbs.fetch import check_store

OID = make_oid(17)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of five frames and eight epochs, with texts."""
    n = 8
    columns = {
        "mjd": 58300.25 + np.arange(n),
        "hjd": 2458300.75 + np.arange(n),
        "mag": np.linspace(17, 18, n).astype(np.float32),
        "frame": np.array([0, 1, -1, 2, 3, -1, -1, 4]),
        "status": np.array(["ok", "ok", "missing", "ok", "ok", "off-chip", "failed", "ok"]),
        "url": np.array([f"https://archive/{i}" for i in range(n)]),
        "filefracday": 20180701000000 + np.arange(n),
    }
    place = {"ra_deg": 10.5, "dec_deg": -3.25, "collection": "ztf_dr24"}
    return write_object(tmp_path / "store", OID, random_frames(5), epoch_table(columns, n), **place)


def without_checksums(path: Path) -> bytes:
    """Write the file again as older versions did; returns its content."""
    with fits.open(path) as hdus:
        for hdu in hdus:
            del hdu.header["CHECKSUM"], hdu.header["DATASUM"]
        hdus.writeto(path, overwrite=True)
    return path.read_bytes()


def flips(content: bytes, n: int, seed: int) -> list[tuple[int, int]]:
    """Places and bits: half of them anywhere, half in the headers and the table."""
    rng = np.random.default_rng(seed)
    frames = content.index(b"XTENSION") + 2880
    places = [int(rng.integers(len(content))) for _ in range(n // 2)]
    other = [*range(frames), *range(frames + 5 * 3136, len(content))]
    places += [int(rng.choice(other)) for _ in range(n - n // 2)]
    return [(place, int(rng.integers(8))) for place in places]


def test_any_changed_bit_is_noticed_by_every_reader(path: Path) -> None:
    content = path.read_bytes()
    unnoticed = []
    for place, bit in flips(content, 60, seed=0):
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        path.write_bytes(changed)
        for read in (read_object, read_epochs):
            if not isinstance(refusal(lambda read=read: read(path)), RbztfError):  # type: ignore[misc]
                unnoticed.append((read.__name__, place, bit))
        if check_store(path.parent).complete:
            unnoticed.append(("check", place, bit))
    assert unnoticed == []


@pytest.mark.parametrize("change", [lambda c: c + b"\0" * 2880, lambda c: c[:-2880], lambda c: c[:-1]])
def test_a_longer_or_shorter_file_is_noticed(path: Path, change: object) -> None:
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match="damaged"):
        read_object(path)


def test_the_checksums_are_those_of_the_standard(path: Path) -> None:
    with warnings.catch_warnings(action="error"), fits.open(path, checksum=True) as hdus:
        assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in hdus)
        hdus.verify("exception")


def test_an_older_store_is_read_and_can_be_sealed(path: Path) -> None:
    frames, sealed = read_object(path).frames, path.read_bytes()
    old = without_checksums(path)
    assert np.array_equal(read_object(path).frames, frames)
    assert (read_object(path).sealed, read_object(path).n_epochs) == (False, 8)
    found = run_well("fetch", "--check", path.parent)
    assert "no checksums" in found.stderr
    assert path.read_bytes() == old
    answer = strict_json(run_well("fetch", "--check", path.parent, "--seal", "--json").stdout)
    assert (answer["n_sealed"], answer["n_unsealed"], answer["complete"]) == (1, 0, True)
    assert path.read_bytes() == sealed
    assert read_object(path).sealed
    assert not seal_file(path)


def test_a_damaged_file_is_not_sealed(path: Path) -> None:
    without_checksums(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 2880])
    result = check_store(path.parent, seal=True)
    assert (result.n_sealed, len(result.problems)) == (0, 1)


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("mjd", 2.5e6, "at times at which nothing was observed"),
        ("mjd", -1.0, "at times at which nothing was observed"),
        ("frame", 1, "do not point at"),
        ("frame", 99, "do not point at"),
        ("status", "lost", "unknown status"),
        ("filefracday", 20180701000007, "twice"),
    ],
)
def test_impossible_values_are_named_without_checksums(
    path: Path, column: str, value: object, what: str
) -> None:
    cutouts = read_object(path)
    epochs = cutouts.epochs
    epochs[column] = [value, *epochs[column][1:].tolist()]
    write_object(path.parent, OID, cutouts.frames, epochs, ra_deg=1.0, dec_deg=2.0)
    without_checksums(path)
    assert any(what in problem.what for problem in check_store(path.parent).problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [("RA", "361.0"), ("DEC", "-90.5"), ("RA", "1E400"), ("RA", "west"), ("NAXIS3", "999999999")],
)
def test_impossible_headers_are_refused_without_checksums(path: Path, name: str, value: str) -> None:
    content = bytearray(without_checksums(path))
    start = content.index(name.ljust(8).encode() + b"=")
    content[start : start + 80] = f"{name:<8}= {value:>20}".ljust(80).encode()
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_object(path)


def test_an_image_without_axes_is_refused(path: Path) -> None:
    without_checksums(path)
    with fits.open(path) as hdus:
        bare = fits.ImageHDU(name="FRAMES")
        fits.HDUList([hdus[0].copy(), bare, hdus[2].copy()]).writeto(path, overwrite=True)
    content = path.read_bytes()
    place = content.index(b"BITPIX", content.index(b"XTENSION"))
    path.write_bytes(content[:place] + b"BITPIX  = -32".ljust(80) + content[place + 80 :])
    with pytest.raises(DataError, match="does not begin with an image FRAMES"):
        read_object(path)


def test_a_byte_that_is_not_text_is_refused_or_named(path: Path) -> None:
    content = without_checksums(path)
    path.write_bytes(content.replace(b"off-chip", b"off-ch\xefp"))
    assert "unknown status" in check_store(path.parent).problems[0].what
    path.write_bytes(content.replace(b"COLLECT", b"C\xd6LLECT"))
    assert read_object(path).collection == ""


def test_another_object_s_file_is_refused_by_name(path: Path) -> None:
    """In a store, and wherever it is read."""
    other = make_oid(18)
    path.rename(path.with_name(f"{other}.fits"))
    for read in (lambda: open_cutouts(path.parent)[other], lambda: open_cutouts(path.parent).epochs(other)):
        error = refusal(read)
        assert isinstance(error, DataError)
        assert f"holds the object {OID}" in error.message
    result = rbztf.fetch([other], out=path.parent, archive_url="http://127.0.0.1:9")
    assert f"holds the object {OID}" in result.objects[0].problem


def test_readers_beside_a_writer_see_one_whole_file(tmp_path: Path) -> None:
    """The table of epochs belongs to the frames, though it is read later."""
    store = write_cutouts(tmp_path, {OID: random_frames(3)})
    cutouts = open_cutouts(store)[OID]
    write_cutouts(tmp_path, {OID: random_frames(7)})
    assert len(cutouts.epochs) == cutouts.n_epochs == len(cutouts.frames) == 3


def test_seal_belongs_to_check() -> None:
    refused("fetch", "686103400034440", "--seal", says=["--check"])
