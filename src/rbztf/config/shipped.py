"""The configurations that come with rbztf, and the file that a name or a path means."""

from __future__ import annotations

import difflib
from pathlib import Path

from rbztf.errors import ConfigError

DEFAULT_CLASSIFIER = "default"
DEFAULT_VAE = "vae"
"""Shipped configurations that train-rnn and cv, and train-vae, use when none is named."""


def find_config(source: Path | str, folder: Path | None = None) -> Path:
    """The file that ``source`` means: a path, relative to ``folder``, or the name of a shipped configuration.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    path = (folder or Path()) / source
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
