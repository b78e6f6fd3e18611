"""What README and docs tell users to type does what they say: their examples are run, on a simulated sky.

Lines of ``rbztf`` in blocks ``sh`` and all of the blocks ``python`` run in one folder that holds
what a user has by then, page by page, in their order. The OIDs of the pages are replaced by some of
the simulated sky, and settings by some that train in seconds.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import ROOT, run, run_well, tiny_encoder, tiny_ensemble

import rbztf
from rbztf.cli.app import VERBS
from rbztf.features.binary_files import write_binary
from rbztf.features.files import read_features, write_features
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.dataset import write_labels
from rbztf.simulate.sky import SimulatedSky
from rbztf.ztf import Band, Oid

pytest.importorskip("light_curve")
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/howto").glob("*.md")),
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OID_IN_TEXT = re.compile(r"\b\d{15,16}\b")
QUICK = {
    "train-vae": ("--set", "training.epochs=1", "--set", "vae.simulated_frames=0"),
    "train-rnn": ("--set", "training.epochs=1", "--set", "classifier.hidden=8"),
    "cv": ("--set", "training.epochs=1", "--set", "classifier.hidden=8", "--set", "cv.bootstrap=20"),
}
"""Added to commands that name a configuration of a single network."""
SMALL = ("--config", "tiny.yaml")
"""Added to commands that train and name none."""
ENSEMBLES = {"default", "image-only", "lightcurve-only", "lightcurve-trees"}
"""Configurations that ``tiny.yaml`` stands for."""
ELSEWHERE = {
    "import": "needs the published files; tests/verbs/test_import.py",
    "demo": "make demo",
    "fetch --position": "tests/verbs/test_fetch_command.py",
    "fetch --labels": "tests/verbs/test_fetch_command.py",
    "fetch --images": "tests/archive/images",
    "embed --images": "tests/archive/images",
    "predict --hats": "tests/lsdb",
    "predict --frames-for": "tests/verbs/test_predict_fetch.py",
}
PYTHON_ELSEWHERE = {"scale.md": "tests/lsdb and tests/verbs/test_dask.py"}


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a page in a language."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text for name, text in found if name == language]


def commands(page: Path) -> list[list[str]]:
    """Words after ``rbztf`` of each of its lines in the ``sh`` blocks of a page, without redirections."""
    text = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    found = []
    for words in lines:
        if words and words[0] == "rbztf":
            end = words.index(">") if ">" in words else len(words)
            found.append(words[1:end])
    return found


def is_tested_elsewhere(words: list[str]) -> bool:
    return any(set(name.split()) <= set(words) and name.split()[0] == words[0] for name in ELSEWHERE)


@pytest.fixture(scope="module")
def sky() -> SimulatedSky:
    return SimulatedSky(n_objects=24, n_epochs=8, seed=5)


@pytest.fixture(scope="module")
def made(sky: SimulatedSky, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages speak of."""
    folder = tmp_path_factory.mktemp("docs")
    home = Path.cwd()
    os.chdir(folder)
    try:
        with SimulatedArchive(sky) as archive:
            rbztf.fetch(sky.oids[:20], out="data/cutouts", archive_url=archive.url)
        others = SimulatedSky(n_objects=4, n_epochs=16, seed=6)
        with SimulatedArchive(others) as archive:
            rbztf.fetch(others.oids, out="random-objects", archive_url=archive.url)
        write_labels(Path("labels.json"), sky)
        tiny_encoder(4).save(Path("models/encoder"))
        run_well("embed", "--model", "models/encoder", "--data", "data/cutouts", "--out", "embeddings", "-q")
        run_well("features", "--data", "data/cutouts", "--out", "features.csv", "-q")
        table = read_features("features.csv")
        write_features("features.parquet", table)
        write_binary(Path("feature_snad_clf_r_100.dat"), table.oids, table.values, table.names)
        config = {**tiny_ensemble("statistics", "votes", "curves"), "name": "tiny"}
        Path("tiny.yaml").write_text(yaml.safe_dump(config))
        data = ("--embeddings", "embeddings", "--features", "features.csv", "--labels", "labels.json")
        run_well("train-rnn", *SMALL, *data, "--out", "model", "-q")
        Path("objects.csv").write_text("oid\n" + "".join(f"{oid}\n" for oid in sky.oids[:3]))
        run_well("cv", "-q", *SMALL, *data, "--set", "cv.bootstrap=20", "--folds", "2", "--out", "runs/first")
        shutil.copytree("runs/first", "runs/second")
        Path("folds.csv").write_text(
            "oid,fold\n" + "".join(f"{oid},{number % 2}\n" for number, oid in enumerate(sky.oids[:20]))
        )
        (project,) = [text for text in blocks(ROOT / "README.md", "yaml") if "cutouts:" in text]
        Path("rbztf.yaml").write_text(project)
    finally:
        os.chdir(home)
    return folder


@pytest.fixture
def bench(made: Path, own_folder: Path) -> Path:
    """A copy of that folder, entered."""
    return Path(shutil.copytree(made, own_folder, dirs_exist_ok=True))


@pytest.fixture
def archive(sky: SimulatedSky) -> Iterator[SimulatedArchive]:
    with SimulatedArchive(sky) as served:
        yield served


class Renamed:
    """Puts OIDs of the sky in the place of those of the pages, the same for the same."""

    def __init__(self, sky: SimulatedSky) -> None:
        self._left, self._names = list(sky.oids[:20]), dict[str, str]()

    def __call__(self, text: str) -> str:
        for name in OID_IN_TEXT.findall(text):
            self._names.setdefault(name, str(self._left[len(self._names)]))
        return OID_IN_TEXT.sub(lambda match: self._names[match.group()], text)


def quickly(words: list[str], archive: SimulatedArchive) -> list[str]:
    """The command with settings that take seconds, and the simulated archive."""
    verb = words[0]
    if verb in {"fetch", "predict"} and "--check" not in words:
        return [*words, "--archive", archive.url]
    if verb not in QUICK or "--scores" in words:
        return words
    words = ["tiny.yaml" if word in ENSEMBLES else word for word in words]
    named = ("--config" in words and "tiny.yaml" not in words) or verb == "train-vae"
    few = ("--workers", "1", *(() if "--split" in words else ("--folds", "4"))) if verb == "cv" else ()
    return [*words, *(QUICK[verb] if named else SMALL), *few]


PAGES_WITH_COMMANDS = [page for page in PAGES if any(not is_tested_elsewhere(c) for c in commands(page))]
PAGES_WITH_PYTHON = [page for page in PAGES if blocks(page, "python") and page.name not in PYTHON_ELSEWHERE]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: page.name)
def test_commands_of_the_page_run(
    page: Path, bench: Path, sky: SimulatedSky, archive: SimulatedArchive
) -> None:
    rename = Renamed(sky)
    for words in commands(page):
        if not is_tested_elsewhere(words):
            result = run(*quickly([rename(word) for word in words], archive))
            assert result.exit_code == 0, (words, result.stderr, result.exception)


@pytest.mark.parametrize("page", PAGES_WITH_PYTHON, ids=lambda page: page.name)
def test_python_of_the_page_runs(page: Path, bench: Path, sky: SimulatedSky) -> None:
    from rbztf.models.load import load_model
    from rbztf.models.training import choose_device
    from rbztf.prediction.inputs import InputPaths
    from rbztf.prediction.reader import ObjectReader

    model = load_model("model")
    reader = ObjectReader.open(
        model, InputPaths(Path("data/cutouts"), None, None), choose_device("cpu"), None
    )
    objects = reader.objects([reader.read(oid, []) for oid in reader.oids()])
    names: dict[str, Any] = {"model": model, "objects": objects}
    rename = Renamed(sky)
    for text in blocks(page, "python"):
        small = text.replace("n_objects=120, n_epochs=40", "n_objects=20, n_epochs=4")
        exec(compile(rename(small), str(page), "exec"), names)


def run_script(text: str, bench: Path, **environment: str) -> None:
    """Run a text by bash in ``bench``, where ``rbztf`` is this one."""
    command = bench / "bin" / "rbztf"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rbztf "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=bench,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_batches_score_every_object_once(bench: Path, sky: SimulatedSky) -> None:
    """xargs and a task of an array as the page has them; Snakemake's commands in its order."""
    page = ROOT / "docs" / "batches.md"
    with_xargs, array = blocks(page, "bash")
    asked = [str(oid) for oid in sky.oids[:3]]
    (bench / "objects.txt").write_text("".join(f"{oid}\n" for oid in asked))

    def scored(name: str) -> list[str]:
        with (bench / name).open(newline="") as table:
            return [row["oid"] for row in csv.DictReader(table)]

    run_script(with_xargs.replace("-l 1000", "-l 2"), bench)
    assert scored("scores.csv") == asked
    run_script(array.replace("l/10/", "l/2/"), bench, SLURM_ARRAY_TASK_ID="1")
    assert scored("scores/01.csv") == asked[-1:]
    (rules,) = blocks(page, "snakemake")
    predict, join = re.findall(r'shell: "(.*)"', rules)
    (bench / "scores.csv").unlink()
    run_script(predict.format(input="lists/01", output="scores/03.csv", threads=1), bench)
    run_script(join.format(input="scores/00.csv scores/03.csv", output="scores.csv"), bench)
    assert scored("scores.csv") == asked


def test_every_command_of_the_pages_is_a_verb() -> None:
    known = {name for name, *_ in VERBS}
    seen = {words[0] for page in PAGES for words in commands(page) if words}
    assert {"fetch", "train-vae", "embed", "train-rnn", "cv", "predict"} <= seen
    assert seen <= known


def test_objects_that_users_are_told_to_score_are_of_the_band_of_the_model() -> None:
    examples = [example.split()[1:] for _, _, example in VERBS]
    pages = [words for page in PAGES for words in commands(page)]
    shown = [
        line.split()[2:] for text in blocks(ROOT / "README.md", "console") for line in text.splitlines()[:1]
    ]
    asked = [words for words in (*examples, *pages, *shown) if words and words[0] in {"predict", "clean"}]
    oids = [Oid(word) for words in asked for word in words if OID_IN_TEXT.fullmatch(word)]
    assert len(oids) > 5
    assert {oid.band for oid in oids} == {Band.R}


def test_scripts_and_targets_that_are_named_exist() -> None:
    """``make NAME`` and ``python benchmarks/NAME.py --option`` anywhere in the pages."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in (*PAGES, ROOT / "benchmarks" / "README.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"^make (\w+)", text, re.MULTILINE):
            assert f"\n{target}:" in makefile, (page, target)
        for script, options in re.findall(r"python (benchmarks/\w+\.py)([^`\n|]*)", text):
            source = (ROOT / script).read_text(encoding="utf-8")
            for option in re.findall(r"--[a-z-]+", options):
                assert f'"{option}"' in source, (page.name, script, option)
