"""Configuration: sources, their order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from helpers import refusal, run
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rbztf.config import Config, RenamedSetting, find_config, load_config, parse_config, shipped_configs
from rbztf.errors import ConfigError
from rbztf.ztf import Band


def test_every_shipped_configuration_loads_under_its_name() -> None:
    shipped = shipped_configs()
    assert {"reference/gru", "reference/bigru-l2", "reference/gru-tversky", "reference/lstm"} <= set(shipped)
    assert {"reference/vae", "reference/vae-aug", "reference/vae-ld78"} <= set(shipped)
    for name, path in shipped.items():
        by_name, by_path = load_config(name), load_config(path)
        assert by_name == by_path
        assert by_name.name == name


@pytest.mark.parametrize(
    ("name", "cell", "bidirectional", "weight_decay", "tversky"),
    [
        ("gru", "gru", False, 0.0, 0.0),
        ("bigru-l2", "gru", True, 1e-5, 0.0),
        ("gru-tversky", "gru", False, 0.0, 0.01),
        ("lstm", "lstm", False, 0.0, 0.0),
    ],
)
def test_the_reference_s_classifiers_are_its_recipes(
    name: str, cell: str, bidirectional: bool, weight_decay: float, tversky: float
) -> None:
    config = load_config(f"reference/{name}")
    network, training = config.classifier, config.training
    assert (network.cell, network.bidirectional, network.tversky) == (cell, bidirectional, tversky)
    assert (network.hidden, network.padding, network.standardise, network.dropout) == (
        128,
        "reference",
        False,
        0.0,
    )
    assert (training.learning_rate, training.weight_decay, training.optimiser) == (1e-4, weight_decay, "adam")
    assert (training.epochs, training.batch_size, training.bucket_edges) == (500, 32, (200, 400, 600, 800))
    assert (training.subsample, training.patience, training.schedule) == (0, 0, "constant")


@pytest.mark.parametrize(
    ("name", "latent", "rotation_deg"), [("vae", 36, 0.0), ("vae-aug", 36, 20.0), ("vae-ld78", 78, 0.0)]
)
def test_the_reference_s_autoencoders_are_its_recipes(name: str, latent: int, rotation_deg: float) -> None:
    config = load_config(f"reference/{name}")
    assert (config.vae.latent, config.vae.kl_weight, config.vae.rotation_deg) == (latent, 8e-5, rotation_deg)
    assert (config.frames.normaliser, config.frames.invalid) == ("minmax", "zero")
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (100, 256, 5e-5)


def test_later_sources_win_and_leave_their_neighbours_alone(own_folder: Path) -> None:
    Path("rbztf.yaml").write_text("training: {epochs: 3, batch_size: 7}\nseed: 5\n")
    Path("mine.yaml").write_text("training: {epochs: 4}\n")
    assert load_config().training.epochs == 3
    config = load_config("mine.yaml")
    assert (config.training.epochs, config.training.batch_size, config.seed) == (4, 7, 5)
    assert config.name == "mine"
    config = load_config("mine.yaml", ["training.epochs=9", "data.bands=[g, i]"])
    assert (config.training.epochs, config.training.batch_size) == (9, 7)
    assert config.data.bands == (Band.G, Band.I)
    assert load_config("mine.yaml", project_file=None).training.batch_size == Config().training.batch_size


def test_paths_are_relative_to_the_file_that_names_them(own_folder: Path) -> None:
    prepared = own_folder / "elsewhere"
    prepared.mkdir()
    (prepared / "mine.yaml").write_text("data: {labels: l.json, cutouts: /abs/c, bands: [r]}\n")
    data = load_config("elsewhere/mine.yaml", ["data.model=m"]).data
    assert data.labels == Path("elsewhere/l.json")
    assert data.cutouts == Path("/abs/c")
    assert data.model == Path("m")


def test_a_configuration_survives_being_written(own_folder: Path) -> None:
    config = load_config("reference/bigru-l2", ["data.labels=a b.json", "seed=3"])
    Path("again.yaml").write_text(config.dump())
    assert load_config("again.yaml", project_file=None) == config
    assert parse_config(config.dump(), "here") == config


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Config().seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Config().training.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("trainin.epochs=3", ["'trainin'", "Did you mean 'training'?"]),
        ("training.epoch=3", ["'training.epoch'", "Did you mean 'training.epochs'?"]),
        ("training.hidden=3", ["'training.hidden'", "Did you mean 'classifier.hidden'?"]),
        ("classifier.learning_rate=1", ["Did you mean 'training.learning_rate'?"]),
        ("frames.xyz=1", ["'frames.xyz'", "Valid names there: normaliser, invalid."]),
        ("training.epochs=many", ["'training.epochs'", "--set training.epochs", "'many'"]),
        ("training.epochs=0", ["'training.epochs'", "greater than or equal to 1"]),
        ("classifier.cell=rnn", ["'classifier.cell'", "'gru' or 'lstm'"]),
        ("data.bands=[r, z]", ["'data.bands.1'", "'z'"]),
        ("training=3", ["'training'", "--set training"]),
        ("seed=-1", ["'seed'"]),
        ("training.epochs", ["is not KEY=VALUE"]),
        ("=3", ["is not KEY=VALUE"]),
        ("training.epochs=[", ["not valid YAML"]),
    ],
)
def test_wrong_overrides_are_named_by_their_full_path(override: str, says: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("reference/gru", [override])
    for text in says:
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("training:\n  epochs: 3\n bad", ["bad.yaml, line 3", "not valid YAML"]),
        ("- 1\n- 2\n", ["must hold sections"]),
        ("training: {eopchs: 3}", ["'training.eopchs'", "bad.yaml", "Did you mean 'training.epochs'?"]),
        ("training: {epochs: three}", ["'training.epochs'", "bad.yaml", "'three'"]),
        ("data: {bands: r}", ["'data.bands'"]),
    ],
)
def test_wrong_files_are_named_with_the_place(own_folder: Path, text: str, says: list[str]) -> None:
    Path("bad.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config("bad.yaml")
    for word in says:
        assert word in str(caught.value)


def test_a_missing_configuration_gets_the_nearest_name(own_folder: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean reference/bigru-l2"):
        find_config("reference/bigru-l3")
    with pytest.raises(ConfigError, match="Shipped ones: "):
        find_config("zzz.yaml")
    assert find_config("configs/reference/gru.yaml") == shipped_configs()["reference/gru"]


def test_a_file_that_is_not_text_is_refused(own_folder: Path) -> None:
    Path("binary.yaml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(ConfigError, match=r"binary\.yaml"):
        load_config("binary.yaml")


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_KEYS = (
    st.sampled_from([*Config.model_fields, "epochs", "cell", "bands"]) | st.text(max_size=5) | st.integers()
)
_TREES = st.dictionaries(
    _KEYS, st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=5)
)


@given(_TREES)
def test_any_yaml_is_a_configuration_or_a_clear_refusal(tree: dict[object, object]) -> None:
    text = yaml.safe_dump(tree)
    error = refusal(lambda: parse_config(text, "here"))
    if error is None:
        config = parse_config(text, "here")
        assert parse_config(config.dump(), "there") == config
    else:
        assert isinstance(error, ConfigError)
        assert "here" in error.message


RENAMED = [("classifier.min_frames", "data.min_frames"), ("ensemble.bags", "ensemble.folds")]


@pytest.mark.parametrize(("old", "new"), RENAMED)
def test_an_old_name_still_works_and_the_new_one_is_told(own_folder: Path, old: str, new: str) -> None:
    section, key = old.split(".")
    Path("mine.yaml").write_text(f"{section}: {{{key}: 7}}\n")
    for overrides in ([], [f"{old}=9"]):
        with pytest.warns(RenamedSetting, match=f"'{old}' .* is called '{new}' now") as told:
            config = load_config(None, overrides, project_file=Path("mine.yaml"), default="default")
        assert len(told) == 1 + len(overrides)
        place, name = new.split(".")
        assert getattr(getattr(config, place), name) == (9 if overrides else 7)
    with pytest.warns(RenamedSetting, match=r"mine\.yaml"):
        load_config(None, [f"{new}=3"], project_file=Path("mine.yaml"), default="default")


@pytest.mark.parametrize(("old", "new"), RENAMED)
def test_both_names_of_a_setting_in_one_place_are_refused(own_folder: Path, old: str, new: str) -> None:
    (section, key), (place, name) = old.split("."), new.split(".")
    tree: dict[str, dict[str, int]] = {section: {key: 7}}
    tree.setdefault(place, {})[name] = 6
    Path("mine.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match=rf"mine\.yaml gives both '{new}' and '{old}'.* Leave out '{old}'"):
        load_config("mine.yaml")


def test_a_model_s_own_record_with_old_names_is_read_in_silence() -> None:
    text = "{ensemble: {bags: 3, members: {t: {kind: trees}}}, classifier: {min_frames: 4}}"
    config = parse_config(text, "here")
    assert config.ensemble is not None
    assert (config.ensemble.folds, config.data.min_frames) == (3, 4)
    assert "bags" not in config.dump()


def test_a_setting_that_is_gone_is_said(own_folder: Path) -> None:
    text = "ensemble: {photometry: true, members: {t: {kind: trees}}}"
    Path("mine.yaml").write_text(text)
    with pytest.warns(
        RenamedSetting, match=r"'ensemble.photometry' \(mine.yaml\) is no longer there.* Leave it out"
    ):
        config = load_config("mine.yaml")
    assert config.ensemble is not None
    assert parse_config(text, "a model").ensemble == config.ensemble


def test_an_old_name_is_told_once_on_the_command_line(own_folder: Path) -> None:
    Path("rbztf.yaml").write_text("ensemble: {bags: 4}\nclassifier: {min_frames: 3}\n")
    shown = run("cv", "--set", "classifier.min_frames=4").stderr.splitlines()
    assert [line for line in shown if line.startswith("Warning: ")] == [
        "Warning: 'classifier.min_frames' (rbztf.yaml) is called 'data.min_frames' now; the old name still works.",
        "Warning: 'ensemble.bags' (rbztf.yaml) is called 'ensemble.folds' now; the old name still works.",
        "Warning: 'classifier.min_frames' (--set) is called 'data.min_frames' now; the old name still works.",
    ]
