"""Settings that have no effect: what verbs read is what they say they read, all else is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import (
    TINY_MEMBERS,
    make_oid,
    random_frames,
    random_sequences,
    refused,
    run,
    tiny_encoder,
    write_cutouts,
    write_embeddings,
)

from rbztf.config import Config, Section, check_usage, load_config, resolve_config, shipped_configs
from rbztf.config.usage import keys_read
from rbztf.errors import ConfigError
from rbztf.verbs.cv import cv
from rbztf.verbs.embed import embed
from rbztf.verbs.train_rnn import train_rnn
from rbztf.verbs.train_vae import train_vae

OIDS = [make_oid(i + 1, field=600 + i % 6) for i in range(48)]
KEPT = {"name", "ensemble"}
"""Every verb may keep the name as a record, and ask whether there is an ensemble."""
PLACES = ["embeddings", "labels", "features", "ordinary", "cutouts", "model"]


@pytest.fixture
def prepared(own_folder: Path) -> Path:
    """Vectors, labels and features of a few objects, and cutouts of three, named by ``rbztf.yaml``."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(6, 12, len(OIDS)).tolist()
    write_embeddings(own_folder / "embeddings", dict(zip(OIDS, random_sequences(lengths, 4))), 4, encoder="x")
    rows = [f"{oid},{number // 6 % 2}" for number, oid in enumerate(OIDS)]
    Path("labels.csv").write_text("\n".join(["oid,label", *rows]))
    values = rng.normal(size=(len(OIDS), 2))
    lines = [f"{oid},{a},{b}" for oid, (a, b) in zip(OIDS, values)]
    Path("features.csv").write_text("\n".join(["oid,first,second", *lines]))
    Path("ordinary.csv").write_text(f"oid,first,second\n{make_oid(99)},0,0")
    write_cutouts(own_folder / "cutouts", {oid: random_frames(8, oid % 100) for oid in OIDS[:3]})
    tiny_encoder(4, decoder=True).save(own_folder / "encoder")
    places = ["embeddings", "labels.csv", "features.csv", "ordinary.csv", "cutouts", "encoder"]
    Path("rbztf.yaml").write_text(yaml.safe_dump({"data": dict(zip(PLACES, places))}))
    return own_folder


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Config], set[str]]]:
    """Calls ``watch(config)``: a set that fills with the settings of ``config`` that are read from then on."""
    names: dict[int, tuple[str, Section]] = {}
    found: set[str] = set()

    def watched(section: Section, name: str) -> Any:
        value = object.__getattribute__(section, name)
        if name in type(section).model_fields and id(section) in names and not isinstance(value, Section):
            found.add(f"{names[id(section)][0]}{name}")
        return value

    def watch(config: Config) -> set[str]:
        names[id(config)] = ("", config)
        for name in ("data", "frames", "vae", "classifier", "training", "ensemble", "cv"):
            section = getattr(config, name)
            if section is not None:
                names[id(section)] = (f"{name}.", section)
        found.clear()
        return found

    monkeypatch.setattr(Section, "__getattribute__", watched)
    yield watch
    monkeypatch.undo()


def leaves(prefix: str, section: type[Section]) -> set[str]:
    return {f"{prefix}.{name}" for name in section.model_fields}


def all_read(verb: str, config: Config) -> set[str]:
    """What :func:`keys_read` says, sections replaced by their settings."""
    found = set[str]()
    for key in keys_read(verb, config):
        section = getattr(config, key, None)
        found |= leaves(key, type(section)) if isinstance(section, Section) else {key}
    return found - KEPT


NETWORK = (
    "vae.latent=4",
    "classifier.hidden=4",
    "training.epochs=2",
    "training.patience=1",
    "cv.bootstrap=9",
)


def network(*overrides: str) -> Config:
    return load_config("gru", [*NETWORK, *overrides])


def ensemble(*overrides: str) -> Config:
    members = {name: {**TINY_MEMBERS[name], "auxiliary": 0.0, "epochs": 2} for name in ("votes", "both")}
    tree = {
        "name": "tiny",
        "ensemble": {"folds": 2, "members": members},
        "vae": {"latent": 4},
        "cv": {"bootstrap": 9},
    }
    Path("tiny.yaml").write_text(yaml.safe_dump(tree))
    return load_config("tiny.yaml", overrides)


@pytest.mark.parametrize("verb", ["train-rnn", "cv"])
def test_training_a_network_reads_what_it_says_and_no_more(
    prepared: Path, seen: Callable[[Config], set[str]], verb: str
) -> None:
    config = network("cv.folds=2", "cv.equal_length=6", "cv.ablate=true")
    read = seen(config)
    cv(config, out="run") if verb == "cv" else train_rnn(config, out="model")
    assert read - KEPT - {"data.features"} == all_read(verb, config)  # a place that is looked up, and no more


@pytest.mark.parametrize("verb", ["train-rnn", "cv"])
def test_training_an_ensemble_reads_what_it_says_and_no_more(
    prepared: Path, seen: Callable[[Config], set[str]], verb: str
) -> None:
    config = ensemble("cv.folds=2", "cv.equal_length=6", "cv.ablate=true")
    read = seen(config)
    cv(config, out="run") if verb == "cv" else train_rnn(config, out="model")
    later = {"ensemble.error_rate"} if verb == "train-rnn" else set()  # predict reads it of the model
    assert read - KEPT == all_read(verb, config) - later


def test_training_an_autoencoder_reads_what_it_says_and_no_more(
    prepared: Path, seen: Callable[[Config], set[str]]
) -> None:
    config = load_config("vae", ["vae.latent=4", "training.epochs=1", "vae.simulated_frames=8"])
    read = seen(config)
    train_vae(config, out="made")
    assert read - KEPT == all_read("train-vae", config)


def test_embed_reads_what_it_says_and_no_more(prepared: Path, seen: Callable[[Config], set[str]]) -> None:
    config = load_config(None)
    read = seen(config)
    embed(config=config, out="vectors")
    assert read - KEPT == all_read("embed", config) - {"data.embeddings"}  # where it writes, unless told


def usage(verb: str, source: str | None, overrides: Sequence[str] = (), default: str | None = None) -> Config:
    return check_usage(verb, [resolve_config(source, overrides, default=default)])[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("train-rnn", "--set", "training.epochs=2"),
            "--set training.epochs has no effect on an ensemble. Set it for a member: "
            "ensemble.members.frame-votes.epochs, ensemble.members.frames.epochs, ",
        ),
        (
            ("cv", "--set", "training={patience: 2}"),
            "--set training has no effect on an ensemble. It counts for",
        ),
        (("train-rnn", "--set", "training.inner_folds=2"), "on an ensemble. Set ensemble.folds."),
        (("train-rnn", "--set", "classifier.cell=lstm"), "on an ensemble. It counts for single networks"),
        (("train-rnn", "--set", "classifier.dropout=0.3"), "ensemble.members.both.dropout."),
        (("train-rnn", "--config", "gru", "--set", "ensemble.folds=3"), "network. Set training.inner_folds."),
        (("cv", "--config", "gru", "--set", "ensemble.error_rate=0.1"), "no effect on a single network."),
        (("cv", "--config", "gru", "--ablate"), "--ablate has no effect on a single network."),
        (("cv", "--config", "gru", "--set", "cv.equal_length=9"), "no effect on a single network."),
        (
            ("train-rnn", "--config", "gru", "--features", "f.csv"),
            "--features has no effect on a single network.",
        ),
        (
            ("train-rnn", "--config", "image-only", "--features", "f"),
            "--features has no effect on image-only.",
        ),
        (
            ("train-rnn", "--data", "d"),
            "--data has no effect on an ensemble. It counts where classifier.inputs",
        ),
        (("train-rnn", "--config", "gru", "--data", "d"), "--data has no effect on gru."),
        (("train-rnn", "--set", "vae.kl_weight=0"), "no effect on train-rnn. It counts for train-vae."),
        (("train-rnn", "--set", "frames.invalid=mask"), "no effect on train-rnn. It counts for train-vae."),
        (("train-rnn", "--set", "cv.folds=3"), "no effect on train-rnn. It counts for cv."),
        (("train-rnn", "--config", "vae"), "configs/vae.yaml) has no effect on train-rnn."),
        (("train-vae", "--config", "gru"), "configs/gru.yaml) has no effect on train-vae."),
        (
            ("train-vae", "--set", "training.patience=2"),
            "no effect on train-vae. It counts for single networks",
        ),
        (("train-vae", "--set", "data.labels=x"), "no effect on train-vae. It counts for train-rnn and cv."),
        (("embed", "--config", "vae"), "no effect on embed. A model keeps what it was trained with."),
        (("predict", "--config", "default"), "no effect on predict. A model keeps what it was trained with."),
        (("predict", "--set", "data.min_frames=3"), "no effect on predict."),
        (("predict", "--set", "seed=3"), "no effect on predict. Nothing there is random."),
        (("features", "--set", "device=cpu"), "no effect on features."),
        (("fetch", "--set", "data.model=x", "686103400034440"), "no effect on fetch."),
        (("cv", "--models", "m", "--set", "training.epochs=1"), "no effect on cv --models."),
        (("cv", "--models", "m", "--config", "gru"), "no effect on cv --models."),
        (("cv", "--models", "m", "--workers", "2"), "--workers has no effect with --models."),
        (("cv", "--scores", "s.csv", "--seed", "0"), "--seed has no effect with --scores."),
        (("cv", "--scores", "s.csv", "--set", "cv.folds=3"), "no effect on cv --scores."),
        (("cv", "--split", "reference", "--set", "cv.folds=3"), "has 5 folds, --set cv.folds asks for 3."),
        (("fetch", "--radius", "3arcsec", "686103400034440"), "--radius has no effect without --position."),
        (("fetch", "--keep", "even", "686103400034440"), "--keep has no effect without --max-frames."),
        (("fetch", "--labels", "--band", "r"), "--band has no effect with --labels."),
        (("fetch", "--check", "d", "--out", "x"), "--out has no effect with --check."),
        (
            (
                "train-rnn",
                "--config",
                "gru",
                "--set",
                "training.patience=0",
                "--set",
                "training.inner_folds=2",
            ),
            "--set training.inner_folds has no effect with training.patience: 0.",
        ),
        (
            ("train-rnn", "--set", "ensemble.members.frame-votes.heads=2"),
            "has no effect with ensemble.members.frame-votes.pooling: votes.",
        ),
        (
            ("train-rnn", "--set", "ensemble.members.lightcurve-network.subsample=9"),
            "has no effect with ensemble.members.lightcurve-network.inputs without image.",
        ),
    ],
)
def test_a_setting_without_effect_is_refused(own_folder: Path, words: Sequence[str], says: str) -> None:
    refused(*words, says=[says])
    assert not list(own_folder.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("train-rnn", "--set", "ensemble.members.frames.epochs=2", "--set", "ensemble.members.both=null"),
        ("train-rnn", "--config", "gru", "--set", "training.epochs=2", "--set", "training.patience=0"),
        ("train-rnn", "--config", "gru", "--set", "classifier.standardise=false"),
        ("cv", "--config", "gru", "--config", "default", "--ablate", "--set", "training.epochs=2"),
        ("cv", "--config", "gru", "--config", "default", "--features", "f.csv"),
        ("cv", "--split", "folds.csv", "--set", "cv.bootstrap=9"),
    ],
)
def test_a_setting_with_an_effect_is_not(own_folder: Path, words: Sequence[str]) -> None:
    refused(*words, says=["No labels given."])


@pytest.mark.parametrize("verb", ["embed", "predict"])
def test_a_seed_where_nothing_is_random_is_told(own_folder: Path, verb: str) -> None:
    shown = run(verb, "--seed", "3", "--model", "none").stderr
    assert shown.startswith(f"Warning: --seed has no effect: nothing that {verb} does is random.\n")


def test_every_shipped_configuration_can_be_used_whole() -> None:
    for name in shipped_configs():
        verbs = ["train-vae"] if "vae" in name else ["train-rnn", "cv"]
        for verb in verbs:
            assert usage(verb, name) == load_config(name)


def test_a_file_for_all_verbs_may_hold_more(own_folder: Path) -> None:
    Path("rbztf.yaml").write_text(
        "{vae: {latent: 8, flips: true}, training: {epochs: 3}, classifier: {hidden: 9}, cv: {folds: 3}, "
        "ensemble: {error_rate: 0.2}, frames: {invalid: mask}, seed: 4}"
    )
    made = usage("train-rnn", None, default="default")
    assert made.ensemble is not None
    assert (made.ensemble.error_rate, made.vae.latent, made.seed) == (0.2, 8, 4)
    untouched = Config()
    assert (made.training, made.classifier, made.cv) == (
        untouched.training,
        untouched.classifier,
        untouched.cv,
    )
    assert usage("train-rnn", "gru").training.epochs == 14  # the named file lies on top
    assert usage("train-rnn", "gru").classifier.hidden == 128
    encoder = usage("train-vae", None, default="vae")
    assert (encoder.vae.latent, encoder.training.epochs, encoder.ensemble) == (8, 3, None)
    assert usage("predict", None).data == untouched.data


def test_a_named_file_may_hold_what_its_recipe_is_judged_by(own_folder: Path) -> None:
    Path("mine.yaml").write_text(
        "{extends: gru, data: {model: m, labels: l}, cv: {folds: 3, ablate: true}, seed: 2, vae: {flips: false}}"
    )
    assert usage("train-rnn", "mine.yaml").data.model == Path("m")
    assert usage("cv", "mine.yaml").cv.folds == 3
    Path("vae.yaml").write_text("{extends: vae-aug, cv: {folds: 3}}")
    with pytest.raises(ConfigError, match=r"'cv.folds' \(vae.yaml\) has no effect on train-vae"):
        usage("train-vae", "vae.yaml")
    Path("flips.yaml").write_text("{extends: mine.yaml, vae: {flips: true}}")
    with pytest.raises(ConfigError, match=r"'vae.flips' \(flips.yaml\) has no effect on train-rnn"):
        usage("train-rnn", "flips.yaml")


@pytest.mark.parametrize("name", ["default", "lightcurve-only", "gru", "reference/bigru-l2"])
def test_the_record_of_a_run_can_be_run_again(own_folder: Path, name: str) -> None:
    Path("rbztf.yaml").write_text(
        "{training: {clip_norm: 9}, vae: {flips: true}, data: {labels: in/l.json, cutouts: /abs}}"
    )
    config = usage("cv", name, ["cv.folds=3", "seed=3"])
    Path("rbztf.yaml").unlink()
    folder = own_folder / "runs" / "first"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config.dump(folder))
    assert usage("cv", "runs/first/config.yaml") == config
    assert usage("train-rnn", "runs/first/config.yaml").ensemble == config.ensemble
    assert config.data.labels == Path("in/l.json")


def test_the_first_of_several_files_decides_folds_and_data(own_folder: Path) -> None:
    Path("a.yaml").write_text("{extends: gru, cv: {folds: 3}, data: {labels: l}}")
    Path("b.yaml").write_text("{extends: lstm, cv: {folds: 4}}")
    Path("c.yaml").write_text("{extends: lstm, cv: {folds: 3}, data: {labels: l}}")

    def both(first: str, second: str) -> list[Config]:
        return check_usage("cv", [resolve_config(first), resolve_config(second)])

    with pytest.raises(ConfigError, match=r"'cv.folds' \(b.yaml\) has no effect beside another value"):
        both("a.yaml", "b.yaml")
    assert [config.cv.folds for config in both("a.yaml", "c.yaml")] == [3, 3]
