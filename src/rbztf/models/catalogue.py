"""Which models there are: shipped with rbztf, imported into the user's cache, trained in the working folder."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rbztf.config import HOME_FILE
from rbztf.errors import InputError, RbztfError, UsageError
from rbztf.models.bundle import METADATA, read_metadata

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Models that come with the package, one folder each."""
SHIPPED_DEFAULT = "lightcurve"
"""The shipped model that is used where none is named, imported or trained."""
KINDS = ("ensemble", "classifier", "encoder")
DEPTH = 3
"""Folders below the working folder that are searched for models."""


@dataclass(frozen=True)
class ModelEntry:
    """A model folder.

    Attributes
    ----------
    name : str
        What ``--model`` takes.
    origin : str
        ``shipped``, ``imported`` (in the user's cache) or ``here`` (below the working folder).
    kind : str
        ``ensemble``, ``classifier`` (one network) or ``encoder``.
    path : Path
    auc : dict of str to float
        ROC-AUC on inner folds, by what a score rests on; empty where the model does not say.
    prior : float or None
        Share of artefacts among its training objects.
    notes : dict
        What its card says.
    """

    name: str
    origin: str
    kind: str
    path: Path
    auc: dict[str, float] = field(default_factory=dict)
    prior: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def list_models(folder: Path = Path()) -> list[ModelEntry]:
    """Every model that ``--model`` can name: shipped, imported, and below ``folder``.

    A name that stands twice means the first in this order: below ``folder``, imported, shipped.
    """
    places = [
        (("here", path, str(path)) for path in _below(folder)),
        (("imported", path, str(path.relative_to(HOME_FILE.parent))) for path in _below(HOME_FILE.parent)),
        (("shipped", path, path.name) for path in _below(SHIPPED)),
    ]
    entries: dict[str, ModelEntry] = {}
    for origin, path, name in (found for place in places for found in place):
        entry = _describe(name, origin, path)
        if entry is not None:
            entries.setdefault(name, entry)
    return list(entries.values())


def find_model(name: Path | str) -> Path:
    """The folder of a model: a path, or a name from :func:`list_models`.

    Raises
    ------
    UsageError
        If there is none; it names the nearest, and how to get one.
    """
    path = Path(name)
    if path.exists():
        return path
    known = {entry.name: entry.path for entry in list_models()}
    if str(name) in known:
        return known[str(name)]
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"Did you mean {near[0]}?" if near else "See what there is: rbztf models."
    raise UsageError(f"There is no model {name}.", hint)


def title(folder: Path | str) -> str:
    """How a model is called on the screen: its folder, or ``NAME (shipped)``."""
    path = Path(folder)
    return f"{path.name} (shipped)" if path.resolve().parent == SHIPPED.resolve() else str(folder)


def shipped_model() -> Path:
    """The folder of the model that comes with the package."""
    return SHIPPED / SHIPPED_DEFAULT


def _below(folder: Path) -> Iterator[Path]:
    """Model folders at most :data:`DEPTH` folders down, hidden ones left out, none inside another."""
    patterns = ["/".join(["*"] * depth + [METADATA]) for depth in range(1, DEPTH + 1)]
    found: list[Path] = []
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            parts = path.parent.relative_to(folder).parts
            if not any(part.startswith(".") for part in parts) and not any(
                path.is_relative_to(outer) for outer in found
            ):
                found.append(path.parent)
    yield from found


def _describe(name: str, origin: str, path: Path) -> ModelEntry | None:
    """None for a folder whose ``model.yaml`` is not one of ours."""
    try:
        content = read_metadata(path, *KINDS)
    except (InputError, RbztfError):
        return None
    auc = {
        "+".join(entry["inputs"]): float(entry["inner_auc"])
        for entry in content.get("combinations", ())
        if "inner_auc" in entry
    }
    return ModelEntry(
        name, origin, content["kind"], path, auc, content.get("prior"), dict(content.get("notes") or {})
    )
