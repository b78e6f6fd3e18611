"""``rbztf doctor``: report versions, device, extras, and the model and data that would be used."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from rbztf._version import __version__
from rbztf.config import HOME_FILE, PROJECT_FILE, Config, load_config
from rbztf.config.load import resolve_config
from rbztf.errors import RbztfError
from rbztf.verbs.fetch import DEFAULT_OUT
from rbztf.wording import counted

PACKAGES = ("torch", "numpy", "astropy", "astroquery", "scikit-learn", "lightgbm")
EXTRAS = {
    "light-curve": ("light_curve", "light-curve features of new objects: pip install 'rbztf[lightcurve]'"),
    "pyarrow": ("pyarrow", "Parquet: pip install 'rbztf[parquet]'"),
}
"""Optional packages: the module of each, and what it is for."""
LONGEST_ANSWER_S, LONGEST_ANSWER_BYTES = 10.0, 100_000
"""What the archive may take for a sign of life."""
DOWN = (500, 502, 503, 504)
"""HTTP statuses of a server that works for nobody; others, such as 501 to a HEAD, are a sign of life."""
LOW_DISK_BYTES = 5e9
"""Free space below which the disk is named as a problem: some 2,000 objects of 400 frames."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    topic, what, value : str
    problem : str
        What is wrong and what to do about it; empty if nothing is.
    """

    topic: str
    what: str
    value: str
    problem: str = ""


def doctor(
    config: Config | None = None, *, online: bool = False, archive_url: str | None = None
) -> list[Finding]:
    """Look at the installation, and at what a verb called in this folder would use.

    Parameters
    ----------
    config : Config, optional
        That of this folder if left out.
    online : bool
        Whether to ask the archive for a sign of life, which is one small request.
    """
    config = config or load_config()
    found = [*_versions(), _device(config), *_extras(), *_configuration(), *_data(config), _model(config)]
    found.append(_disk())
    if online:
        found.append(_archive(archive_url))
    return found


def _versions() -> Iterator[Finding]:
    yield Finding("version", "rbztf", __version__)
    yield Finding(
        "version", "Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    for name in PACKAGES:
        try:
            yield Finding("version", name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding("version", name, "not installed", "Install rbztf again: pip install rbztf.")


def _device(config: Config) -> Finding:
    import torch

    from rbztf.models.training import choose_device

    try:
        device = choose_device(config.device)
    except RbztfError as error:
        return Finding("device", config.device, "not there", str(error))
    if device.type == "cuda":
        return Finding("device", config.device, f"{device}, {torch.cuda.get_device_name(device)}")
    return Finding("device", config.device, f"{device}, {torch.get_num_threads()} threads")


def _extras() -> Iterator[Finding]:
    for name, (module, use) in EXTRAS.items():
        there = find_spec(module) is not None
        yield Finding("extra", name, metadata.version(name) if there else f"not installed; for {use}")


def _configuration() -> Iterator[Finding]:
    for what, path in (("in this folder", PROJECT_FILE), ("in the user's cache", HOME_FILE)):
        yield Finding("configuration", what, str(path) if path.is_file() else f"none ({path})")


def _data(config: Config) -> Iterator[Finding]:
    for name in ("cutouts", "embeddings", "features", "labels"):
        path: Path | None = getattr(config.data, name)
        if path is None and name == "cutouts":
            path = DEFAULT_OUT
            if not path.exists():
                yield Finding("data", name, f"{path}, which fetch will make")
                continue
        if path is None:
            yield Finding("data", name, f"none named (data.{name})")
        elif path.exists():
            yield Finding("data", name, f"{path}, {_size(path)}, named by {_named_by(name)}")
        else:
            yield Finding(
                "data",
                name,
                str(path),
                f"It is named by {_named_by(name)} but is not there: correct the path.",
            )


def _model(config: Config) -> Finding:
    from rbztf.models.catalogue import list_models
    from rbztf.verbs.paths import locate_model

    try:
        path = locate_model(None, config)
    except RbztfError as error:
        return Finding("model", "predict uses", str(config.data.model), str(error))
    why = (
        f"named by {_named_by('model')}"
        if config.data.model
        else "it comes with rbztf; nothing else is named"
    )
    if not path.is_dir():
        return Finding("model", "predict uses", str(path), "It is not there: rbztf models lists what is.")
    auc = {entry.path.resolve(): entry.auc for entry in list_models()}.get(path.resolve(), {})
    figures = "".join(f", inner AUC {value:.3f} ({inputs})" for inputs, value in auc.items())
    return Finding("model", "predict uses", f"{path}{figures}: {why}")


def _named_by(key: str) -> str:
    """The file whose ``data`` section names ``key``."""
    for layer in reversed(resolve_config().layers):
        if layer.depth(("data", key)) == 2:
            return layer.origin
    return "the configuration"


def _size(path: Path) -> str:
    if path.is_file():
        return f"{path.stat().st_size / 1e6:.1f} MB"
    files = [entry for entry in path.iterdir() if entry.is_file()]
    return f"{counted(len(files), 'file')}, {sum(entry.stat().st_size for entry in files) / 1e6:.1f} MB"


def _disk() -> Finding:
    free = shutil.disk_usage(Path()).free
    problem = "" if free >= LOW_DISK_BYTES else "Little is free; 1,000 objects of 400 frames take 1.3 GB."
    return Finding("disk", "free here", f"{free / 1e9:.1f} GB", problem)


def _archive(archive_url: str | None) -> Finding:
    from rbztf.archive.irsa import ARCHIVE_URL

    url = archive_url or ARCHIVE_URL
    problem = sign_of_life(url)
    return Finding("archive", url, "does not answer" if problem else "answers", problem)


def sign_of_life(url: str) -> str:
    """Why an archive cannot be reached; empty if it answers."""
    import requests

    from rbztf.connections import limited, limited_session, reason_of

    try:
        with limited(LONGEST_ANSWER_S, LONGEST_ANSWER_BYTES), limited_session(1) as session:
            status = session.head(url, timeout=LONGEST_ANSWER_S, allow_redirects=False).status_code
    except (OSError, requests.RequestException) as error:
        return f"It cannot be reached: {reason_of(error)}."
    return f"It answers with HTTP status {status}: try again later." if status in DOWN else ""
