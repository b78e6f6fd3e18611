"""Cross-validation: nothing leaks, nothing depends on the number of workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import make_oid, random_sequences, write_embeddings

from rbztf.config import Config, load_config
from rbztf.errors import DataError
from rbztf.evaluation.crossval import check_labels, check_split, cross_validate
from rbztf.evaluation.folds import Split, make_split
from rbztf.features.table import FeatureTable
from rbztf.models.objects.read import FrameSelection, usable_objects
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

LATENT = 3
FIVE_FRAMES = FrameSelection(LATENT, 5)


def config(*overrides: str) -> Config:
    small = (
        f"vae.latent={LATENT}",
        "classifier.hidden=6",
        "training.epochs=3",
        "training.learning_rate=0.02",
        "training.batch_size=16",
    )
    return load_config(None, [*small, *overrides], project_file=None)


def sky(n: int = 60, seed: int = 0) -> tuple[dict[int, np.ndarray], LabelTable]:
    """Objects in six fields; artefacts have a column set off."""
    rng = np.random.default_rng(seed)
    oids = [Oid(make_oid(i + 1, field=600 + i % 6)) for i in range(n)]
    labels = rng.integers(0, 2, n)
    sequences = random_sequences(rng.integers(6, 20, n).tolist(), LATENT, seed)
    for sequence, label in zip(sequences, labels):
        sequence[:, 0] += 2 * label
    table = LabelTable([Labelled(oid, Label(int(label))) for oid, label in zip(oids, labels)])
    return dict(zip(oids, sequences)), table


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Path, LabelTable]:
    vectors, table = sky()
    return write_embeddings(tmp_path / "embeddings", vectors, LATENT, encoder="abc"), table


def split_of(path: Path, table: LabelTable, name: str = "field") -> Split:
    return make_split(name, table, 3, 0, set(open_embeddings(path)))


def test_every_object_is_scored_once_by_a_model_that_has_not_met_its_field(
    prepared: tuple[Path, LabelTable],
) -> None:
    path, table = prepared
    split = split_of(path, table)
    (results,) = cross_validate([config()], path, table, split)
    scored = np.concatenate([result.scored.oids for result in results])
    assert sorted(scored.tolist()) == sorted(map(int, table))
    fields = [set((result.scored.oids // 10**12).tolist()) for result in results]
    assert not fields[0] & fields[1]
    assert not fields[0] & fields[2]


def test_the_test_fold_has_no_influence_on_its_model(
    tmp_path: Path, prepared: tuple[Path, LabelTable]
) -> None:
    """Scaling one fold's vectors wildly changes the other folds' models, never its own."""
    path, table = prepared
    split = split_of(path, table)
    vectors, _ = sky()
    spoilt = {oid: 50 * v if oid in split.folds[0] else v for oid, v in vectors.items()}
    other = write_embeddings(tmp_path / "spoilt", spoilt, LATENT, encoder="abc")
    labels = LabelTable(
        [Labelled(o, Label(1 - table[o].label) if o in split.folds[0] else table[o].label) for o in table]
    )
    settings = config("training.patience=2")
    (sound,) = cross_validate([settings], path, table, split)
    (changed,) = cross_validate([settings], other, labels, split)
    assert sound[0].histories[""][-1]["loss"] == changed[0].histories[""][-1]["loss"]
    assert sound[0].scored.threshold == changed[0].scored.threshold
    assert sound[1].histories[""][-1]["loss"] != changed[1].histories[""][-1]["loss"]


def test_workers_do_not_change_the_scores(prepared: tuple[Path, LabelTable]) -> None:
    path, table = prepared
    split = split_of(path, table)
    (alone,) = cross_validate([config()], path, table, split, workers=1)
    reports: list[tuple[object, ...]] = []
    (spread,) = cross_validate(
        [config()], path, table, split, workers=2, progress=lambda *report: reports.append(report)
    )
    for one, other in zip(alone, spread):
        np.testing.assert_array_equal(one.scored.scores, other.scored.scores)
    assert reports


def test_a_killed_cross_validation_goes_on_with_the_same_result(
    tmp_path: Path, prepared: tuple[Path, LabelTable]
) -> None:
    path, table = prepared
    split = split_of(path, table)
    seen = 0

    def kill(stage: str, done: int, total: int | None, note: str = "") -> None:
        nonlocal seen
        seen += 1
        if seen == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate([config()], path, table, split, checkpoints=tmp_path / "checkpoints", progress=kill)
    (resumed,) = cross_validate([config()], path, table, split, checkpoints=tmp_path / "checkpoints")
    (whole,) = cross_validate([config()], path, table, split)
    for one, other in zip(resumed, whole):
        np.testing.assert_array_equal(one.scored.scores, other.scored.scores)


def test_objects_without_usable_vectors_are_named(tmp_path: Path) -> None:
    vectors, table = sky(12)
    first, second, *_ = vectors
    vectors[first] = np.full_like(vectors[first], np.nan)
    vectors[second] = vectors[second][:2]
    path = write_embeddings(tmp_path / "embeddings", vectors, LATENT)
    counts, problems = usable_objects(open_embeddings(path), table, FIVE_FRAMES)
    assert len(counts) == 10
    assert {problem.where for problem in problems} == {str(first), str(second)}


def test_a_light_curve_makes_up_for_frames(tmp_path: Path) -> None:
    """Objects in the table of features are usable without frames, unless they have no feature either."""
    vectors, table = sky(12)
    first, second, third, fourth, *_ = vectors
    vectors[first] = np.full_like(vectors[first], np.nan)
    del vectors[second], vectors[third], vectors[fourth]
    path = write_embeddings(tmp_path / "embeddings", vectors, LATENT)
    known = FeatureTable(np.array([first, second, third]), ("a",), np.array([[1.0], [2.0], [np.nan]]))
    counts, problems = usable_objects(open_embeddings(path), table, FIVE_FRAMES, known)
    assert set(counts) == {*vectors, second}
    assert (counts[first], counts[second]) == (0, 0)
    assert problems == []  # nothing is left out
    assert usable_objects(None, table, FIVE_FRAMES, known) == ({first: 0, second: 0}, [])


def test_a_fold_with_one_class_is_refused() -> None:
    _, table = sky()
    real = [oid for oid in table if not table[oid].label]
    bogus = [oid for oid in table if table[oid].label]
    with pytest.raises(DataError, match=r"Fold 0 .* has no artefact among its \d+ test objects"):
        check_labels(Split("test", {0: real[:9], 1: real[9:] + bogus}), table)


def test_an_empty_fold_is_refused() -> None:
    _, table = sky()
    with pytest.raises(DataError, match=r"Fold 1 .* has no object"):
        check_split(Split("test", {0: list(table), 1: []}))


def test_three_objects_are_too_few(tmp_path: Path) -> None:
    vectors, table = sky(3)
    path = write_embeddings(tmp_path / "embeddings", vectors, LATENT)
    for name in ("field", "random"):
        with pytest.raises(DataError, match="too few"):
            make_split(name, table, 5, 0, set(open_embeddings(path)))
