"""Where a configuration comes from: defaults, YAML files, ``--set``.

Later sources win: built-in defaults, ``./rbztf.yaml`` (if there; else the paths of what was
imported into the user's cache), ``--config`` (a file, or
the name of a shipped one), ``--set KEY=VALUE``, other options. Paths in a ``data:`` section
are relative to the file that names them.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path
from pydantic import BaseModel, ValidationError

from rbztf.config.aliases import RenamedSetting, with_new_names
from rbztf.config.sections import Config
from rbztf.errors import ConfigError
from rbztf.yamltext import parse_yaml, read_yaml

PROJECT_FILE = Path("rbztf.yaml")
HOME_FILE = user_cache_path("rbztf") / "published" / "rbztf.yaml"
"""Names data and model where there is no :data:`PROJECT_FILE`; ``rbztf import`` writes it."""
PATHS = ("embeddings", "labels", "features", "cutouts", "model")
"""Settings of the ``data`` section that are paths, relative to the file that names them."""
DEFAULT_CLASSIFIER = "default"
DEFAULT_VAE = "vae"
"""Shipped configurations that train-rnn and cv, and train-vae, use when none is named."""


def load_config(
    source: Path | str | None = None,
    overrides: Iterable[str] = (),
    *,
    project_file: Path | None = PROJECT_FILE,
    default: str | None = None,
) -> Config:
    """Resolve a configuration.

    Parameters
    ----------
    source : path or str, optional
        A YAML file, or the name of a shipped configuration such as ``bigru-l2``.
    overrides : iterable of str
        ``KEY=VALUE`` pairs, keys dotted (``training.epochs=5``), values in YAML.
    project_file : Path, optional
        Read first where it exists, else the ``data`` section of :data:`HOME_FILE`; None ignores
        both.
    default : str, optional
        Shipped configuration that stands below ``project_file`` where ``source`` is left out.

    Raises
    ------
    ConfigError
        For a missing file, YAML that does not parse, an unknown key or a wrong value.
    """
    tree: dict[str, Any] = {}
    origin = "the defaults"
    if source is None and default is not None:
        tree = _read_yaml(find_config(default))
    if project_file is not None and project_file.is_file():
        tree, origin = _merge(tree, _read_yaml(project_file)), str(project_file)
    elif project_file is not None and HOME_FILE.is_file():
        tree, origin = _merge(tree, {"data": _read_yaml(HOME_FILE).get("data", {})}), str(HOME_FILE)
    if source is not None:
        path = find_config(source)
        tree, origin = _merge(tree, {"name": path.stem} | _read_yaml(path)), str(path)
    overrides = tuple(overrides)
    for override in overrides:
        tree = _merge(tree, _parse_override(override))
    return _validate(tree, origin, {override.partition("=")[0].strip() for override in overrides})


def parse_config(text: str, origin: str) -> Config:
    """Validate YAML text, as written by :meth:`Config.dump`, read from ``origin``; old names are taken as new ones."""
    return _validate(
        with_new_names(_sections(parse_yaml(text, origin, refuse=ConfigError), origin), origin)[0], origin
    )


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
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parents[1] / "configs"):
        if folder.is_dir():
            paths = sorted(folder.rglob("*.yaml"))
            return {str(path.relative_to(folder).with_suffix("")): path for path in paths}
    return {}


def _read_yaml(path: Path) -> dict[str, Any]:
    content = read_yaml(path, refuse=ConfigError)
    tree = _with_new_names(_sections(content, str(path)), str(path))
    data = tree.get("data")
    if isinstance(data, dict):
        tree["data"] = {key: _beside(path, key, value) for key, value in data.items()}
    return tree


def _beside(path: Path, key: str, value: Any) -> Any:
    return str(path.parent / value) if isinstance(value, str) and key in PATHS else value


def _with_new_names(tree: dict[str, Any], origin: str) -> dict[str, Any]:
    made, told = with_new_names(tree, origin)
    for sentence in told:
        warnings.warn(sentence, RenamedSetting, stacklevel=2)
    return made


def _sections(tree: Any, origin: str) -> dict[str, Any]:
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{origin} must hold sections such as 'training:', not a {type(tree).__name__}.")
    return tree


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override!r} is not KEY=VALUE.", "Example: --set training.epochs=5.")
    value = parse_yaml(text, f"The value of --set {key}", refuse=ConfigError, advice="Quote it.")
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return _with_new_names(dict(value), "--set")


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
