"""The wheel and the source distribution: what they hold, and that one gives the other."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT

import rbztf


def build(root: Path, target: str, out: Path) -> Path:
    """Build a ``wheel`` or ``sdist`` of the project at ``root``, without network or isolation."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both, and the wheel that the source distribution gives."""
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("built")
    made = {target: build(ROOT, target, out / target) for target in ("wheel", "sdist")}
    with tarfile.open(made["sdist"]) as packed:
        packed.extractall(out / "source", filter="data")
    (root,) = (out / "source").iterdir()
    return {**made, "again": build(root, "wheel", out / "again")}


def content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_what_a_wheel_holds(built: dict[str, Path]) -> None:
    files = content(built["wheel"])
    package = {name for name in files if name.startswith("rbztf/")}
    source = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/rbztf").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    configs = {
        f"rbztf/configs/{path.relative_to(ROOT / 'configs').as_posix()}"
        for path in (ROOT / "configs").rglob("*")
        if path.is_file()
    }
    assert package == source | configs
    assert {"rbztf/py.typed", "rbztf/configs/default.yaml", "rbztf/cli/app.py"} <= package
    others = {name.split("/")[0] for name in files} - {"rbztf"}
    assert others == {f"rbztf-{rbztf.__version__}.dist-info"}
    metadata = f"rbztf-{rbztf.__version__}.dist-info"
    assert b"rbztf = rbztf.cli:main" in files[f"{metadata}/entry_points.txt"]
    assert f"{metadata}/licenses/LICENSE" in files


def test_the_source_distribution_gives_the_same_wheel(built: dict[str, Path]) -> None:
    assert content(built["again"]) == content(built["wheel"])
    with tarfile.open(built["sdist"]) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {"pyproject.toml", "tests/helpers.py", "docs/formats.md", "constraints.txt", "Makefile"} <= names
    assert not any(
        name.startswith((".", "data", "runs"))
        for name in names
        if name not in {".gitignore", ".pre-commit-config.yaml"}
    )


def test_a_wheel_works_where_it_is_unpacked(built: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(built["wheel"]) as packed:
        packed.extractall(tmp_path / "site")
    script = (
        "import rbztf; print(rbztf.__file__, rbztf.load_config('default').name, len(rbztf.list_models()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {script}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path / "site/rbztf/__init__.py default"))
