"""Every place that decodes foreign bytes is fuzzed by a case, or it is said here why not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from fuzz.cases import CASES

import rbztf

PACKAGE = Path(rbztf.__file__).parent
DECODERS = {
    "json": {"load", "loads"},
    "np": {"load", "fromfile", "loadtxt", "genfromtxt"},
    "numpy": {"load", "fromfile", "loadtxt", "genfromtxt"},
    "fits": {"open", "getdata", "getheader"},
    "zipfile": {"ZipFile"},
    "tarfile": {"open"},
    "torch": {"load", "jit"},
    "Table": {"read"},
    "parquet": {"read_table", "ParquetFile"},
    "lightgbm": {"Booster"},
    "csv": {"reader", "DictReader"},
    "yaml": {"load", "safe_load", "full_load", "unsafe_load"},
    "pickle": {"load", "loads"},
    "joblib": {"load"},
    "expat": {"ParserCreate"},
    "Image": {"open"},
}
"""Modules or classes, and their functions that decode what somebody else may have written."""
FUZZED = {
    "archive/download.py": "published files",
    "archive/images/cut_cache.py": "cut cache",
    "archive/journal.py": "journal",
    "archive/validate.py": "cutout",
    "csvfiles.py": "features.csv",
    "features/rows.py": "rows of features",
    "formats/fits_table.py": "features.fits",
    "formats/npy.py": "array.npy",
    "formats/parquet.py": "features.parquet",
    "formats/votable.py": "features.vot",
    "models/checkpoint.py": "checkpoint",
    "models/ensemble/network_member.py": "ensemble",
    "models/ensemble/trees_member.py": "ensemble",
    "models/rnn/published.py": "state dict",
    "prediction/part_tables.py": "notes of predictions",
    "prediction/parts.py": "parts of predictions",
    "reporting/sources.py": "predictions.parquet",
    "stores/fitsimages.py": "frame",
    "stores/object_file.py": "epochs",
    "stores/sealing.py": "sealing",
    "textfiles.py": "labels.json",
    "verbs/predict_hats.py": "stamp of a catalog",
}
"""Modules with such a call, and the case that goes through it."""
NOT_FOREIGN = {
    "archive/pinned_files.py": "one hash, compared with a known one; tests/archive has damaged answers",
    "models/bundle.py": "a header that was made a line before",
    "simulate/archive/realquadrant.py": "images that a developer chooses for the simulated archive",
}


def calls(path: Path) -> set[str]:
    """Decoders that a module calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value
        name = (
            owner.id
            if isinstance(owner, ast.Name)
            else owner.attr
            if isinstance(owner, ast.Attribute)
            else ""
        )
        if node.func.attr in DECODERS.get(name, ()):
            found.add(f"{name}.{node.func.attr}")
    return found


def test_every_decoder_is_fuzzed_or_excused() -> None:
    found = {str(path.relative_to(PACKAGE)): calls(path) for path in sorted(PACKAGE.rglob("*.py"))}
    found = {name: names for name, names in found.items() if names}
    assert set(found) == set(FUZZED) | set(NOT_FOREIGN), found
    assert not set(FUZZED.values()) - set(CASES)


@pytest.mark.parametrize(
    "line",
    [
        "json.loads(text)",
        "np.load(path)",
        "astropy.io.fits.open(path)",
        "pickle.load(f)",
        "pyarrow.parquet.read_table(p)",
    ],
)
def test_a_new_decoder_would_be_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(f"def read(text):\n    return {line}\n")
    assert calls(tmp_path / "new.py")
