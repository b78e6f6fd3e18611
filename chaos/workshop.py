"""Small inputs for every verb, each verb's command, and what it leaves if nobody disturbs it."""

from __future__ import annotations

import copy
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path

from chaos.attempt import Outcome, call
from chaos.outputs import RESULTS, TIMED, Expected, place, visible
from chaos.steps import logged, read_log
from rbztf.archive.http_settings import HttpSettings
from rbztf.simulate.archive.faults import Faults
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky

N_OBJECTS, N_EPOCHS, N_FETCHED = 24, 9, 4
VAE = """
name: chaos
extends: vae
vae: {latent: 4, simulated_frames: 0}
training: {epochs: 1, batch_size: 64}
"""
CLASSIFIER = """
name: chaos
vae: {latent: 4}
data: {min_frames: 3}
cv: {bootstrap: 20}
ensemble:
  folds: 2
  members:
    frames: {kind: network, inputs: [image], pooling: votes, hidden: 8, context: 8, heads: 2, batch_size: 16, epochs: 1}
    statistics: {kind: trees, inputs: [image], trees: 8, min_leaf: 3}
    curves: {kind: trees, inputs: [lightcurve], trees: 8, min_leaf: 3}
"""


def quicken() -> None:
    """As patient with an archive as usual, in less time: shorter pauses, in this process and its children."""
    quick = HttpSettings(backoff_s=0.005, max_backoff_s=0.02, frame_budget_s=1.0, table_budget_s=2.0)
    quick = replace(quick, max_pause_s=2.0, read_timeout_s=1.0)
    HttpSettings.__init__.__defaults__ = astuple(quick)


@contextmanager
def archive(
    sky: SimulatedSky, faults: Faults | None = None, port: int = 0, latency_s: float = 0.0
) -> Iterator[str]:
    """A simulated archive in a process of its own, so that this one has no threads; yields its address."""
    with serving(lambda: SimulatedArchive(sky, faults=faults, port=port, latency_s=latency_s)) as url:
        yield url


@contextmanager
def serving(start: Callable[[], object]) -> Iterator[str]:
    """Run a server, which has the attribute ``url``, in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            server = start()
            os.write(writer, server.url.encode())  # type: ignore[attr-defined]
            os.close(writer)
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as stream:
        url = stream.read()
    try:
        yield url
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@dataclass(frozen=True)
class Verb:
    """A verb and what it writes here.

    Attributes
    ----------
    name : str
    words : tuple of str
        The command, without ``--out``.
    older : tuple of str
        A command that writes something else to the same place.
    out : str
        Name of what it writes.
    """

    name: str
    words: tuple[str, ...]
    older: tuple[str, ...]
    out: str

    def argv(self, out: Path) -> list[str]:
        """The command that writes ``out``."""
        return [*self.words, "--out", str(out), "--quiet"]

    def older_argv(self, out: Path) -> list[str]:
        """The command that writes something else there."""
        return [*self.older, "--out", str(out), "--quiet"]


class Workshop:
    """Inputs of all verbs below a folder, made once by rbztf itself.

    Parameters
    ----------
    root : Path
    url : str
        Address of the archive.
    sky : SimulatedSky
    only : sequence of str
        Verbs to attack; all if empty.
    """

    def __init__(self, root: Path, url: str, sky: SimulatedSky, only: Sequence[str] = ()) -> None:
        self.only = only
        self.url, self.sky = url, sky
        self.inputs = root / "in"
        self._furnish(root)
        self.inputs.mkdir()
        (self.inputs / "vae.yaml").write_text(VAE)
        (self.inputs / "tiny.yaml").write_text(CLASSIFIER)
        self._make()

    def _furnish(self, root: Path) -> None:
        self.root, self.desk = root, root / "desk"
        self.out_folder = self.desk / "out"
        for folder in (self.out_folder, root / "ref"):
            folder.mkdir(parents=True)
        self._expected: dict[tuple[str, bool], Expected] = {}

    def room(self, name: str) -> Workshop:
        """The same inputs with another place to work in, for attacks at the same time."""
        other = copy.copy(self)
        other._furnish(self.root / name)
        return other

    def _make(self) -> None:
        oids = [str(int(oid)) for oid in self.sky.oids]
        self._must("fetch", *oids, "--archive", self.url, "--out", "cutouts")
        for name, n in (("some-cutouts", 6), ("few-cutouts", 2)):
            (self.inputs / name).mkdir()
            for oid in oids[:n]:
                shutil.copy2(self.inputs / "cutouts" / f"{oid}.fits", self.inputs / name)
        self._must("fetch", "--labels", "--labels-url", self.url, "--out", "labels.json")
        self._must("features", "--data", "cutouts", "--out", "features.csv")
        _encoder(self.inputs / "encoder", 0)
        _encoder(self.inputs / "other-encoder", 1)
        self._must("embed", "--model", "encoder", "--data", "cutouts", "--out", "embeddings")
        inputs = ("--embeddings", "embeddings", "--labels", "labels.json", "--features", "features.csv")
        self._must("train-rnn", "--config", "tiny.yaml", *inputs, "--out", "classifier")
        _published(self.inputs / "RB_ZTF", oids[:6], self.inputs / "labels.json")
        score = ("predict", "--model", "classifier", "--no-fetch", "--explain", "--data")
        self._must(*score, "some-cutouts", "--out", "scores.json")
        self._must(*score, "few-cutouts", "--out", "few-scores.json")

    def _must(self, *words: str) -> None:
        outcome = call(words, self.inputs, limit_s=240)
        if outcome.code not in (0, 3):
            raise RuntimeError(f"rbztf {' '.join(words)} failed: {outcome.err}")

    @cached_property
    def verbs(self) -> dict[str, Verb]:
        """Every verb that writes, by name."""
        at = {name: str(self.inputs / name) for name in _INPUTS}
        oids = [str(int(oid)) for oid in self.sky.oids[:N_FETCHED]]
        vae = ("train-vae", "--config", at["vae.yaml"], "--data", at["some-cutouts"])
        train = ("--config", at["tiny.yaml"], "--embeddings", at["embeddings"], "--labels", at["labels.json"])
        train = (*train, "--features", at["features.csv"])
        cv = ("cv", *train, "--folds", "2", "--split", "random", "--workers", "1")
        model = ("--model", at["classifier"], "--data", at["cutouts"], "--no-fetch")
        fetch = ("fetch", *oids, "--archive", self.url)
        shown = ("--data", at["some-cutouts"])
        made = (
            Verb("fetch", fetch, (*fetch, "--max-frames", "3"), "store"),
            Verb(
                "embed",
                *_two("embed --data {cutouts} --model", "{encoder}", "{other-encoder}", at),
                "vectors",
            ),
            Verb("features", *_two("features --data", "{some-cutouts}", "{few-cutouts}", at), "table.csv"),
            Verb("train-vae", vae, (*vae, "--seed", "1"), "encoder"),
            Verb("train-rnn", ("train-rnn", *train), ("train-rnn", *train, "--seed", "1"), "model"),
            Verb("cv", cv, (*cv, "--seed", "1"), "run"),
            Verb("predict", ("predict", *model), ("predict", *oids, *model), "scores.csv"),
            Verb(
                "report",
                ("report", at["scores.json"], *shown),
                ("report", at["few-scores.json"], *shown),
                "page",
            ),
            Verb("import", *_two("import", "{RB_ZTF}", "{RB_ZTF}/part", at), "published"),
            Verb("clean", ("clean", *oids[:3], *model), ("clean", *oids[:2], *model), "curves"),
        )
        return {verb.name: verb for verb in made}

    @property
    def chosen(self) -> list[Verb]:
        """The verbs to attack."""
        return [verb for verb in self.verbs.values() if not self.only or verb.name in self.only]

    def out(self, verb: Verb) -> Path:
        """Where a verb writes."""
        return self.out_folder / verb.out

    def older(self, verb: Verb) -> Path:
        """What an earlier call of the verb left."""
        kept = self.root / "ref" / verb.name / verb.out
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            place(None, self.out(verb))
            outcome = call(verb.older_argv(self.out(verb)), self.desk)
            if outcome.code not in (0, 3):
                raise RuntimeError(f"{verb.name} failed: {outcome.err}")
            place(self.out(verb), kept)
        return kept

    def start(self, verb: Verb, over_old: bool) -> None:
        """The place where the verb writes: empty, or with an earlier output."""
        place(self.older(verb) if over_old else None, self.out(verb))

    def run(self, verb: Verb, prepare: Callable[[], object] | None = None, **options: float) -> Outcome:
        """Call the verb."""
        return call(verb.argv(self.out(verb)), self.desk, prepare, **options)  # type: ignore[arg-type]

    def expected(self, verb: Verb, over_old: bool) -> Expected:
        """What two undisturbed calls leave.

        Raises
        ------
        RuntimeError
            If they differ in files that hold results.
        """
        key = verb.name, over_old
        if key not in self._expected:
            trees = []
            log = self.root / "steps"
            log.unlink(missing_ok=True)
            for prepare in (logged(log, self.out_folder), None):
                self.start(verb, over_old)
                before = visible(self.out(verb))
                outcome = self.run(verb, prepare)
                if outcome.code not in (0, 3):
                    raise RuntimeError(f"{verb.name} failed: {outcome.err}")
                trees.append(visible(self.out(verb)))
            one, other = trees
            varying = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
            if wrong := [name for name in varying if name.endswith(RESULTS) and not name.endswith(TIMED)]:
                raise RuntimeError(f"two calls of {verb.name} differ in {wrong}")
            self._expected[key] = Expected(before, one, frozenset(varying), read_log(log), outcome.seconds)
        return self._expected[key]


_INPUTS = (
    *("cutouts", "some-cutouts", "few-cutouts", "encoder", "other-encoder", "embeddings", "features.csv"),
    *("labels.json", "classifier", "vae.yaml", "tiny.yaml", "RB_ZTF", "scores.json", "few-scores.json"),
)


def _two(start: str, one: str, other: str, at: dict[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two commands that differ in their last word."""
    commands = (f"{start} {last}" for last in (one, other))
    filled = (tuple(word.format(**at) for word in command.split()) for command in commands)
    first, second = filled
    return first, second


def _encoder(folder: Path, seed: int) -> None:
    """An encoder that nobody trained."""
    import torch

    from rbztf.config import load_config
    from rbztf.models.vae.bundle import EncoderBundle
    from rbztf.models.vae.network import Encoder

    torch.manual_seed(seed)
    config = load_config(None, ["vae.latent=4"], project_file=None)
    EncoderBundle(Encoder(4).eval(), None, config, {"source": "chaos"}).save(folder)


def _published(folder: Path, oids: Sequence[str], labels: Path) -> None:
    """A made-up copy of the published files: labels and embeddings, and a part of it."""
    import numpy as np

    rng = np.random.default_rng(0)
    for place_, names in ((folder, oids), (folder / "part", oids[:3])):
        (place_ / "embeddings").mkdir(parents=True)
        (place_ / "akb.ztf.snad.space.json").write_bytes(labels.read_bytes())
        for name in names:
            np.save(place_ / "embeddings" / f"{name}.npy", rng.normal(size=(7, 72)).astype(np.float32))
