"""The folder of a report: what it holds, what it says, and that no text becomes markup."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import make_oid, random_frames, tiny_encoder, write_cutouts, write_embeddings
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_helpers import HOSTILE, N_FRAMES, OIDS, prediction

from rbztf.errors import UsageError
from rbztf.figures.object_figure import Blame
from rbztf.prediction.result import Prediction, PredictResult, write_mask
from rbztf.reporting.build import Sources, write_report
from rbztf.reporting.lens import Lens
from rbztf.reporting.neighbours import Neighbours
from rbztf.reporting.object_data import chosen_frames
from rbztf.reporting.scripts import json_of
from rbztf.reporting.sources import of_predictions, with_labels
from rbztf.reporting.sprites import sheet
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid


def taken(path: Path) -> Any:
    """What a data script hands to the page."""
    (what, content) = json.loads(
        "[" + path.read_text(encoding="ascii").strip()[len("RBZTF.take(") : -2] + "]"
    )
    assert what
    return content


def test_what_a_report_holds(folder: Path, store: CutoutStore, predictions: list[Prediction]) -> None:
    made = write_report(folder, of_predictions(predictions[:3]), Sources(store), made_from="scores.json")
    assert made.n_objects == 3
    assert made.n_frames == sum(len(taken(folder / f"data/{oid}.js")["frames"]) for oid in OIDS[:3])
    page = made.page.read_text()
    sources = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert all((folder / source).is_file() for source in sources if source != "data:,")
    assert "default-src 'none'" in page
    content = taken(folder / f"data/{OIDS[1]}.js")
    assert len(content["epochs"]["time"]) == N_FRAMES + 2
    assert content["frames"] == sorted({*content["frames"], 3, 7})
    columns = content["columns"]
    for stretch in ("zscale", "asinh", "minmax"):
        with Image.open(folder / f"frames/{OIDS[1]}.{stretch}.webp") as picture:
            assert picture.size == (28 * columns, 28 * -(-len(content["frames"]) // columns))
    row = taken(folder / "data/objects.js")[1]
    assert (row["oid"], row["frames"], row["decision"]) == (str(OIDS[1]), N_FRAMES, "real")
    assert row["mag"] == pytest.approx(17.05, abs=0.02)


def test_blame_and_mask_are_those_of_explain(
    folder: Path, store: CutoutStore, predictions: list[Prediction]
) -> None:
    made = predictions[4]
    write_report(folder, of_predictions([made]), Sources(store))
    content = taken(folder / f"data/{made.oid}.js")
    assert content["blamed"]["said"] == [f"{each.share:+.2f}" for each in made.blamed]
    assert content["blamed"]["frame"] == [each.frame for each in made.blamed]
    write_mask(folder / "mask.csv", PredictResult("model", (made,)))
    assert content["mask"] == (folder / "mask.csv").read_text()


def test_objects_without_cutouts_or_blame_are_in_the_table(folder: Path, store: CutoutStore) -> None:
    bare = prediction(make_oid(99), 0.7, explained=False)
    made = write_report(folder, of_predictions([bare]), Sources(store))
    assert made.n_frames == 0
    assert taken(folder / f"data/{bare.oid}.js")["frames"] == []
    assert "No frame is blamed" in taken(folder / "data/about.js")["remarks"][0]


def test_a_damaged_object_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    frames = random_frames(6)
    store = write_cutouts(tmp_path / "cutouts", {OIDS[0]: frames, OIDS[1]: frames})
    path = store / f"{OIDS[0]}.fits"
    content = bytearray(path.read_bytes())
    content[6000] ^= 255
    path.write_bytes(content)
    entries = of_predictions([prediction(oid, 0.5, explained=False) for oid in OIDS[:2]])
    made = write_report(tmp_path / "page", entries, Sources(open_cutouts(store)))
    assert [problem.where for problem in made.problems] == [str(OIDS[0])]
    assert (made.n_objects, made.n_frames) == (2, 6)


def test_no_text_becomes_markup(folder: Path, store: CutoutStore, predictions: list[Prediction]) -> None:
    labels = LabelTable([Labelled(Oid(OIDS[1]), Label.ARTEFACT, frozenset({HOSTILE, "x" * 10_000}))])
    entries = with_labels(of_predictions(predictions[:2]), labels)
    write_report(folder, entries, Sources(store), title=HOSTILE, made_from=HOSTILE, warnings=[HOSTILE])
    page = (folder / "index.html").read_text()
    assert "<script>window" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    for path in (folder / "data").glob("*.js"):
        text = path.read_text(encoding="ascii")
        assert not set("<>&\x1b") & set(text)
    row = taken(folder / "data/objects.js")[1]
    assert "</script>" in next(tag for tag in row["tags"] if "script" in tag)


@given(
    st.recursive(
        st.text() | st.floats() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_data_are_json_in_ascii_without_markup(content: Any) -> None:
    text = json_of(content)
    assert text.isascii()
    assert not set("<>&\x00\x1b\x7f") & set(text)
    json.loads(text, parse_constant=lambda name: pytest.fail(name))


def test_another_folder_is_never_replaced(tmp_path: Path, predictions: list[Prediction]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    entries = of_predictions(predictions[:1])
    with pytest.raises(UsageError, match="not a report"):
        write_report(tmp_path / "mine", entries)
    assert (tmp_path / "mine/thesis.tex").read_text() == "years of work"
    for _ in range(2):
        write_report(tmp_path / "page", entries)
    with pytest.raises(UsageError, match="no objects"):
        write_report(tmp_path / "page", [])


def test_the_same_data_have_the_same_hash(tmp_path: Path, predictions: list[Prediction]) -> None:
    entries = of_predictions(predictions[:2])
    changed = [replace(entries[0], p_bogus=0.5), entries[1]]
    hashes = []
    for number, each in enumerate([entries, entries, changed]):
        write_report(tmp_path / f"page{number}", each)
        hashes.append(taken(tmp_path / f"page{number}/data/about.js")["hash"])
    assert hashes[0] == hashes[1] != hashes[2]


@given(n=st.integers(0, 300), n_blamed=st.integers(0, 60), every=st.booleans())
def test_chosen_frames(n: int, n_blamed: int, every: bool) -> None:
    blamed = [Blame(frame, 1.0 - frame / 1000, frame < 50) for frame in range(min(n, n_blamed))]
    chosen = chosen_frames(n, blamed, every)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(range(n))
    assert {each.frame for each in blamed if each.dropped} <= set(chosen)
    assert len(chosen) >= min(n, 40)
    if every:
        assert len(chosen) == n


def test_tiles_stand_upright_in_their_places() -> None:
    tiles = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((3, 4, 4), np.uint8) * 50
    tiles[0, 0, 0] = 255  # first row, which is the lowest
    laid = sheet(tiles, np.zeros(tiles.shape, bool), columns=2)
    assert laid.shape == (8, 8)
    assert laid[3, 0] == 255
    assert (laid[:4, 4:] == 50).all()
    assert (laid[4:, :4] == 100).all()
    assert (laid[4:, 4:] == 0).all()
    empty = np.zeros(tiles.shape, bool)
    empty[1] = True
    assert sheet(tiles, empty, columns=2)[0, 5].tolist() == [122, 31, 31]


def test_the_nearest_labelled_objects(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = {oid: rng.normal(number, 0.1, (8, 3)).astype(np.float32) for number, oid in enumerate(OIDS[:8])}
    embeddings = open_embeddings(write_embeddings(tmp_path / "embeddings", vectors, 3))
    labels = LabelTable([Labelled(Oid(oid), Label(number % 2)) for number, oid in enumerate(OIDS[:7])])
    near = Neighbours(embeddings, labels)
    assert [each["oid"] for each in near.of(Oid(OIDS[7]))[:2]] == [str(OIDS[6]), str(OIDS[5])]
    assert near.of(Oid(OIDS[3]))[0]["oid"] in (str(OIDS[2]), str(OIDS[4]))
    assert near.of(Oid(OIDS[29])) == []
    assert near.of(Oid(OIDS[29]), vectors[OIDS[2]])[0] | {"tags": []} == {
        "oid": str(OIDS[2]),
        "label": "real",
        "tags": [],
        "distance": 0.0,
        "viewer": Oid(OIDS[2]).viewer_url,
    }


def test_the_encoder_s_view(folder: Path, store: CutoutStore, predictions: list[Prediction]) -> None:
    import torch

    lens = Lens(tiny_encoder(decoder=True), torch.device("cpu"))
    write_report(folder, of_predictions(predictions[:1]), Sources(store, lens=lens))
    content = taken(folder / f"data/{OIDS[0]}.js")
    assert content["encoder"] == content["blamed"]["frame"][:8]
    picture = Image.open(io.BytesIO((folder / f"frames/{OIDS[0]}.encoder.webp").read_bytes()))
    assert picture.size == (8 * 28, 3 * 28)
