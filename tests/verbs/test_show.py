"""One object as a picture or an animation: the frames and epochs that it shows, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import make_oid, random_frames, refused, run_well, write_cutouts
from PIL import Image

import rbztf
from rbztf.errors import DataError, InputError, UsageError
from rbztf.verbs import show as verb

OID, OTHER = make_oid(1), make_oid(2)
N = 12
RED = (200, 16, 46)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_cutouts(tmp_path / "cutouts", {OID: random_frames(N), OTHER: random_frames(1)[:0]})


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Frame 7 adds most, then 3; both are to be dropped."""
    order = [7, 3, *(k for k in range(N) if k not in (3, 7))]
    blamed = [
        {
            "frame": k,
            "mjd": 58300.0 + k,
            "hjd": 2458300.5 + k,
            "filefracday": 0,
            "share": 1 - i / 20,
            "dropped": i < 2,
        }
        for i, k in enumerate(order)
    ]
    entry = {"oid": int(OID), "p_bogus": 0.934, "p_low": 0.8, "p_high": 0.97, "decision": "bogus"}
    path = tmp_path / "scores.json"
    path.write_text(json.dumps([entry | {"kinds": {"ghost": 0.7}, "blamed": blamed}]))
    return path


def test_the_picture_says_the_score_and_shows_the_ten_most_blamed_frames(store: Path, scores: Path) -> None:
    made = rbztf.show(OID, data=store, scores=scores, out="object.svg")
    assert (made.n_frames, made.n_dropped, made.warnings) == (N, 2, ())
    text = Path("object.svg").read_text()  # letters are kept as letters
    assert "bogus, p(bogus) 0.93 [0.80, 0.97], ghost 0.70" in text
    assert "blamed, to be dropped (2)" not in text  # these epochs have no magnitudes, so no points
    assert text.count("<image") == 10
    assert "+1.00" in text
    assert "+0.95" in text


def test_the_same_picture_has_the_same_bytes(store: Path) -> None:
    for ending in ("pdf", "svg", "png", "gif"):
        rbztf.show(OID, data=store, out=f"a.{ending}")
        rbztf.show(OID, data=store, out=f"b.{ending}")
        assert Path(f"a.{ending}").read_bytes() == Path(f"b.{ending}").read_bytes(), ending
    assert b"/Type /Font" in Path("a.pdf").read_bytes()


def test_the_animation_has_every_frame_and_a_red_border_where_epochs_are_to_be_dropped(
    store: Path, scores: Path
) -> None:
    rbztf.show(OID, data=store, scores=scores, out="object.gif")
    with Image.open("object.gif") as picture:
        assert picture.n_frames == N  # type: ignore[attr-defined]
        red = []
        for k in range(N):
            picture.seek(k)
            if picture.convert("RGB").getpixel((1, 1)) == RED:
                red.append(k)
    assert red == [3, 7]


def test_a_long_animation_is_thinned_out(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "MOST_STILLS", 5)
    made = rbztf.show(OID, data=store, out="object.gif")
    with Image.open("object.gif") as picture:
        assert picture.n_frames == 5  # type: ignore[attr-defined]
    assert made.warnings == (f"object.gif shows 5 of the {N} frames.",)


def test_on_the_command_line(store: Path, scores: Path) -> None:
    result = run_well("show", OID, "--data", store, "--scores", scores, "--json")
    assert json.loads(result.stdout)["path"] == f"{OID}.png"
    assert Path(f"{OID}.png").is_file()
    scores.write_text(json.dumps([{"oid": int(OID), "p_bogus": 0.1}]))
    result = run_well("show", OID, "--data", store, "--scores", scores)
    assert "rbztf predict --explain" in result.stderr


def test_what_is_not_there_is_named(store: Path, scores: Path) -> None:
    with pytest.raises(DataError, match=f"does not hold {make_oid(9)}. Fetch it"):
        rbztf.show(make_oid(9), data=store)
    with pytest.raises(InputError, match=f"no score of {OTHER}"):
        rbztf.show(OTHER, data=store, scores=scores)
    with pytest.raises(UsageError, match=r"object.jpg does not end with .png, .pdf, .svg or .gif"):
        rbztf.show(OID, data=store, out="object.jpg")
    with pytest.raises(DataError, match="no frames to animate"):
        rbztf.show(OTHER, data=store, out="object.gif")
    refused("show", "7", says=["not a ZTF OID"])
