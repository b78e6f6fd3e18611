"""What lies on what: files that extend each other, the cache, the project, options."""

from __future__ import annotations

from pathlib import Path

import pytest

import rbztf.config.load
from rbztf.config import Config, load_config, resolve_config, shipped_configs
from rbztf.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the user's cache, which names imported data and a model."""
    path = tmp_path / "cache" / "rbztf.yaml"
    path.parent.mkdir()
    path.write_text("data: {embeddings: e, features: f.csv, labels: l.json, model: model}\n")
    monkeypatch.setattr(rbztf.config.load, "HOME_FILE", path)
    return path


def test_a_file_holds_that_in_which_it_differs(own_folder: Path) -> None:
    Path("more").mkdir()
    Path("base.yaml").write_text("{extends: bigru-l2, classifier: {hidden: 9}, data: {labels: l}, seed: 5}")
    Path("more/mine.yaml").write_text("{extends: ../base.yaml, classifier: {dropout: 0.1}, data: {model: m}}")
    made = load_config("more/mine.yaml")
    base = load_config("bigru-l2")
    assert made.name == "mine"
    assert made.classifier == base.classifier.model_copy(update={"hidden": 9, "dropout": 0.1})
    assert made.training == base.training
    assert (made.data.labels, made.data.model, made.seed) == (Path("l"), Path("more/m"), 5)


def test_shipped_files_that_extend_differ_where_they_say(own_folder: Path) -> None:
    default, image, curve = (
        load_config(name).ensemble for name in ("default", "image-only", "lightcurve-only")
    )
    assert default is not None
    assert image is not None
    assert curve is not None
    names = ["frame-votes", "frames", "frame-statistics", "lightcurve-network", "lightcurve-trees", "both"]
    assert list(default.members) == names
    assert (list(image.members), list(curve.members)) == (names[:3], names[3:5])
    for part in (image, curve):
        assert part == default.model_copy(update={"members": {n: default.members[n] for n in part.members}})
    gru = load_config("gru")
    for name, classifier, training in [
        ("lstm", {"cell": "lstm"}, {}),
        ("gru-tversky", {"tversky": 0.01}, {}),
        ("bigru-l2", {"bidirectional": True}, {"weight_decay": 1e-5}),
    ]:
        made = load_config(name)
        assert made.classifier == gru.classifier.model_copy(update=classifier)
        assert made.training == gru.training.model_copy(update=training)
        assert made.name == name
    assert load_config("vae-ld78").vae == load_config("vae-aug").vae.model_copy(
        update={"latent": 78, "rotation_deg": 0.0}
    )


def test_the_published_recipes_stand_for_themselves() -> None:
    for name, path in shipped_configs().items():
        if name.startswith("reference/"):
            assert "extends" not in path.read_text()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a": "extends: a.yaml"}, r"a.yaml extends a.yaml, which extends it in turn"),
        (
            {"a": "extends: b.yaml", "b": "extends: a.yaml"},
            r"b.yaml extends a.yaml, which extends it in turn",
        ),
        ({"a": "extends: gruu"}, r"a.yaml extends 'gruu', which is not there. Did you mean gru\?"),
        ({"a": "extends: [gru]"}, r"'extends' \(a.yaml\) is \['gru'\], which is not the name"),
        ({"a": "extends: b.yaml", "b": "seed: x"}, r"'seed' in the configuration \(b.yaml\) is 'x'"),
        (
            {"a": "{extends: b.yaml, seed: y}", "b": "seed: x"},
            r"'seed' in the configuration \(a.yaml\) is 'y'",
        ),
        ({"a": "extends: b.yaml", "b": "["}, r"b.yaml, line 1 is not valid YAML"),
        (
            {"a": "{extends: default, ensemble: {members: {boht: null}}}"},
            r"'ensemble.members.boht' \(a.yaml\) leaves out a member that is not there. Did you mean 'both'",
        ),
        (
            {"a": "{extends: default, ensemble: {members: {frame: {epochs: 3}}}}"},
            r"'ensemble.members.frame' in the configuration \(a.yaml\) has no kind.* Did you mean 'frames'",
        ),
        (
            {"a": "{extends: default, ensemble: {members: {both: {trees: 3}}}}"},
            r"Unknown key 'ensemble.members.both.trees' in the configuration \(a.yaml\). Valid names there: kind,",
        ),
        (
            {"a": "{ensemble: {error_rate: 0.1}}"},
            r"'ensemble.error_rate' \(a.yaml\) has no effect on a single",
        ),
    ],
)
def test_what_cannot_be_resolved_is_refused(own_folder: Path, files: dict[str, str], says: str) -> None:
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        load_config("a.yaml")
    assert "\n" not in str(caught.value)


def test_only_a_named_file_extends(own_folder: Path) -> None:
    Path("rbztf.yaml").write_text("extends: gru\n")
    with pytest.raises(ConfigError, match=r"rbztf.yaml holds for every verb, so it cannot extend"):
        load_config()
    assert load_config("rbztf.yaml").classifier == load_config("gru", project_file=None).classifier
    with pytest.raises(ConfigError, match="--set cannot extend"):
        load_config(None, ["extends=gru"], project_file=None)


def test_the_project_lies_on_the_cache(own_folder: Path, home: Path) -> None:
    Path("rbztf.yaml").write_text("data: {cutouts: mine}\n")
    found = load_config().data
    assert (found.cutouts, found.model, found.labels) == (
        Path("mine"),
        home.parent / "model",
        home.parent / "l.json",
    )
    Path("rbztf.yaml").write_text("data: {model: mine}\n")
    assert load_config().data.model == Path("mine")
    assert load_config(project_file=None).data == Config().data


def test_objects_of_the_project_are_not_mixed_with_those_of_the_cache(own_folder: Path, home: Path) -> None:
    Path("rbztf.yaml").write_text("data: {embeddings: mine}\n")
    found = load_config().data
    assert (found.embeddings, found.labels, found.features) == (Path("mine"), None, None)
    assert found.model == home.parent / "model"


def test_members_of_two_files_are_not_mixed(own_folder: Path) -> None:
    Path("rbztf.yaml").write_text("ensemble: {members: {mine: {kind: trees}}}\n")
    made = load_config(default="default").ensemble
    assert made is not None
    assert (list(made.members), made.uncertain_weight) == (["mine"], 0.6)
    named = load_config("lightcurve-only").ensemble
    assert named is not None
    assert list(named.members) == ["lightcurve-network", "lightcurve-trees"]
    assert load_config("gru").ensemble is None


@pytest.mark.parametrize(
    ("overrides", "origin"),
    [
        ([], "rbztf.yaml"),
        (["training.batch_size=3"], "rbztf.yaml"),
        (["training.epochs=y"], "--set training.epochs"),
        (["training={epochs: y}"], "--set training"),
    ],
)
def test_a_wrong_value_is_blamed_on_the_place_that_holds_it(
    own_folder: Path, home: Path, overrides: list[str], origin: str
) -> None:
    Path("rbztf.yaml").write_text("training: {epochs: x}\n")
    Path("mine.yaml").write_text("training: {learning_rate: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load_config("mine.yaml", overrides)
    assert f"'training.epochs' in the configuration ({origin}) is" in str(caught.value)


def test_a_wrong_key_of_the_cache_is_blamed_on_the_cache(own_folder: Path, home: Path) -> None:
    home.write_text("data: {modell: m}\n")
    Path("rbztf.yaml").write_text("data: {cutouts: c}\n")
    with pytest.raises(ConfigError, match=r"Unknown key 'data\.modell'") as caught:
        load_config()
    assert f"({home})" in str(caught.value)


def test_an_option_is_blamed_by_its_own_name(own_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"'cv.folds' in the configuration \(--folds\) is 1"):
        resolve_config("gru", options={"cv.folds": 1})
    made = resolve_config("gru", options={"data.cutouts": Path("a: b"), "cv.split": "2024-01-01"}).config
    assert (made.data.cutouts, made.cv.split) == (Path("a: b"), "2024-01-01")


def test_a_section_without_settings_counts_as_left_out(own_folder: Path) -> None:
    Path("mine.yaml").write_text("training:\n#  epochs: 3\ndata:\nensemble:\n")
    assert load_config("mine.yaml") == Config(name="mine")


@pytest.mark.parametrize(
    "text",
    [
        '"a\\e[31m\\nb": 1',
        'training: {"\\u202e": 1}',
        f"training: {{{'k' * 900}: 1}}",
        f"seed: [{'1, ' * 900}]",
        "seed: 0x" + "f" * 9000,
        "training: {epochs: -0x" + "f" * 9000 + "}",
    ],
)
def test_strange_keys_and_values_are_shown_short_and_plain(own_folder: Path, text: str) -> None:
    Path("mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config("mine.yaml")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
