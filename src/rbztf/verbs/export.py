"""``rbztf export``: a model as files of ONNX."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rbztf._version import __version__
from rbztf.errors import UsageError
from rbztf.files import is_taken, whole_folder, write_bytes, write_text
from rbztf.models.bundle import METADATA, read_metadata
from rbztf.models.catalogue import KINDS, find_model, title
from rbztf.models.load import load_any
from rbztf.models.onnx.write import Exported, export_model

DESCRIPTION = "export.yaml"
DEFAULT_OUT = Path("onnx")
SCHEMA = 1


@dataclass(frozen=True)
class ExportResult:
    """What ``export`` did.

    Attributes
    ----------
    out : Path
    model : str
    files : dict of str to str
        What each file holds.
    """

    out: Path
    model: str
    files: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """As printed by ``export --json``."""
        return {"out": str(self.out), "model": self.model, "files": self.files}


def export(model: Path | str, out: Path | str | None = None) -> ExportResult:
    """Write a model as ONNX, for scoring without rbztf.

    Parameters
    ----------
    model : path or str
        An encoder, a classifier or an ensemble; a folder, or a name from :func:`rbztf.list_models`.
    out : path, optional
        Folder to write, ``onnx`` if not given. It appears whole, in the place of an earlier export, or not at all.
        Its ``export.yaml`` says what goes into each file and comes out, and how the members make a score.

    Raises
    ------
    UsageError, InputError
        If there is no such model, it cannot be exported, ``onnx`` is not installed, or ``out`` holds something else.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise UsageError("export needs onnx.", 'Install it: pip install "rbztf[onnx]".') from None
    target = Path(out) if out is not None else DEFAULT_OUT
    if is_taken(target, DESCRIPTION):
        raise UsageError(f"{target} exists and is not an export.", "Choose another --out.")
    folder = find_model(model)
    kind = read_metadata(folder, *KINDS)["kind"]
    exported = export_model(load_any(folder))
    source = {"name": title(folder), "kind": kind, "sha256": _hash(folder)}
    with whole_folder(target) as part:
        _write(part, exported, source)
    return ExportResult(
        target, title(folder), {name: entry["about"] for name, entry in exported.files.items()}
    )


def _write(folder: Path, exported: Exported, source: dict[str, str]) -> None:
    from onnx import helper

    for name, made in exported.models.items():
        known = {"rbztf": __version__, "source": source["name"], "source_sha256": source["sha256"]}
        if "normaliser" in exported.files[name]:
            known["normaliser"] = yaml.safe_dump(exported.files[name]["normaliser"], sort_keys=False)
        helper.set_model_props(made, known)
        made.producer_name, made.producer_version = "rbztf", __version__
        write_bytes(folder / name, made.SerializeToString())
    content = {"schema": SCHEMA, "rbztf": __version__, "source": source, "files": exported.files}
    text = yaml.safe_dump(content | exported.more, sort_keys=False, allow_unicode=True, width=110)
    write_text(folder / DESCRIPTION, text)


def _hash(folder: Path) -> str:
    """Of ``model.yaml`` and all files of numbers below it, in the order of their names."""
    sums = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.name == METADATA or path.suffix in (".safetensors", ".txt")):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            sums.update(f"{digest}  {path.relative_to(folder).as_posix()}\n".encode())
    return sums.hexdigest()
