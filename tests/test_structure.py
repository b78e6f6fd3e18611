"""The shape of the house: which way imports point, what is loaded when, what help says."""

from __future__ import annotations

import ast
import pydoc
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from helpers import ROOT, run_well

import rbztf
from rbztf.cli.app import VERBS
from rbztf.config import load_config, shipped_configs

SOURCE = ROOT / "src" / "rbztf"
LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "_version errors progress times ztf files connections tables locks wording"
        " textfiles csvfiles yamltext parallel",
        "formats figures",
        "frames",
        "config",
        "stores",
        "archive",
        "features",
        "simulate",
        "models",
        "evaluation prediction",
        "plots",
        "reporting",
        "verbs lsdb",
        "cli",
        "__main__",
    )
)
"""What may be imported: what stands in the same line or above. Within a line there are no circles either."""
ONLY_CLI = ("typer", "rich", "click")
"""Packages that the command line alone may import."""
MOST_FILES = 15
"""In one folder of the source; ``cli`` and ``verbs`` have one file a verb."""


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def part_of(path: Path) -> str:
    inside = path.relative_to(SOURCE).with_suffix("")
    return inside.parts[0]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports, wherever in it, and whether for type checking alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module), id(node) in typing_only


def module_name(path: Path) -> str:
    name = ".".join(("rbztf", *path.relative_to(SOURCE).with_suffix("").parts))
    return name.removesuffix(".__init__")


@cache
def import_graph() -> dict[str, set[str]]:
    """Modules of rbztf that each module imports, late imports and those for types included.

    The package's own ``__init__``, which names the public functions, is left out.
    """
    names = {module_name(path) for path in modules()} - {"rbztf"}
    graph = {}
    for path in modules():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                found |= {name if name in names else str(node.module) for name in full}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        graph[module_name(path)] = found & names
    del graph["rbztf"]
    return graph


def test_every_module_has_a_place() -> None:
    parts = {part_of(path) for path in modules()} - {"__init__"}
    assert parts == frozenset().union(*LAYERS)


def rank(module: str) -> int:
    part = module.split(".")[1]
    return next(i for i, names in enumerate(LAYERS) if part in names)


@pytest.mark.parametrize("module", sorted(import_graph()))
def test_imports_point_one_way(module: str) -> None:
    for other in import_graph()[module]:
        assert rank(other) <= rank(module), f"{module} imports {other}"


def test_there_are_no_circles() -> None:
    sorter = TopologicalSorter(import_graph())
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(f"circle of imports: {' → '.join(error.args[1])}")


def test_folders_are_small() -> None:
    counts = Counter(path.parent for path in modules() if path.name != "__init__.py")
    for folder, count in counts.items():
        if folder.name not in ("cli", "verbs"):
            assert count <= MOST_FILES, f"{folder} has {count} files"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_command_line_knows_typer_and_rich(path: Path) -> None:
    used = {name.partition(".")[0] for name, _ in imports(path)}
    assert "click" not in used  # recent typer carries its own
    if part_of(path) != "cli":
        assert not used & {*ONLY_CLI}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_library_neither_prints_nor_exits(path: Path) -> None:
    if part_of(path) == "cli":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "exit", "quit", "sys.exit"), f"{path}:{node.lineno} {called}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path}:{node.lineno} bare except"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), path
    assert text.count("\n") <= 320, path


def loaded_by(code: str, environment: dict[str, str]) -> set[str]:
    """Top-level packages in memory after ``code`` has run in a fresh process."""
    script = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


HELP = """
from typer.testing import CliRunner
from rbztf.cli.app import app
assert CliRunner().invoke(app, {arguments}).exit_code == 0
"""


@pytest.mark.parametrize(
    "code",
    [
        "import rbztf; rbztf.open_embeddings, rbztf.open_cutouts, rbztf.load_config, rbztf.Oid",
        HELP.format(arguments=["--help"]),
        HELP.format(arguments=["fetch", "--help"]),
        HELP.format(arguments=["predict", "--help"]),
        HELP.format(arguments=["--version"]),
        "import rbztf.verbs.fetch",
    ],
)
def test_torch_is_loaded_only_where_it_is_used(code: str, environment: dict[str, str]) -> None:
    loaded = loaded_by(code, environment)
    assert "rbztf" in loaded
    assert not loaded & {"torch", "sklearn", "matplotlib", "pyarrow", "scipy"}


def test_scores_load_no_package_that_training_or_extras_need(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """LightGBM alone takes seconds to import, since it looks for pandas, scikit-learn and Dask."""
    table = tmp_path / "features.csv"
    code = f"""
from rbztf.features.files import write_features
from rbztf.simulate.ordinary.table import ordinary_features
import rbztf
write_features({str(table)!r}, ordinary_features(20, 0))
assert len(rbztf.predict(features={str(table)!r}).objects) == 20
"""
    loaded = loaded_by(code, environment)
    assert "torch" in loaded
    assert not loaded & {"lightgbm", "sklearn", "pandas", "pyarrow", "dask", "distributed", "lsdb", "onnx"}


def test_help_loads_little(environment: dict[str, str]) -> None:
    loaded = loaded_by(HELP.format(arguments=["--help"]), environment)
    assert not loaded & {"torch", "astropy", "pandas", "sklearn", "matplotlib", "astroquery"}


def verbs() -> list[str]:
    from rbztf.cli.app import app

    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    return [name.replace("_", "-") for name in names]


def test_the_verbs_of_this_issue_are_there() -> None:
    assert {"import", "embed", "predict", "cv"} <= set(verbs())


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_s_help_has_an_example(verb: str) -> None:
    text = run_well(verb, "--help").stdout
    assert f"Example:  rbztf {verb}" in text
    assert "--json" in text


def test_help_lists_every_verb() -> None:
    text = run_well("--help").stdout
    assert all(f" {verb} " in text for verb in verbs())
    assert "--install-completion" in text


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_every_shipped_configuration_loads(name: str) -> None:
    config = load_config(name, project_file=None)
    assert config.name == name
    assert (ROOT / "configs" / f"{name}.yaml").read_bytes() == shipped_configs()[name].read_bytes()


def test_the_public_names_exist() -> None:
    for name in dir(rbztf):
        assert getattr(rbztf, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        rbztf.nonsense  # noqa: B018
    about = str(rbztf.__doc__)
    assert all(re.search(rf"\b{name}\b", about) for name in set(dir(rbztf)) - {"__version__"})
    assert all(f"\n    {verb} " in about for verb, _, _ in VERBS)


def test_help_on_the_package_fits_a_few_screens() -> None:
    assert len(pydoc.render_doc(rbztf).splitlines()) < 90
