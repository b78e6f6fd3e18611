"""Scoring bundles that exist: model k on the objects of fold k, padded and masked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import Vectors, make_oid, random_sequences, tiny_classifier, tiny_encoder, write_embeddings
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from rbztf.errors import InputError
from rbztf.evaluation.folds import Split
from rbztf.evaluation.published_models import evaluate_family, find_families
from rbztf.models.rnn.bundle import ClassifierBundle, load_classifier
from rbztf.stores.embeddings import Embeddings, open_embeddings
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

OIDS = [Oid(make_oid(i, field=300 + i % 7)) for i in range(40)]
LABELS = LabelTable([Labelled(oid, Label(i % 2)) for i, oid in enumerate(OIDS)])
SPLIT = Split("mine", {0: OIDS[:20], 1: OIDS[20:35], 4: OIDS[35:]})


@pytest.fixture
def vectors() -> dict[int, Vectors]:
    lengths = np.random.default_rng(0).integers(3, 30, len(OIDS))
    return dict(zip(OIDS, random_sequences(lengths.tolist(), 4)))


@pytest.fixture
def embeddings(vectors: dict[int, Vectors], tmp_path: Path) -> Embeddings:
    return open_embeddings(write_embeddings(tmp_path / "e", vectors, 4))


def family(models: Path, name: str) -> dict[int, ClassifierBundle]:
    return {k: load_classifier(path) for k, path in find_families(models)[name].items()}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name, both in (("gru", False), ("bigru", True)):
        for k in (0, 1, 2):
            model = tiny_classifier(4, seed=10 + k, bidirectional=both)
            model.save(tmp_path / "models" / name / str(k))
    return tmp_path / "models"


def test_each_model_sees_its_own_fold_alone(
    models: Path, embeddings: Embeddings, vectors: dict[int, Vectors]
) -> None:
    members = family(models, "bigru")
    made, warnings = evaluate_family("bigru", members, SPLIT, embeddings, LABELS, draws=10)
    assert [entry.extra["padding"] for entry in made] == ["reference", "masked"]
    assert len(warnings) == 1
    for entry in made:
        assert list(entry.folds) == [0, 1]
        for k, fold in entry.folds.items():
            model = members[k].with_padding(entry.extra["padding"])
            expected = model.probabilities([vectors[oid] for oid in SPLIT.folds[k]])
            assert fold.oids.tolist() == SPLIT.folds[k]
            assert np.array_equal(fold.scores, expected)
            assert np.array_equal(fold.labels, LABELS.labels(SPLIT.folds[k]))
        aucs = [roc_auc_score(fold.labels, fold.scores) for fold in entry.folds.values()]
        assert entry.metrics["roc_auc"].mean == pytest.approx(np.mean(aucs))
        assert entry.metrics["roc_auc"].std == pytest.approx(np.std(aucs))
    assert not np.array_equal(made[0].folds[0].scores, made[1].folds[0].scores)


def test_the_article_s_protocol_chooses_the_threshold_on_the_test_fold(
    models: Path, embeddings: Embeddings
) -> None:
    members = family(models, "gru")
    (entry,), _ = evaluate_family("gru", members, SPLIT, embeddings, LABELS, paddings=["reference"], draws=0)
    best_f1, accuracy = [], []
    for fold in entry.folds.values():
        called = [fold.scores >= limit for limit in np.unique(fold.scores)]
        values = [f1_score(fold.labels, each, zero_division=0) for each in called]
        best_f1.append(max(values))
        accuracy.append(accuracy_score(fold.labels, called[int(np.argmax(values))]))
    protocol = entry.extra["article_protocol"]
    assert protocol["f1"]["mean"] == pytest.approx(np.mean(best_f1))
    assert protocol["accuracy"]["mean"] == pytest.approx(np.mean(accuracy))


def test_families_are_found_by_their_folders(models: Path) -> None:
    found = find_families(models)
    assert {name: sorted(members) for name, members in found.items()} == {
        "gru": [0, 1, 2],
        "bigru": [0, 1, 2],
    }
    assert find_families(models / "gru") == {"gru": found["gru"]}
    (models / "gru" / "3").mkdir()
    (models / "gru" / "notes").mkdir()
    assert sorted(find_families(models)["gru"]) == [0, 1, 2]
    with pytest.raises(InputError, match="holds no NAME/0"):
        find_families(models / "gru" / "notes")
    with pytest.raises(InputError, match="no folder of models"):
        find_families(models / "none")


def test_models_of_no_fold_are_refused(models: Path, embeddings: Embeddings) -> None:
    members = {7: family(models, "gru")[0]}
    with pytest.raises(InputError, match=r"No model of gru \(folds \[7\]\) has objects in the split mine"):
        evaluate_family("gru", members, SPLIT, embeddings, LABELS, draws=0)


def test_vectors_of_another_encoder_are_refused(
    models: Path, vectors: dict[int, Vectors], tmp_path: Path
) -> None:
    wide = {oid: np.concatenate([array, array], axis=1) for oid, array in vectors.items()}
    embeddings = open_embeddings(write_embeddings(tmp_path / "wide", wide, 8))
    with pytest.raises(InputError, match="the model takes 4 latent means"):
        evaluate_family("gru", family(models, "gru"), SPLIT, embeddings, LABELS, draws=0)
    own = tiny_classifier(4, encoder=tiny_encoder(4))
    other = open_embeddings(write_embeddings(tmp_path / "other", vectors, 4, encoder="beef"))
    with pytest.raises(InputError, match="made by the encoder beef"):
        evaluate_family("own", {0: own}, SPLIT, other, LABELS, draws=0)
