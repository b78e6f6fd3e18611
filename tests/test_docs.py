"""The pages for developers name files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from helpers import ROOT

DEVELOPMENT = ROOT / "docs" / "development.md"
PAGES = (DEVELOPMENT, ROOT / "CONTRIBUTING.md")
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)\)")
FUNCTIONS = re.compile(r"`(\w+)`(?: and\s+`(\w+)`)?\s+\(\[[^\]]+\]\(([^)]+)\)")
"""One or two names, and after them in brackets the file that defines them."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target for target in LINK.findall(text) if "://" not in target]
    assert targets
    for target in targets:
        assert (page.parent / target).exists(), target


def test_functions_are_where_they_are_said_to_be() -> None:
    found = FUNCTIONS.findall(DEVELOPMENT.read_text(encoding="utf-8"))
    assert len(found) > 25
    for first, second, target in found:
        tree = ast.parse((DEVELOPMENT.parent / target).read_text(encoding="utf-8"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert {first, second} - {""} <= defined, (first, second, target)


def rows() -> list[list[str]]:
    """Cells of the table of changes."""
    section = (
        DEVELOPMENT.read_text(encoding="utf-8").partition("## Where to change what")[2].partition("## ")[0]
    )
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_nine_of_ten_changes_touch_two_files_at_most() -> None:
    assert len(rows()) == 10
    for change, files, _, _ in rows():
        named = [part for part in files.split(", ") if part]
        assert len(named) <= 2 or change == "another archive", change


@pytest.mark.parametrize("change", range(10))
def test_names_in_the_table_are_in_its_files(change: int) -> None:
    """Words set as code, in capitals or with an underscore, stand in one of the files of their row."""
    _, files, how, _ = rows()[change]
    sources = [(DEVELOPMENT.parent / target) for target in LINK.findall(files + how)]
    text = "".join(path.read_text(encoding="utf-8") for path in sources if path.is_file())
    for name in re.findall(r"`([A-Za-z_]+(?:\.[a-z_]+)?)`", how):
        if "_" in name or name.isupper():
            assert name.rpartition(".")[2] in text, name


def test_hooks_run_the_tools_of_make_lint() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for entry in entries:
        tool = entry.removeprefix(".venv/bin/").removesuffix(" --fix")
        assert f"$(BIN)/{tool}" in makefile, entry
