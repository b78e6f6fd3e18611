"""Configuration: frozen, validated sections read from YAML, with ``--set`` on top.

Later sources win: built-in defaults, ``./rbztf.yaml`` (if there), ``--config`` (a file, or
the name of a shipped one), ``--set KEY=VALUE``, other options. Paths in a ``data:`` section
are relative to the file that names them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from rbztf.errors import ConfigError
from rbztf.sections import FramesSection as FramesSection
from rbztf.sections import Section
from rbztf.sections import VaeSection as VaeSection
from rbztf.sky import Band

PROJECT_FILE = Path("rbztf.yaml")
STANDARD_CLASSIFIER = "bigru-l2"
STANDARD_VAE = "vae"
"""Shipped configurations that train-rnn and cv, and train-vae, use when none is named."""


class DataSection(Section):
    """Where things are, for verbs whose paths were left out."""

    embeddings: Path | None = None
    labels: Path | None = None
    features: Path | None = None
    cutouts: Path | None = None
    model: Path | None = None
    bands: tuple[Band, ...] = (Band.R,)


class ClassifierSection(Section):
    """The recurrent network that reads an object's sequence of vectors."""

    cell: Literal["gru", "lstm"] = "gru"
    hidden: int = Field(128, ge=1)
    bidirectional: bool = False
    padding: Literal["masked", "reference"] = "masked"
    """``reference`` lets the network read the zeros that fill a batch, as published."""
    standardise: bool = True
    scale_floor: float = Field(0.0, ge=0)
    """Least standard deviation a column is divided by, so that latents near constancy stay quiet."""
    dropout: float = Field(0.0, ge=0, lt=1)
    tversky: float = Field(0.0, ge=0)
    """Weight of the Tversky loss beside the cross-entropy."""
    inputs: Literal["vectors", "vectors+loss", "frames", "frames+loss"] = "vectors"
    """``+loss`` appends the VAE loss of each frame; ``frames`` runs a frozen encoder inside."""
    min_frames: int = Field(5, ge=1)
    """Objects with fewer frames get no score (the published classifiers never saw fewer)."""


class TrainingSection(Section):
    """The optimisation loop, of the autoencoder and of the classifier alike."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    optimiser: Literal["adam", "adamw"] = "adam"
    schedule: Literal["constant", "one-cycle"] = "constant"
    clip_norm: float = Field(0.0, ge=0)
    """Largest norm of the gradient; 0 leaves it alone."""
    subsample: int = Field(0, ge=0)
    """Frames of an object shown per epoch, in order, drawn anew each time; 0 shows all."""
    bucket_edges: tuple[int, ...] = ()
    """Sequence lengths at which batches are separated, as published; empty sorts by length."""
    patience: int = Field(0, ge=0)
    """Epochs without a better AUC before an inner run stops; 0 trains all epochs, without inner folds."""
    inner_folds: int = Field(3, ge=2)
    """Folds of whole fields within the training objects; they choose the epoch and the threshold."""
    mixed_precision: bool = True
    """On CUDA only."""
    checkpoint_every: int = Field(1, ge=0)
    """Epochs between checkpoints; 0 writes none."""


class CvSection(Section):
    """Cross-validation."""

    split: str = "field"
    """``field``, ``reference``, ``random``, or a CSV file with ``oid,fold``."""
    folds: int = Field(5, ge=2)
    bootstrap: int = Field(1000, ge=0)
    """Draws of fields for the 95 % intervals."""


class Config(Section):
    """Everything a run depends on besides its data."""

    name: str = ""
    data: DataSection = DataSection()
    frames: FramesSection = FramesSection()
    vae: VaeSection = VaeSection()
    classifier: ClassifierSection = ClassifierSection()
    training: TrainingSection = TrainingSection()
    cv: CvSection = CvSection()
    device: str = "auto"
    """``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1`` …"""
    seed: int = Field(0, ge=0)

    def dump(self) -> str:
        """The resolved configuration as YAML; loading it gives an equal one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def load_config(
    source: Path | str | None = None,
    overrides: Iterable[str] = (),
    *,
    project_file: Path | None = PROJECT_FILE,
    standard: str | None = None,
) -> Config:
    """Resolve a configuration.

    Parameters
    ----------
    source : path or str, optional
        A YAML file, or the name of a shipped configuration such as ``bigru-l2``.
    overrides : iterable of str
        ``KEY=VALUE`` pairs, keys dotted (``training.epochs=5``), values in YAML.
    project_file : Path, optional
        Read first where it exists; None ignores it.
    standard : str, optional
        Shipped configuration that stands below ``project_file`` where ``source`` is left out.

    Raises
    ------
    ConfigError
        For a missing file, YAML that does not parse, an unknown key or a wrong value.
    """
    tree: dict[str, Any] = {}
    origin = "the defaults"
    if source is None and standard is not None:
        tree = _read_yaml(find_config(standard))
    if project_file is not None and project_file.is_file():
        tree, origin = _merge(tree, _read_yaml(project_file)), str(project_file)
    if source is not None:
        path = find_config(source)
        tree, origin = _merge(tree, {"name": path.stem} | _read_yaml(path)), str(path)
    overrides = tuple(overrides)
    for override in overrides:
        tree = _merge(tree, _parse_override(override))
    return _validate(tree, origin, {override.partition("=")[0].strip() for override in overrides})


def parse_config(text: str, origin: str) -> Config:
    """Validate YAML text, as written by :meth:`Config.dump`, read from ``origin``."""
    return _validate(_parse_yaml(text, origin), origin)


def find_config(source: Path | str) -> Path:
    """The file that ``source`` means: a path, or the name of a shipped configuration."""
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_configs()
    name = str(source).removesuffix(".yaml").removeprefix("configs/")
    if name in shipped:
        return shipped[name]
    near = difflib.get_close_matches(name, shipped, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Shipped ones: {', '.join(shipped)}."
    raise ConfigError(f"There is no configuration file {source}.", hint)


def shipped_configs() -> dict[str, Path]:
    """Name and path of every configuration that comes with rbztf."""
    package = Path(__file__).parent
    for folder in (package / "configs", package.parents[1] / "configs"):
        if folder.is_dir():
            paths = sorted(folder.rglob("*.yaml"))
            return {str(path.relative_to(folder).with_suffix("")): path for path in paths}
    return {}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}).", "Check the file.") from None
    tree = _parse_yaml(text, str(path))
    data = tree.get("data")
    if isinstance(data, dict):
        tree["data"] = {key: _beside(path, key, value) for key, value in data.items()}
    return tree


def _beside(path: Path, key: str, value: Any) -> Any:
    return str(path.parent / value) if isinstance(value, str) and key != "bands" else value


def _parse_yaml(text: str, origin: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{origin}{where} is not valid YAML.", "Check its indentation and quotes."
        ) from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{origin} must hold sections such as 'training:', not a {type(tree).__name__}.")
    return tree


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override!r} is not KEY=VALUE.", "Example: --set training.epochs=5.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override!r}: the value is not valid YAML.", "Quote it.") from None
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return dict(value)


def _merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _validate(tree: Mapping[str, Any], origin: str, overridden: Iterable[str] = ()) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        path = tuple(str(part) for part in first["loc"])
        where = ".".join(path)
        if any(where == key or where.startswith(f"{key}.") for key in overridden):
            origin = f"--set {where}"
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"Unknown key '{where}' in the configuration ({origin}).", _nearest(path)
            ) from None
        problem = first["msg"][0].lower() + first["msg"][1:]
        raise ConfigError(
            f"'{where}' in the configuration ({origin}) is {first['input']!r}: {problem}.",
            "Correct the value.",
        ) from None


def _nearest(path: tuple[str, ...]) -> str:
    """Advice for an unknown key: its nearest sibling, else the same name in another section."""
    model: type[BaseModel] = Config
    for part in path[:-1]:
        model = _section(model, part) or model
    prefix = ".".join(path[:-1])
    siblings = list(model.model_fields)
    near = difflib.get_close_matches(path[-1], siblings, n=1)
    if near:
        return f"Did you mean '{prefix + '.' if prefix else ''}{near[0]}'?"
    for name in Config.model_fields:
        section = _section(Config, name)
        if section and path[-1] in section.model_fields:
            return f"Did you mean '{name}.{path[-1]}'?"
    return f"Valid names there: {', '.join(siblings)}."


def _section(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    found = model.model_fields[name].annotation if name in model.model_fields else None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None
