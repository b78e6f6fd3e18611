"""The table of epochs."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from rbztf.stores.epochs import COLUMNS, NO_FRAME, FrameStatus, can_hold, epoch_table, header_facts


def test_what_is_not_known_gets_its_unknown_value() -> None:
    table = epoch_table({"mjd": [58000.0, 58001.0]}, 2)
    assert table.colnames == list(COLUMNS)
    assert np.isnan(table["mag"]).all()
    assert (table["frame"] == NO_FRAME).all()
    integers = {name: int(table[name][0]) for name, (dtype, *_) in COLUMNS.items() if dtype[0] == "i"}
    assert integers == {name: 0 if name == "catflags" else -1 for name in integers}
    assert all(
        np.isnan(table[name]).all()
        for name, (dtype, *_) in COLUMNS.items()
        if dtype[0] == "f" and name != "mjd"
    )
    assert (table["status"] == FrameStatus.OK).all()
    assert table["limitmag"].unit == "mag"
    assert table["filefracday"].dtype == np.int64


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError, match="magnitude"):
        epoch_table({"magnitude": [1.0]}, 1)


def test_texts_keep_their_length() -> None:
    table = epoch_table({"url": ["https://" + "y" * 300], "status": [FrameStatus.OFF_CHIP]}, 1)
    assert len(table["url"][0]) == 308
    assert table["status"][0] == "off-chip"


def test_the_header_of_a_frame_fills_what_it_knows() -> None:
    header = fits.Header([("SEEING", 2.1), ("INFOBITS", 0), ("GAIN", "unknown"), ("PROGRMID", True)])
    assert header_facts(header) == {"seeing": 2.1, "infobits": 0}


def test_only_numbers_that_fit_are_taken_from_a_header() -> None:
    assert header_facts({"INFOBITS": 2**40, "EXPID": 2**40, "FIELDID": 655.5, "CCDID": 13.0}) == {
        "expid": 2**40,
        "ccdid": 13.0,
    }
    assert (
        header_facts({"SEEING": float("nan"), "GAIN": float("inf"), "READNOI": None, "SATURATE": True}) == {}
    )
    assert not can_hold(1, "status")
