"""Settings of the documentation site: `make docs` builds it, without the network."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pygments.lexers.python import PythonLexer

import rbztf

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # of the kernels that run the notebooks
HERE = Path(__file__).resolve().parent
project = "rbztf"
author = "the rbztf developers"
version = release = rbztf.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "rbztf"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
pygments_style, pygments_dark_style = "friendly", "monokai"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_use_rtype = False

SECTIONS = {
    "Verbs": (
        "import_published",
        "train_imported",
        "fetch",
        "make_features",
        "train_vae",
        "embed",
        "train_rnn",
        "cv",
        "evaluate_models",
        "compare_scores",
        "predict",
        "report",
        "label_queue",
        "merge_labels",
        "doubt",
        "show",
        "plot",
        "clean",
        "check",
        "list_models",
        "list_configs",
        "diff_configs",
        "doctor",
        "demo",
    ),
    "What lies on disk": (
        "open_cutouts",
        "open_embeddings",
        "read_labels",
        "load_config",
        "load_encoder",
        "load_classifier",
    ),
    "Types": ("Oid", "Band", "Label", "RbztfError"),
}
"""Public names, in the order of the reference."""
RESULTS = (
    "rbztf.prediction.result.Prediction",
    "rbztf.prediction.result.PredictResult",
    "rbztf.prediction.result.EpochContribution",
    "rbztf.stores.object_file.ObjectCutouts",
    "rbztf.stores.cutouts.CutoutStore",
    "rbztf.stores.embeddings.EmbeddingStore",
    "rbztf.features.table.FeatureTable",
    "rbztf.models.decision.decisions.Goal",
)
"""What the verbs take and return."""


def python_page() -> str:
    """The reference of the Python package, from its docstrings."""
    lines = ["# Python", "", "Everything is imported when it is used: `import rbztf` takes milliseconds.", ""]
    for section, names in SECTIONS.items():
        lines += [f"## {section}", ""]
        for name in names:
            item = getattr(rbztf, name)
            kind = "autoclass" if isinstance(item, type) else "autofunction"
            lines += _directive(kind, f"{item.__module__}.{item.__qualname__}", f"rbztf.{name}")
    lines += ["## What verbs take and return", ""]
    for path in RESULTS:
        lines += _directive("autoclass", path, path.rpartition(".")[2], ":members:")
    return "\n".join(lines)


def _directive(kind: str, path: str, title: str, *options: str) -> list[str]:
    return [
        f"### {title}",
        "",
        "```{eval-rst}",
        f".. {kind}:: {path}",
        *(f"   {o}" for o in options),
        "```",
        "",
    ]


def command_page() -> str:
    """The reference of the command line, as `--help` prints it."""
    from typer.testing import CliRunner

    from rbztf.cli.app import VERBS, app

    runner = CliRunner(env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"})
    lines = ["# Command line", ""]
    for verb in ("", *(name for name, *_ in VERBS)):
        shown = runner.invoke(app, [*([verb] if verb else []), "--help"], prog_name="rbztf").stdout
        text = "\n".join(line.rstrip() for line in shown.strip("\n").splitlines())
        lines += [f"## rbztf {verb}".rstrip(), "", "```text", text, "```", ""]
    return "\n".join(lines)


def configuration_page() -> str:
    """Every shipped configuration, with its comments."""
    from rbztf.config import shipped_configs

    lines = [
        "# Configurations",
        "",
        "Shipped with rbztf; `rbztf configs` lists them, `rbztf configs show NAME` prints one.",
        "",
    ]
    for name, path in sorted(shipped_configs().items()):
        lines += [f"## {name}", "", "```yaml", path.read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines)


def benchmarks_page() -> str:
    """The record of speed, which lies beside the scripts that measure it."""
    text = (HERE.parent / "benchmarks" / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(\.\./docs/([^)]+)\)", r"](../\1)", text)
    return re.sub(r"\[([^\]]*)\]\((?!https?:|#|\.\./[\w/-]+\.md)[^)]*\)", r"\1", text)


PAGES = {
    "python": python_page,
    "command": command_page,
    "configurations": configuration_page,
    "benchmarks": benchmarks_page,
}


def write_reference(app: Any) -> None:
    """Write the pages that are made from the package itself."""
    folder = HERE / "reference"
    folder.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        path, text = folder / f"{name}.md", make()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def point_within(app: Any, name: str, source: list[str]) -> None:
    """Links to files beside the pages become links within the site, or the names of the files."""
    up = "../" * (name.count("/") + 1)
    text = source[0].replace(f"]({up}benchmarks/README.md", f"]({up[3:]}reference/benchmarks.md")
    text = text.replace(f"]({up}README.md", f"]({up[3:]}index.md")
    source[0] = re.sub(rf"\[([^\]]*)\]\({re.escape(up)}[^)]*\)", r"\1", text)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.add_lexer("snakemake", PythonLexer)  # its rules are Python with a few more words
    app.connect("builder-inited", write_reference)
    app.connect("source-read", point_within)
