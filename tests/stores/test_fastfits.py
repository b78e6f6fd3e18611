"""The plain FITS reader agrees with astropy on all it takes, and leaves the rest to it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from helpers import REAL_FRAMES, make_oid, need, random_frames, write_cutouts

from rbztf.stores.fastfits import Cards, NotPlain, hdus, read_extension, read_primary, read_table


def content_of(hdu: fits.PrimaryHDU | fits.HDUList) -> bytes:
    stream = io.BytesIO()
    hdu.writeto(stream)
    return stream.getvalue()


def test_real_frames_are_read_as_astropy_reads_them() -> None:
    paths = sorted(need(REAL_FRAMES / "snad_artefacts").glob("*.fits"))
    assert paths
    for path in paths:
        cards, pixels = read_primary(path.read_bytes())
        with fits.open(path) as opened:
            assert np.array_equal(pixels, opened[0].data, equal_nan=True)
            header = opened[0].header
            compared = [key for key in header if key not in ("COMMENT", "HISTORY", "")]
            assert len(compared) > 100
            for key in compared:
                if isinstance(header[key], (str, int, float, bool)) and len(str(header[key])) < 60:
                    assert cards[key] == header[key], key
    assert pixels.dtype.isnative


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
@pytest.mark.parametrize(("scale", "zero"), [(1.0, 0.0), (0.5, 100.0)])
def test_every_kind_of_pixel_has_the_value_astropy_gives_it_or_is_left_to_it(
    dtype: str, scale: float, zero: float
) -> None:
    stored = np.arange(20).reshape(4, 5).astype(dtype)
    hdu = fits.PrimaryHDU(stored)
    content = content_of(hdu)
    if (scale, zero) != (1.0, 0.0):  # astropy would scale the pixels it writes
        extra = f"BSCALE  = {scale:20}".ljust(80) + f"BZERO   = {zero:20}".ljust(80)
        end = content.index(b"END" + b" " * 77)
        content = content[:end] + extra.encode() + content[end : end + 2880 - end - 160] + content[2880:]
    with fits.open(io.BytesIO(content)) as opened:
        expected = np.asarray(opened[0].data, np.float32)
    assert expected[1, 1] == pytest.approx(6 * scale + zero)
    try:
        _, pixels = read_primary(content)
    except NotPlain:
        assert (dtype, scale) != ("f4", 1.0)
        return
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("hdu", [fits.PrimaryHDU(np.ones((2, 4, 5), np.float32)), fits.PrimaryHDU()])
def test_other_shapes_are_left_to_astropy(hdu: fits.PrimaryHDU) -> None:
    with pytest.raises(NotPlain):
        read_primary(content_of(hdu))


def card(text: str) -> bytes:
    return text.ljust(80).encode("ascii")


def test_only_a_card_of_its_own_ends_a_header() -> None:
    """A comment may end with the word, and a blank card follow."""
    shape = (card("BITPIX  = -32"), card("NAXIS   = 2"), card("NAXIS1  = 30"), card("NAXIS2  = 24"))
    header = b"".join(
        [card("SIMPLE  = T"), *shape, card("COMMENT".ljust(77) + "END"), card(""), card("GAIN    = 6.2")]
    )
    pixels = random_frames(1)[0].ravel()[:720].reshape(24, 30)
    content = (header + card("END")).ljust(2880) + pixels.astype(">f4").tobytes()  # fills a block to its end
    cards, found = read_primary(content)
    assert cards["GAIN"] == 6.2
    assert np.array_equal(found, pixels)
    with pytest.raises(NotPlain):
        read_primary(content[:-4])


def test_of_a_repeated_keyword_the_first_counts_and_keywords_keep_their_order() -> None:
    cards = Cards(card("B       = 1") + card("A       = 2") + card("A       = 3") + card("COMMENT none"))
    assert (list(cards), len(cards)) == (["B", "A"], 2)
    assert cards["A"] == 2
    with pytest.raises(KeyError):
        cards["COMMENT"]


def test_an_image_in_the_primary_header_s_place_is_left_to_astropy(tmp_path: Path) -> None:
    frames = fits.ImageHDU(random_frames(2), name="FRAMES")
    fits.HDUList([fits.PrimaryHDU(np.ones((4, 5), np.float32)), frames]).writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    with pytest.raises(NotPlain):
        read_extension(content, list(hdus(content)), "FRAMES")


def test_texts_with_quotes_and_slashes() -> None:
    hdu = fits.PrimaryHDU(np.ones((2, 3), np.float32))
    hdu.header["TEXT"] = ("it's a/b", "a comment / with a slash")
    hdu.header["FLAG"] = True
    hdu.header["NUMBER"] = -1.5e-7
    cards, _ = read_primary(content_of(hdu))
    assert (cards["TEXT"], cards["FLAG"], cards["NUMBER"]) == ("it's a/b", True, -1.5e-7)


@pytest.mark.parametrize(
    "cards",
    [
        {"NAXIS": "-1"},
        {"NAXIS": "'two'"},
        {"NAXIS1": "2.5"},
        {"NAXIS2": "-24"},
        {"NAXIS1": None},
        {"BITPIX": "'-32'"},
        {"BITPIX": "-32.0"},
        {"BITPIX": None},
    ],
)
def test_sizes_that_are_not_whole_numbers_are_left_to_astropy(cards: dict[str, str | None]) -> None:
    plain: dict[str, str | None] = {
        "SIMPLE": "T",
        "BITPIX": "-32",
        "NAXIS": "2",
        "NAXIS1": "30",
        "NAXIS2": "24",
    }
    data = bytes(2880)
    contents = [
        b"".join([*(card(f"{key:<8}= {value}") for key, value in chosen.items() if value), card("END")])
        for chosen in (plain, {**plain, **cards})
    ]
    assert read_primary(contents[0].ljust(2880) + data)[1].shape == (24, 30)
    with pytest.raises(NotPlain):
        read_primary(contents[1].ljust(2880) + data)


@pytest.mark.parametrize("kept", [0, 10, 2879, 2880, 2880 + 100])
def test_a_file_cut_short_is_not_plain(kept: int) -> None:
    content = content_of(fits.PrimaryHDU(random_frames(1)[0]))
    with pytest.raises(NotPlain):
        read_primary(content[:kept])


def test_frames_of_the_store_are_read_as_astropy_reads_them(tmp_path: Path) -> None:
    oid = make_oid(1)
    path = write_cutouts(tmp_path, {oid: random_frames(3)}) / f"{oid}.fits"
    content = path.read_bytes()
    parts = list(hdus(content))
    image = read_extension(content, parts, "FRAMES")
    primary, extension = parts[0].cards, parts[1].cards
    with fits.open(path) as opened:
        assert np.array_equal(image, opened["FRAMES"].data)
        assert primary["OID"] == opened[0].header["OID"]
        assert primary["RA"] == opened[0].header["RA"]
    assert extension["BUNIT"] == "adu"
    with pytest.raises(NotPlain):
        read_extension(content, parts, "EPOCHS")


def test_an_image_without_a_table_is_read() -> None:
    frames = random_frames(2)
    content = content_of(fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(frames, name="FRAMES")]))
    assert np.array_equal(read_extension(content, list(hdus(content)), "FRAMES"), frames)


def table_of(*columns: fits.Column) -> bytes:
    return content_of(fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]))


def test_tables_of_numbers_and_texts_are_read_as_astropy_reads_them() -> None:
    content = table_of(
        fits.Column("hjd", "D", array=[2458300.5, np.nan, 2458302.25]),
        fits.Column("mag", "E", array=[17.5, 18.25, np.nan]),
        fits.Column("short", "I", array=[-(2**15), 0, 2**15 - 1]),
        fits.Column("frame", "1J", array=[0, -1, 2**31 - 1]),
        fits.Column("expid", "K", array=[2**40, -1, 3]),
        fits.Column("status", "8A", array=["ok", "off-chip", ""]),
    )
    found = read_table(content, list(hdus(content))[1])
    with fits.open(io.BytesIO(content)) as opened:
        expected = opened[1].data
        assert found.dtype.names == tuple(expected.names)
        for name in expected.names:
            values = found[name].astype("U8") if name == "status" else found[name]
            assert np.array_equal(values, expected[name], equal_nan=name in ("hjd", "mag")), name


@pytest.mark.parametrize(
    "column",
    [
        fits.Column("vector", "2D", array=np.ones((3, 2))),
        fits.Column("unsigned", "J", bzero=2**31, array=np.arange(3, dtype=np.uint32)),
        fits.Column("scaled", "E", bscale=0.5, array=np.arange(3.0)),
        fits.Column("flag", "L", array=[True, False, True]),
        fits.Column("byte", "B", array=[1, 2, 3]),
        fits.Column("lists", "PD()", array=np.array([[1.0], [2.0, 3.0], [4.0]], object)),
    ],
    ids=lambda column: column.name,
)
def test_other_tables_are_left_to_astropy(column: fits.Column) -> None:
    content = table_of(fits.Column("mag", "E", array=[1.0, 2.0, 3.0]), column)
    with pytest.raises(NotPlain):
        read_table(content, list(hdus(content))[1])


def test_columns_of_none_and_two_numbers_are_not_taken_for_two_of_one() -> None:
    content = table_of(fits.Column("a", "E", array=[1.0]), fits.Column("b", "E", array=[2.0]))
    assert read_table(content, list(hdus(content))[1]).tolist() == [(1.0, 2.0)]
    content = content.replace(b"TFORM1  = 'E ", b"TFORM1  = '2E").replace(b"TFORM2  = 'E ", b"TFORM2  = '0E")
    with pytest.raises(NotPlain):
        read_table(content, list(hdus(content))[1])
