"""The reference's layout, one file per frame, goes into a store unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import rbztf
from rbztf.errors import InputError, UsageError
from rbztf.stores.convert import import_reference_layout
from rbztf.stores.epochs import HEADER_FACTS
from rbztf.verbs.fetch import check_store


@pytest.fixture
def reference(shared_frames: Path, tmp_path: Path) -> Path:
    """The real cutouts as ``OID/HMJD.fits``."""
    for path in sorted((shared_frames / "snad_artefacts").glob("*.fits")):
        folder = tmp_path / "reference" / path.stem
        folder.mkdir(parents=True)
        (folder / f"{fits.getheader(path)['OBSMJD']:.5f}.fits").write_bytes(path.read_bytes())
    return tmp_path / "reference"


def test_real_frames_come_out_as_they_went_in(reference: Path, tmp_path: Path) -> None:
    result = import_reference_layout(reference, tmp_path / "out")
    assert (result.n_objects, result.n_frames, result.complete) == (24, 24, True)
    store = rbztf.open_cutouts(tmp_path / "out")
    for path in reference.rglob("*.fits"):
        cutouts = store[path.parent.name]
        with fits.open(path) as hdus:
            header, pixels = hdus[0].header, hdus[0].data
            assert np.array_equal(cutouts.frames[0], pixels, equal_nan=True)
            (epoch,) = cutouts.epochs
            for column, keyword in HEADER_FACTS.items():
                assert epoch[column] == np.asarray(header[keyword], epoch[column].dtype), column
            assert str(epoch["url"]) == header["URL"]
            assert str(epoch["filefracday"]) in header["FILENAME"]
            assert epoch["hjd"] == float(path.stem) + 2400000.5
            assert (cutouts.ra_deg, cutouts.dec_deg) == (header["OIDRA"], header["OIDDEC"])
    assert check_store(tmp_path / "out").complete


def test_frames_that_cannot_be_read_are_named(reference: Path, tmp_path: Path) -> None:
    first, second = sorted(reference.iterdir())[:2]
    (first / "58000.1.fits").write_bytes(b"rubbish")
    next(second.iterdir()).write_bytes(b"rubbish")
    result = import_reference_layout(reference, tmp_path / "out")
    assert (result.n_objects, result.n_frames) == (23, 23)
    assert [problem.where for problem in result.problems] == [str(first / "58000.1.fits"), second.name]


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        import_reference_layout(tmp_path / "none", tmp_path / "out")
    with pytest.raises(UsageError):
        import_reference_layout(tmp_path, tmp_path)
