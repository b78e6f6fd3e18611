"""Where a configuration comes from: defaults, YAML files, ``--set``.

Later sources win: built-in defaults; the shipped configuration of the verb, where none is named;
the ``data`` section of what was imported into the user's cache; ``./rbztf.yaml``; ``--config`` (a
file, or the name of a shipped one, each after the one that it extends); ``--set KEY=VALUE``; other
options. Paths in a ``data:`` section are relative to the file that names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path
from pydantic import BaseModel, ValidationError

from rbztf.config.aliases import with_new_names
from rbztf.config.layers import (
    Layer,
    Tree,
    file_layers,
    flatten,
    lay_on,
    members_of,
    merge,
    nearest,
    option_layers,
    printable,
    read_file,
    sections,
    shown,
)
from rbztf.config.sections import MEMBER_KINDS, Config
from rbztf.config.shipped import find_config
from rbztf.errors import ConfigError
from rbztf.yamltext import parse_yaml

PROJECT_FILE = Path("rbztf.yaml")
HOME_FILE = user_cache_path("rbztf") / "published" / "rbztf.yaml"
"""Names the data and the model that were imported; ``rbztf import`` writes it."""
TRAINED_ON = ("embeddings", "features", "labels")
"""Settings of the ``data`` section that belong together: a project that names one has its own objects."""
_STAND_IN = {"stand-in": {"kind": "trees"}}


@dataclass(frozen=True)
class Resolved:
    """A configuration, and what each file and option sets of it, the first at the bottom."""

    config: Config
    layers: tuple[Layer, ...]


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
        Read first where it exists, on top of the ``data`` section of :data:`HOME_FILE`; None
        ignores both.
    default : str, optional
        Shipped configuration that stands below ``project_file`` where ``source`` is left out.

    Raises
    ------
    ConfigError
        For a missing file, YAML that does not parse, an unknown key or a wrong value, and for
        settings of an ensemble that has no members.

    Warns
    -----
    RenamedSetting
        For a setting given by its old name.
    """
    resolved = resolve_config(source, overrides, project_file=project_file, default=default)
    for layer in resolved.layers:
        if layer.kind != "shared" and resolved.config.ensemble is None and layer.tree.get("ensemble"):
            key = next(key for key, _ in layer.leaves() if key.startswith("ensemble"))
            raise ConfigError(
                f"'{key}' ({layer.origin}) has no effect on a single network.",
                "An ensemble has members: take default, or name them in ensemble.members.",
            )
    return resolved.config


def resolve_config(
    source: Path | str | None = None,
    overrides: Iterable[str] = (),
    *,
    options: Mapping[str, Any] | None = None,
    project_file: Path | None = PROJECT_FILE,
    default: str | None = None,
) -> Resolved:
    """As :func:`load_config`, with what each file and option sets, for :mod:`rbztf.config.usage`.

    Parameters
    ----------
    options : mapping, optional
        Values of further options by the name of the setting; they come last.
    """
    files: list[list[Layer]] = []
    if source is None and default is not None:
        files.append(file_layers(find_config(default)))
    path = find_config(source) if source is not None else None
    if project_file is not None:
        files += _shared(project_file, path)
    if path is not None:
        files.append(file_layers(path, "named"))
    tree: Tree = {}
    for layers in files:
        tree = _put(tree, flatten(layers), replaces=layers[-1].kind == "named")
    given = option_layers(overrides, options or {})
    for layer in given:
        tree = lay_on(tree, layer)
    every = tuple(layer for layers in [*files, given] for layer in layers)
    return Resolved(_validate(tree, every), every)


def parse_config(text: str, origin: str) -> Config:
    """Validate YAML text, as written by :meth:`Config.dump`, read from ``origin``; old names are taken as new ones."""
    content = sections(parse_yaml(text, origin, refuse=ConfigError), origin)
    tree, _ = with_new_names(content, origin)
    return _validate(tree, [Layer(origin, tree)])


def _shared(project_file: Path, named: Path | None) -> list[list[Layer]]:
    """What holds for every command: the user's cache and the project's file."""
    home: Tree = read_file(HOME_FILE).get("data", {}) if HOME_FILE.is_file() else {}
    project: Tree = {}
    if project_file.is_file() and not (named and named.resolve() == project_file.resolve()):
        project = read_file(project_file)
    if "extends" in project:
        raise ConfigError(
            f"{project_file} holds for every verb, so it cannot extend a configuration.",
            "Write 'extends' into a file of its own, and name that: --config FILE.",
        )
    own = project.get("data")
    if isinstance(home, dict) and isinstance(own, dict) and any(key in own for key in TRAINED_ON):
        home = {key: value for key, value in home.items() if key not in TRAINED_ON}
    layers = [Layer(str(HOME_FILE), {"data": home} if home else {}), Layer(str(project_file), project)]
    return [[layer] for layer in layers if layer.tree]


def _put(tree: Tree, top: Tree, *, replaces: bool) -> Tree:
    """``tree`` with a file's settings. A model is not mixed from two files, unless one extends the other.

    Members of the file stand in place of those below. If it describes a single network and was
    named (``replaces``), an ensemble below is left out.
    """
    ensemble = tree.get("ensemble")
    if replaces and "classifier" in top and "ensemble" not in top:
        tree = {key: value for key, value in tree.items() if key != "ensemble"}
    elif isinstance(ensemble, dict) and members_of(top):
        tree = {**tree, "ensemble": {key: value for key, value in ensemble.items() if key != "members"}}
    return merge(tree, top)


def _validate(tree: Tree, layers: Sequence[Layer]) -> Config:
    ensemble = tree.get("ensemble")
    if not isinstance(ensemble, dict) or "members" in ensemble:
        return _checked(tree, layers)
    # settings of ensembles for other commands; checked all the same
    config = _checked({**tree, "ensemble": {**ensemble, "members": _STAND_IN}}, layers)
    return config.model_copy(update={"ensemble": None})


def _checked(tree: Tree, layers: Sequence[Layer]) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    path = [str(part) for part in first["loc"]]
    if path[:2] == ["ensemble", "members"]:
        path[3:4] = []  # pydantic names the kind of the member there
    where = ".".join(map(printable, path))
    origin = _holder(layers, path)
    if first["type"] == "extra_forbidden":
        raise ConfigError(f"Unknown key '{where}' in the configuration ({origin}).", _near(path, tree))
    if first["type"] == "union_tag_not_found" and len(path) == 3:
        others = [name for name in members_of(tree) if name != path[2]]
        raise ConfigError(
            f"'{where}' in the configuration ({origin}) has no kind, and there is no such member to change.",
            nearest(path[2], others, "Members: {}; a new one needs a kind, network or trees."),
        )
    problem = first["msg"].removeprefix("Value error, ")
    problem = problem[0].lower() + problem[1:]
    raise ConfigError(
        f"'{where}' in the configuration ({origin}) is {shown(first['input'])}: {problem}.",
        "Correct the value.",
    )


def _holder(layers: Sequence[Layer], path: Sequence[str]) -> str:
    """The place that set ``path``, or most of it; of several the last, whose value counts."""
    return max(reversed(layers), key=lambda layer: layer.depth(path)).origin if layers else "the defaults"


def _near(path: Sequence[str], tree: Tree) -> str:
    """Advice for an unknown key: its nearest sibling, else the same name in another section."""
    model: type[BaseModel] = Config
    for part in path[:-1]:
        model = _section(model, part) or model
    of_member = path[:2] == ["ensemble", "members"] and len(path) > 3
    if of_member:
        model = MEMBER_KINDS[members_of(tree)[path[2]]["kind"]]
    prefix = "".join(f"{printable(part)}." for part in path[:-1])
    found = nearest(path[-1], model.model_fields, "", prefix)
    for name in Config.model_fields if not found and not of_member else ():
        section = _section(Config, name)
        if section and path[-1] in section.model_fields:
            return f"Did you mean '{name}.{path[-1]}'?"
    return found or f"Valid names there: {', '.join(model.model_fields)}."


def _section(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    found = model.model_fields[name].annotation if name in model.model_fields else None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None
