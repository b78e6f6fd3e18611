"""``rbztf configs``: shipped configurations, a resolved one, and how two differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbztf.config import Config, load_config, shipped_configs

OWN = ("name",)
"""Keys that always differ."""


@dataclass(frozen=True)
class ConfigEntry:
    """A shipped configuration.

    Attributes
    ----------
    name : str
    kind : str
        ``ensemble``, ``network`` or ``autoencoder``: what it trains.
    about : str
        The comment at the head of its file.
    path : Path
    """

    name: str
    kind: str
    about: str
    path: Path


@dataclass(frozen=True)
class Difference:
    """A key whose value differs between two configurations; None where one lacks it.

    Attributes
    ----------
    key : str
        With dots, as for ``--set``.
    first, second : object
    """

    key: str
    first: Any
    second: Any


def list_configs() -> list[ConfigEntry]:
    """Every configuration that comes with rbztf."""
    return [
        ConfigEntry(name, _kind(name, load_config(name, project_file=None)), _about(path), path)
        for name, path in shipped_configs().items()
    ]


def diff_configs(first: Config, second: Config) -> list[Difference]:
    """Keys in which two resolved configurations differ, their names aside."""
    one, other = (dict(_flat(config.model_dump(mode="json"))) for config in (first, second))
    return [
        Difference(key, one.get(key), other.get(key))
        for key in dict.fromkeys([*one, *other])
        if key not in OWN and one.get(key) != other.get(key)
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _kind(name: str, config: Config) -> str:
    if config.ensemble is not None:
        return "ensemble"
    return "autoencoder" if "vae" in name.rpartition("/")[2] else "network"


def _about(path: Path) -> str:
    """The comment lines at the head of a file, as one text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = []
    for line in lines:
        if not line.startswith("#"):
            break
        head.append(line.lstrip("# ").rstrip())
    return " ".join(head)
