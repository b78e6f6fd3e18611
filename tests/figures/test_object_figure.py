"""The figure of an object: which frames it shows, which epochs are red, and objects that lack something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import make_oid, random_frames, write_cutouts
from matplotlib.colors import to_hex

import rbztf
from rbztf.errors import DataError
from rbztf.figures.object_figure import STRIP, Blame, ObjectView, draw_object
from rbztf.figures.style import RED
from rbztf.prediction.result import EpochContribution, Prediction, PredictResult

OID = make_oid(1)


def view(n: int, blamed: tuple[Blame, ...] = (), **changes: Any) -> ObjectView:
    arrays: dict[str, Any] = {
        "time_mjd": 58000.0 + np.arange(n),
        "mag": 18 + 0.1 * np.arange(n),
        "magerr": np.full(n, 0.02),
        "flagged": np.zeros(n, bool),
        "frame": np.arange(n),
        "frames": random_frames(n),
    }
    return ObjectView("an object", **{**arrays, **changes}, blamed=blamed)


def labels(figure: Any) -> dict[str, str]:
    """What the legend says, and its colour."""
    return {
        text.partition(" (")[0]: to_hex(handle[0].get_color()) + text.partition(" (")[2].rstrip(")")
        for handle, text in zip(*figure.axes[0].get_legend_handles_labels())
    }


def test_dropped_epochs_are_red_and_the_worst_frames_shown_in_time_order() -> None:
    blamed = tuple(
        Blame(k, 2.0 - 0.2 * i, i < 2) for i, k in enumerate([7, 3, 11, 0, 1, 2, 4, 5, 6, 8, 9, 10])
    )
    drawn = view(12, blamed)
    assert drawn.shown() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 11]
    figure = draw_object(drawn)
    assert labels(figure)["blamed, to be dropped"] == f"{RED}2"
    assert labels(figure)["epochs"].endswith("10")
    strip = figure.axes[1:]
    assert [axes.get_title().split()[0] for axes in strip] == [str(k + 1) for k in range(STRIP)]
    assert [to_hex(axes.spines["left"].get_edgecolor()) == RED for axes in strip] == [
        k in (3, 7) for k in drawn.shown()
    ]
    assert strip[7].get_xlabel() == "+2.00"
    assert strip[7].get_title().endswith("58007.00")
    assert figure.axes[0].yaxis_inverted()
    assert [text.get_text() for text in figure.axes[0].texts] == [str(k + 1) for k in range(STRIP)]


@pytest.mark.parametrize(("n", "expected"), [(0, []), (1, [0]), (5, [0, 1, 2, 3, 4]), (100, None)])
def test_without_blame_frames_of_all_times_are_shown(n: int, expected: list[int] | None) -> None:
    shown = view(n).shown()
    assert shown == expected if expected is not None else len(shown) == STRIP
    assert len(draw_object(view(n)).axes) == 1 + len(shown)
    if n == 100:
        assert (shown[0], shown[-1]) == (0, 99)


def test_frames_that_speak_for_the_object_are_not_blamed() -> None:
    blamed = (Blame(2, 0.5, False), Blame(1, -0.1, False), Blame(0, -0.4, False))
    assert view(3, blamed).shown() == [2]


def test_epochs_without_frames_flags_or_photometry(tmp_path: Path) -> None:
    frame = np.array([0, -1, 1, -1, 2])
    flagged = np.array([False, False, True, False, False])
    found = labels(draw_object(view(5, frame=frame, flagged=flagged, frames=random_frames(3))))
    assert {name: text[7:] for name, text in found.items()} == {
        "epochs": "2",
        "without a frame": "2",
        "flagged by ZTF": "1",
    }
    frames = random_frames(2)
    frames[0], frames[1, :9] = np.nan, np.nan
    figure = draw_object(view(2, mag=np.full(2, np.nan), frames=frames))
    assert figure.axes[0].texts[0].get_text() == "no photometry"
    figure.savefig(tmp_path / "f.png")


def test_objects_and_predictions_draw_themselves(tmp_path: Path) -> None:
    store = write_cutouts(tmp_path / "c", {OID: random_frames(6)})
    figure = rbztf.open_cutouts(store)[OID].plot()
    assert figure.get_suptitle() == f"ZTF {OID}, r band"
    blamed = tuple(
        EpochContribution(frame=k, mjd=0.0, hjd=0.0, filefracday=0, share=1.0 - k, dropped=k == 0)
        for k in range(6)
    )
    prediction = Prediction(
        oid=OID,
        p_bogus=0.931,
        p_low=0.8,
        p_high=0.97,
        decision="bogus",
        threshold=0.4,
        n_frames=6,
        n_missing=0,
        inputs="image",
        kinds={"ghost": 0.7, "track": 0.1},
        model="m",
        blamed=blamed,
    )
    result = PredictResult("m", (prediction,), cutouts=store)
    for figure in (prediction.plot(store), result.plot(), result.plot(OID)):
        title = f"ZTF {OID}, r band: bogus, p(bogus) 0.93 [0.80, 0.97], ghost 0.70"
        assert figure.get_suptitle() == title
        assert len(figure.axes) == 2
    with pytest.raises(DataError, match="no prediction of 5"):
        result.plot(5)
    empty = write_cutouts(tmp_path / "d", {make_oid(2): random_frames(3)})
    with pytest.raises(DataError, match="does not hold"):
        prediction.plot(empty)


def test_a_notebook_shows_the_figure() -> None:
    assert draw_object(view(3))._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
