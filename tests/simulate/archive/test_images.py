"""Cutouts over HTTP: pixels, clipping, compression and the ways in which there is none."""

from __future__ import annotations

import gzip
import io
import warnings

import numpy as np
import pytest
import requests
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from helpers import REAL_FRAMES, need

from rbztf.simulate.archive.quadrant import cut
from rbztf.simulate.archive.server import SEARCH, SimulatedArchive
from rbztf.simulate.sky import SimulatedSky

QUADRANT = REAL_FRAMES / "ztf_20200924431759_000655_zr_c13_o_q3_sciimg.fits.fz"


def cutout_url(archive: SimulatedArchive, oid: int, epoch: int, gzip_option: str = "&gzip=false") -> str:
    entry = archive.sky.object(oid)
    path = archive.sky.image_paths(oid)[epoch]
    return f"{archive.url}{path}?center={entry.ra_deg},{entry.dec_deg}&size=27pix{gzip_option}"


def opened(content: bytes) -> tuple[np.ndarray, fits.Header]:
    with warnings.catch_warnings(), fits.open(io.BytesIO(content)) as hdus:
        warnings.simplefilter("ignore")
        return np.array(hdus[0].data), hdus[0].header


def test_cutouts_are_the_frames_of_the_sky(client, archive, sky: SimulatedSky) -> None:
    for oid in sky.oids[::5]:
        frames = sky.frames(oid)
        for epoch in (0, len(frames) - 1):
            answer = client.get(cutout_url(archive, oid, epoch), timeout=10)
            assert answer.status_code == 200
            pixels, header = opened(answer.content)
            inside = frames[epoch][sky.window(oid, epoch).inside]
            np.testing.assert_array_equal(pixels, inside)
            assert header["FIELDID"] == oid.field
            assert header["OBSMJD"] == pytest.approx(sky.light_curve(oid)["mjd"][epoch])


def test_cutouts_come_as_a_gzip_file_unless_asked_otherwise(client, archive, sky: SimulatedSky) -> None:
    plain = client.get(cutout_url(archive, sky.oids[0], 0), timeout=10)
    packed = client.get(cutout_url(archive, sky.oids[0], 0, ""), timeout=10)
    assert "Content-Encoding" not in packed.headers
    assert packed.content[:2] == b"\x1f\x8b"
    assert gzip.decompress(packed.content) == plain.content


def test_a_cutout_over_the_edge_is_clipped_with_its_wcs(client) -> None:
    sky = SimulatedSky(n_objects=60, n_epochs=10, seed=3)
    clipped = 0
    with SimulatedArchive(sky) as archive:
        for oid in (oid for oid in sky.oids if sky.object(oid).kind == "frame_edge"):
            for epoch, frame in enumerate(sky.frames(oid)):
                pixels, header = opened(client.get(cutout_url(archive, oid, epoch), timeout=10).content)
                assert pixels.size == np.isfinite(frame).sum()
                clipped += pixels.shape != (28, 28)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    wcs = WCS(header)
                entry = sky.object(oid)
                x_pix, y_pix = wcs.all_world2pix([[entry.ra_deg, entry.dec_deg]], 0)[0]
                assert -0.5 < x_pix < pixels.shape[1] - 0.5
                assert -0.5 < y_pix < pixels.shape[0] - 0.5
    assert clipped > 10


def test_other_positions_and_sizes_are_cut_from_the_same_image(client, archive, sky: SimulatedSky) -> None:
    oid = sky.oids[0]
    plan = sky.plan(oid)
    ra_deg, dec_deg = plan.quadrant.pixel_to_sky(np.array([1000.3]), np.array([900.7]))
    url = f"{archive.url}{sky.image_paths(oid)[0]}?center={ra_deg[0]:.8f},{dec_deg[0]:.8f}&size=40pix&gzip=false"
    pixels, header = opened(client.get(url, timeout=10).content)
    assert pixels.shape == (40, 40)
    visit = int(plan.visits[0])
    whole = cut(sky, plan.quadrant, visit)
    x_first = round(1536.5 + plan.exposures.dx_pix[visit] - header["CRPIX1"])
    y_first = round(1540.5 + plan.exposures.dy_pix[visit] - header["CRPIX2"])
    np.testing.assert_array_equal(pixels, whole[y_first : y_first + 40, x_first : x_first + 40])


def test_no_overlap_is_400_and_no_image_404(client, archive, sky: SimulatedSky) -> None:
    path = sky.image_paths(sky.oids[0])[0]
    entry = sky.object(sky.oids[0])
    assert client.get(f"{archive.url}{path}?center=1.0,-60&size=27pix", timeout=10).status_code == 400
    assert client.get(f"{archive.url}{path}?center=here&size=27pix", timeout=10).status_code == 400
    assert client.get(f"{archive.url}{path}?center=1,2&size=big", timeout=10).status_code == 400
    where = f"?center={entry.ra_deg},{entry.dec_deg}&size=27pix"
    for wrong in (
        path.replace("_zr_", "_zg_"),
        path.replace("sciimg", "mskimg"),
        path.replace("/2", "/3", 1),
    ):
        assert client.get(archive.url + wrong + where, timeout=10).status_code == 404


def test_metadata_can_be_searched(client, archive, sky: SimulatedSky) -> None:
    oid = sky.oids[0]
    entry, curve = sky.object(oid), sky.light_curve(oid)
    parameters = {
        "POS": f"{entry.ra_deg},{entry.dec_deg}",
        "WHERE": f"field={oid.field} AND filefracday={curve['filefracday'][1]}",
        "ct": "csv",
    }
    lines = client.get(archive.url + SEARCH, params=parameters, timeout=10).text.splitlines()
    assert len(lines) == 2
    found = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert int(found["expid"]) == curve["expid"][1]
    assert (int(found["ccdid"]), int(found["qid"])) == (oid.ccd, oid.quadrant)
    wrong = client.get(archive.url + SEARCH, params={"WHERE": "1=1 OR 2"}, timeout=10)
    assert wrong.status_code == 400


def test_the_real_quadrant_is_served_by_wcs(client: requests.Session) -> None:
    with fits.open(need(QUADRANT)) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image, wcs = np.asarray(hdus[1].data, np.float32), WCS(hdus[1].header)
    name = QUADRANT.name.removesuffix(".fz")
    with SimulatedArchive(SimulatedSky(4, 5), quadrants=[QUADRANT]) as archive:
        base = f"{archive.url}/ibe/data/ztf/products/sci/2020/0924/431759/{name}"
        for x_pix, y_pix in ((200.3, 300.8), (1500.5, 2999.1), (3.2, 1000.4), (3068.4, 3078.2)):
            ra_deg, dec_deg = (float(value) for value in wcs.all_pix2world([[x_pix, y_pix]], 0)[0])
            answer = client.get(f"{base}?center={ra_deg:.8f},{dec_deg:.8f}&size=27pix&gzip=false", timeout=30)
            pixels, header = opened(answer.content)
            first = (int(np.floor(x_pix)) - 13, int(np.floor(y_pix)) - 13)
            expected = Cutout2D(image, (first[0] + 13.5, first[1] + 13.5), 28, mode="trim").data
            np.testing.assert_array_equal(pixels, expected)
            assert header["EXPID"] == 136243177
            assert header["CRPIX1"] == 1536.5 - max(first[0], 0)
        assert client.get(f"{base}?center=10,10&size=27pix", timeout=30).status_code == 400
