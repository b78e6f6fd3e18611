"""Layers of a configuration: what each file and each option sets, and how one lies on another."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from rbztf.config.aliases import RenamedSetting, with_new_names
from rbztf.config.sections import Config
from rbztf.config.shipped import find_config
from rbztf.errors import ConfigError
from rbztf.yamltext import parse_yaml, read_yaml

Tree = dict[str, Any]
Kind = Literal["shared", "named", "option"]
PATHS = ("embeddings", "labels", "features", "ordinary", "cutouts", "model")
"""Settings of the ``data`` section that are paths, relative to the file that names them."""
LONGEST_SHOWN = 60
"""Characters of a strange key that messages show."""


@dataclass(frozen=True)
class Layer:
    """What one file or one option sets.

    Attributes
    ----------
    origin : str
        The path of the file, ``--set KEY``, or the name of the option.
    tree : dict
        Sections and their settings, under their present names.
    kind : {"shared", "named", "option"}
        A file that serves all commands, a file that was named for this one, or an option.
    """

    origin: str
    tree: Tree
    kind: Kind = "shared"

    def depth(self, path: Sequence[str]) -> int:
        """How many parts of ``path``, from its beginning, are found in this layer."""
        place: Any = self.tree
        for number, part in enumerate(path):
            if not isinstance(place, dict) or part not in place:
                return number
            place = place[part]
        return len(path)

    def leaves(self) -> Iterator[tuple[str, Any]]:
        """Every setting and its value, the parts of its name joined by dots."""
        yield from _leaves(self.tree, "")


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def file_layers(path: Path, kind: Kind = "shared") -> list[Layer]:
    """What a file sets, after what the files set that it extends, the first of them first.

    Raises
    ------
    ConfigError
        For a file that cannot be read, extends one that is not there, or extends itself.
    """
    layers: list[Layer] = []
    chain: list[Path] = []
    while True:
        if path.resolve() in chain:
            raise ConfigError(f"{chain[-1]} extends {path}, which extends it in turn.", "Break the circle.")
        chain.append(path.resolve())
        tree = read_file(path)
        base = tree.pop("extends", None)
        name = {"name": path.stem} if kind == "named" and not layers else {}
        layers.insert(0, Layer(str(path), name | tree, kind))
        if base is None:
            return layers
        if not isinstance(base, str):
            raise ConfigError(
                f"'extends' ({path}) is {shown(base)}, which is not the name of a configuration.",
                "Name one, or give a path relative to that file.",
            )
        try:
            path = find_config(base, path.parent)
        except ConfigError as error:
            raise ConfigError(f"{path} extends {shown(base)}, which is not there.", error.next_step) from None


def read_file(path: Path) -> Tree:
    """What a file holds, its paths relative to the current folder and its settings under their present names."""
    tree = _tell(*with_new_names(sections(read_yaml(path, refuse=ConfigError), str(path)), str(path)))
    data = tree.get("data")
    if isinstance(data, dict):
        tree["data"] = {key: _beside(path, key, value) for key, value in data.items()}
    return tree


def _beside(path: Path, key: str, value: Any) -> Any:
    return os.path.normpath(path.parent / value) if isinstance(value, str) and key in PATHS else value


def sections(content: Any, origin: str) -> Tree:
    """The sections that YAML text holds; one without any setting counts as left out."""
    if content is None:
        return {}
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise ConfigError(f"{origin} must hold sections such as 'training:', not a {kind}.")
    optional = {name for name, field in Config.model_fields.items() if field.default is None}
    return {key: value for key, value in content.items() if value is not None or key in optional}


def option_layers(overrides: Iterable[str], options: Mapping[str, Any]) -> list[Layer]:
    """One layer for each ``KEY=VALUE`` of ``--set``, then one for each of ``options``, which maps keys to values.

    Raises
    ------
    ConfigError
        For what is not ``KEY=VALUE``.
    """
    layers = [_set_layer(override) for override in overrides]
    for key, value in options.items():
        option = OPTIONS.get(key, f"--{key.rpartition('.')[2].replace('_', '-')}")
        layers.append(Layer(option, _nested(key, value), "option"))
    return layers


OPTIONS = {"data.cutouts": "--data"}
"""Options that are not called as the setting is."""


def _set_layer(override: str) -> Layer:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"--set {override!r} is not KEY=VALUE.", "Example: --set training.epochs=5.")
    if key == "extends":
        raise ConfigError("--set cannot extend a configuration.", "Name it: --config NAME.")
    value = parse_yaml(text, f"The value of --set {key}", refuse=ConfigError, advice="Quote it.")
    return Layer(f"--set {key}", _tell(*with_new_names(_nested(key, value), "--set")), "option")


def _nested(key: str, value: Any) -> Tree:
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _tell(tree: Tree, told: Sequence[str]) -> Tree:
    for sentence in told:
        warnings.warn(sentence, RenamedSetting, stacklevel=2)
    return tree


def flatten(layers: Sequence[Layer]) -> Tree:
    """Layers laid one on the other, the first at the bottom: a later value of the same setting counts."""
    return reduce(lay_on, layers, {})


def lay_on(tree: Tree, layer: Layer) -> Tree:
    """``tree`` with what a layer sets; a member set to null is left out.

    Raises
    ------
    ConfigError
        If a member is left out that is not there.
    """
    merged = merge(tree, layer.tree)
    below, members = members_of(tree), members_of(merged)
    gone = [name for name, member in members.items() if member is None]
    if not gone:
        return merged
    for name in gone:
        if name not in below:
            raise ConfigError(
                f"'ensemble.members.{printable(name)}' ({layer.origin}) leaves out a member that is not there.",
                nearest(str(name), below, "Members: {}."),
            )
    kept = {name: member for name, member in members.items() if member is not None}
    return {**merged, "ensemble": {**merged["ensemble"], "members": kept}}


def members_of(tree: Mapping[str, Any]) -> Tree:
    """The members of the ensemble, as they are written; none if there is none."""
    ensemble = tree.get("ensemble")
    members = ensemble.get("members") if isinstance(ensemble, dict) else None
    return members if isinstance(members, dict) else {}


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> Tree:
    """Two trees as one; where both have a value, that of ``top`` counts."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def nearest(name: str, known: Iterable[str], otherwise: str, prefix: str = "") -> str:
    """Advice for an unknown name: the nearest known one, else all of them, put into ``otherwise``."""
    names = [str(each) for each in known]
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean '{prefix}{near[0]}'?" if near else otherwise.format(", ".join(names))


def printable(key: object) -> str:
    """A key as messages show it: without control characters, and of bounded length."""
    text = str(key)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def shown(value: object) -> str:
    """A value as messages show it."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        text = "a very large integer"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
