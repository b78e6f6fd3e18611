"""OIDs, bands and labels."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbztf.errors import InputError
from rbztf.ztf import Band, Label, Oid


@given(
    field=st.integers(1, 2047),
    fid=st.integers(1, 3),
    ccd=st.integers(1, 16),
    quadrant=st.integers(1, 4),
    source=st.integers(0, 10**7 - 1),
)
def test_the_digits_of_an_oid_are_its_parts(
    field: int, fid: int, ccd: int, quadrant: int, source: int
) -> None:
    text = f"{field}{fid}{ccd:02d}{quadrant}{source:08d}"
    oid = Oid(text)
    assert oid == int(text)
    assert str(oid) == text
    assert (oid.field, oid.band.filter_id, oid.ccd, oid.quadrant) == (field, fid, ccd, quadrant)
    assert oid.source == source


def test_a_well_known_object() -> None:
    oid = Oid(686103400034440)
    assert (oid.field, oid.band, oid.ccd, oid.quadrant, oid.source) == (686, Band.G, 3, 4, 34440)
    assert oid.viewer_url == "https://ztf.snad.space/view/686103400034440"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "abc",
        "12",
        "-686103400034440",
        "686103400034440.5",
        "686_103_400_034_440",
        "686403400034440",  # band 4
        "686003400034440",  # band 0
        "686100400034440",  # CCD 0
        "686117400034440",  # CCD 17
        "686103000034440",  # quadrant 0
        "686103500034440",  # quadrant 5
        "2048103400034440",  # field 2048
        "9" * 5000,
        None,
        True,
        686103400034440.5,
        "1e400",
        float("nan"),
    ],
)
def test_other_numbers_are_refused_with_a_hint(value: object) -> None:
    with pytest.raises(InputError, match="is not a ZTF OID") as caught:
        Oid(value)  # type: ignore[arg-type]
    assert "686103400034440" in caught.value.next_step
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "value",
    [
        686103400034440.0,
        np.float64(686103400034440),
        "686103400034440.",
        '"686103400034440"',
        "'686103400034440",
        " 6.86103400034440E+14 ",
        "6.861034000344400000e+14",
    ],
)
def test_an_oid_written_otherwise_is_taken_with_all_its_digits(value: object) -> None:
    assert Oid(value) == 686103400034440  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["6.861E+14", "6,86103E+14", "6.8610340003444e14", "7e14"])
def test_an_oid_that_lost_digits_is_refused_with_a_word_on_spreadsheets(value: str) -> None:
    with pytest.raises(InputError, match="has lost the last digits of an OID, as happens in spreadsheets"):
        Oid(value)


def test_an_oid_is_an_integer_to_everything_else() -> None:
    oid = Oid(np.int64(257201400048862))
    assert {oid: 1}[257201400048862] == 1
    assert np.array([oid]).dtype == np.int64
    assert copy.deepcopy(oid) == oid
    assert type(copy.deepcopy(oid)) is Oid
    assert Oid(" 257201400048862\n") == oid


def test_bands_and_labels_have_the_archive_s_numbers() -> None:
    assert [(band.value, band.filter_id, band.filter_code) for band in Band] == [
        ("g", 1, "zg"),
        ("r", 2, "zr"),
        ("i", 3, "zi"),
    ]
    assert (int(Label.REAL), int(Label.ARTEFACT)) == (0, 1)
