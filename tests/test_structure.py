"""The shape of the house: which way imports point, what is loaded when, what help says."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import ROOT, run_well

import rbztf
from rbztf.config import load_config, shipped_configs

SOURCE = ROOT / "src" / "rbztf"
LAYERS = (
    "errors",
    "progress",
    "sky",
    "sections",
    "config",
    "archive",
    "frames",
    "models",
    "features",
    "evaluation",
    "report",
    "verbs",
    "cli",
)
ABOVE_ALL = ("__main__",)
BESIDE = ("simulate", "engine")
"""May use what lies below the models; the verbs and the command line may use them."""
ONLY_CLI = ("typer", "rich", "click")
"""Packages that the command line alone may import."""


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


def allowed(part: str) -> set[str]:
    """Parts of rbztf that ``part`` may import."""
    if part in ABOVE_ALL or part == "cli":
        return {*LAYERS, *BESIDE}
    if part in BESIDE:
        return {*LAYERS[: LAYERS.index("models")], part}
    rank = LAYERS.index(part)
    beside = {*BESIDE} if rank >= LAYERS.index("verbs") else {"engine"} if part == "evaluation" else set()
    return {*LAYERS[: rank + 1], *beside}


def test_every_module_has_a_place() -> None:
    parts = {part_of(path) for path in modules()} - {"__init__"}
    assert parts <= {*LAYERS, *BESIDE, *ABOVE_ALL}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    for name, for_types in imports(path):
        if name.partition(".")[0] != "rbztf" or name == "rbztf":
            continue
        other = name.split(".")[1]
        assert other in allowed(part) or (for_types and part == "report"), f"{path} imports {name}"


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
    assert (ROOT / "configs" / f"{name}.yaml").samefile(shipped_configs()[name])


def test_the_public_names_exist() -> None:
    for name in rbztf.__all__:
        assert getattr(rbztf, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        rbztf.nonsense  # noqa: B018
    assert set(rbztf.__all__) == set(dir(rbztf))
