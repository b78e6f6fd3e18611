"""Small true-to-life inputs for the tests, and how the tests look at the command line."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from astropy.io import fits
from numpy.typing import NDArray
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from rbztf.archive.pinned_files import PinnedFile, git_hash
from rbztf.config import Config, load_config
from rbztf.errors import RbztfError
from rbztf.features.table import Definition, FeatureTable
from rbztf.formats.sums import SUMS
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import LabelledSet, ObjectSet
from rbztf.models.rnn.bundle import ClassifierBundle, Standardisation, build_network
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.encoder_inputs import make_inputs
from rbztf.models.vae.known_frames import KINDS
from rbztf.models.vae.network import Decoder, Encoder
from rbztf.models.vae.training_frames import UNKNOWN_KIND, FrameSet
from rbztf.prediction.result import PredictResult
from rbztf.stores.embedding_writer import EmbeddingWriter
from rbztf.stores.embeddings import EmbeddingInfo
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import write_object
from rbztf.ztf import AUXILIARY_TAGS

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
UPSTREAM = SHARED / "data" / "upstream"
REAL_FRAMES = SHARED / "data" / "frames"

Frames = NDArray[np.float32]
Vectors = NDArray[np.float32]


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, in memory, so that the file may be written over."""
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


def need(path: Path) -> Path:
    """``path``, or a skipped test where this checkout lacks it."""
    if not path.exists():
        pytest.skip(f"{path.relative_to(ROOT.parent)} is not at hand")
    return path


def make_oid(source: int, *, field: int = 600, fid: int = 2, ccd: int = 3, quadrant: int = 1) -> int:
    """A valid OID."""
    return field * 10**12 + fid * 10**11 + ccd * 10**9 + quadrant * 10**8 + source


def random_frames(n: int, seed: int = 0) -> Frames:
    """``n`` frames with a sky, noise and a star, (n, 28, 28) float32 in DN."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:28, :28]
    star = np.exp(-((rows - 13.6) ** 2 + (columns - 13.4) ** 2) / 6)
    sky, flux = rng.uniform(50, 400, (2, n, 1, 1))
    return (sky + flux * star + rng.normal(0, 8, (n, 28, 28))).astype(np.float32)


def random_sequences(lengths: Sequence[int], columns: int, seed: int = 0) -> list[Vectors]:
    """One (n_frames, columns) float32 array per length."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, columns)).astype(np.float32) for n in lengths]


def write_cutouts(folder: Path, objects: Mapping[int, Frames]) -> Path:
    """A cutout store with these objects, one epoch per frame."""
    for oid, frames in objects.items():
        n = len(frames)
        epochs = epoch_table({"hjd": 2458300.5 + np.arange(n), "frame": np.arange(n)}, n)
        write_object(folder, oid, frames, epochs, ra_deg=10.0, dec_deg=20.0)
    return folder


def write_frame(path: Path, frame: Frames, **cards: Any) -> Path:
    """One frame as a FITS file of its own, as the reference keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.writeto(path, frame, fits.Header(cards.items()))
    return path


def write_embeddings(
    folder: Path, objects: Mapping[int, Vectors], latent: int, *, encoder: str = "", has_loss: bool = False
) -> Path:
    """An embedding store with these objects."""
    width = next(iter(objects.values())).shape[1]
    with EmbeddingWriter(folder, EmbeddingInfo(latent, encoder, has_loss=has_loss), width) as writer:
        for oid, vectors in objects.items():
            writer.add(oid, vectors, random_photometry(len(vectors), oid % 1000))
    return folder


def random_photometry(n_frames: int, seed: int = 0) -> NDArray[np.float64]:
    """Times (HJD, d), magnitudes and their errors, (n_frames, 3)."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(2458300, 2459000, n_frames))
    columns = [times, rng.normal(18, 0.3, n_frames), rng.uniform(0.01, 0.1, n_frames)]
    return np.stack(columns, axis=1).reshape(n_frames, 3)


@cache
def tiny_encoder(latent: int = 4, *, seed: int = 0, decoder: bool = False) -> EncoderBundle:
    """An untrained encoder whose batch normalisation has seen a few frames."""
    torch.manual_seed(seed)
    encoder = Encoder(latent)
    with torch.no_grad():
        for _ in range(20):
            encoder(torch.rand(64, 1, 28, 28))
    config = load_config(None, [f"vae.latent={latent}"], project_file=None)
    made = Decoder(latent).eval() if decoder else None
    return EncoderBundle(encoder.eval(), made, config, {"source": "a test"})


def vae_config(*overrides: str) -> Config:
    """The default recipe of the autoencoder, small."""
    small = ("vae.latent=5", "training.epochs=3", "training.batch_size=32", "vae.simulated_frames=0")
    return load_config("vae", [*small, *overrides], project_file=None)


def vae_frames(n: int = 96, seed: int = 0) -> FrameSet:
    """Training frames for :func:`vae_config`, some clipped; the artefact of every third is known."""
    frames = random_frames(n, seed)
    frames[::7, :, :4] = np.nan
    inputs = make_inputs(frames, vae_config().frames)
    kinds = np.where(np.arange(n) % 3, UNKNOWN_KIND, np.arange(n) % len(KINDS))
    return FrameSet(inputs.values, np.arange(n), inputs.states, inputs.side, kinds)


def tiny_classifier(
    latent: int = 4, *, seed: int = 0, encoder: EncoderBundle | None = None, **section: Any
) -> ClassifierBundle:
    """An untrained classifier, hidden size 8 unless ``section`` says otherwise."""
    torch.manual_seed(seed)
    config = Config.model_validate({"classifier": {"hidden": 8, **section}, "data": {"min_frames": 3}})
    inputs = latent + config.classifier.reads_loss
    network = build_network(config, latent)
    with torch.no_grad():  # untrained networks answer 0.5 to everything
        network.clf[0].weight.mul_(8)
    rng = np.random.default_rng(seed)
    standardisation = Standardisation(
        rng.normal(size=inputs).astype(np.float32), rng.uniform(0.5, 2, inputs).astype(np.float32)
    )
    if not config.classifier.standardise:
        standardisation = Standardisation.identity(inputs)
    return ClassifierBundle(network.eval(), standardisation, config, 0.5, encoder, {"source": "a test"})


_TINY_NETWORK = {"kind": "network", "hidden": 8, "context": 8, "heads": 2, "batch_size": 16}
_TINY_TREES = {"kind": "trees", "trees": 12, "min_leaf": 4, "column_share": 1.0, "learning_rate": 0.2}
TINY_MEMBERS: dict[str, dict[str, Any]] = {
    "frames": {
        **_TINY_NETWORK,
        "inputs": ["image"],
        "auxiliary": 1.0,
        "epochs": 40,
        "learning_rate": 1e-2,
        "dropout": 0.1,
    },
    "votes": {**_TINY_NETWORK, "inputs": ["image"], "pooling": "votes", "epochs": 4},
    "statistics": {**_TINY_TREES, "inputs": ["image"]},
    "curves": {**_TINY_TREES, "inputs": ["lightcurve"]},
    "both": {**_TINY_NETWORK, "inputs": ["image", "lightcurve"], "epochs": 4},
}
TINY_FEATURES = ("amplitude", "period, days", "skew 2")


def tiny_ensemble(*members: str, **section: Any) -> dict[str, Any]:
    """A configuration of some of :data:`TINY_MEMBERS` (all if none is named) that trains in a second."""
    chosen = {name: TINY_MEMBERS[name] for name in members or TINY_MEMBERS}
    return {
        "name": "tiny",
        "ensemble": {"folds": 2, "members": chosen, **section},
        "vae": {"latent": 4},
        "data": {"min_frames": 3},
        "cv": {"bootstrap": 20},
    }


def tiny_objects(n: int = 48, seed: int = 0) -> LabelledSet:
    """Labelled objects in eight fields: artefacts (two of three of them ghosts) differ in latents and features.

    Object 0 has no frames, object 1 no features, object 2 neither.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    oids = np.array([make_oid(i, field=600 + i % 8) for i in range(n)], np.int64)
    sequences = random_sequences(rng.integers(3, 12, n).tolist(), 4, seed)
    values = rng.normal(size=(n, len(TINY_FEATURES))) + labels[:, None] * [1.5, 0, 0]
    tags = np.zeros((n, len(AUXILIARY_TAGS)), np.float32)
    ghosts = labels * (np.arange(n) // 8 % 3 != 0)
    tags[:, list(AUXILIARY_TAGS).index("ghost")] = ghosts
    for sequence, label, ghost in zip(sequences, labels, ghosts):
        sequence[:, 0] += 1.5 * label
        sequence[:, 1] += 1.5 * ghost
    for i in (0, 2):
        sequences[i] = np.empty((0, 4), np.float32)
    values[[1, 2]] = np.nan
    table = FeatureTable(oids, TINY_FEATURES, values, Definition("a test", 0, (58000.0, 59000.0)))
    fitted = FrameReader.fit(sequences, 0.0)
    reader = replace(fitted, latents=(0, 1, 3), mean=fitted.mean[[0, 1, 3]], scale=fitted.scale[[0, 1, 3]])
    objects = ObjectSet.of(oids, sequences, reader, table)
    return LabelledSet(objects, labels, oids // 10**12, tags, np.ones(n), tuple(AUXILIARY_TAGS))


def labelled_sequences(
    sequences: Sequence[Vectors], labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> LabelledSet:
    """Objects with frames alone, to train one network on."""
    n = len(labels)
    objects = ObjectSet.of(np.arange(n), sequences, None, None)
    return LabelledSet(objects, labels, groups, np.zeros((n, 0), np.float32), np.ones(n), ())


class Bomb:
    """Pickles to a command that leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.trace, "it ran")


def run(*arguments: object, stdin: str | None = None) -> Result:
    """Call ``rbztf`` within this process."""
    from rbztf.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def run_well(*arguments: object, code: int = 0, stdin: str | None = None) -> Result:
    """Call ``rbztf`` and expect the exit code ``code``."""
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == code, (result.exit_code, result.stderr, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def refused(*arguments: object, code: int = 2, says: Sequence[str] = (), stdin: str | None = None) -> str:
    """Call ``rbztf`` and expect one clear sentence (and what to do) on stderr; returns it."""
    result = run_well(*arguments, code=code, stdin=stdin)
    assert result.stdout == ""
    message = result.stderr
    assert message.startswith("Error: ")
    assert message.endswith("\n")
    assert message.count("\n") == 1, message
    assert "Traceback" not in message
    for word in says:
        assert word in message, (word, message)
    return message


def refusal(call: Callable[[], object]) -> RbztfError | None:
    """What ``call`` is refused with, or None; any other error is a failure of the test."""
    try:
        call()
    except RbztfError as error:
        return error
    return None


def strict_json(text: str) -> Any:
    """Parse JSON as its standard has it: NaN and Infinity are no numbers."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


COLUMNS = tuple(column.name for column in PredictResult("", ()).columns())
"""Of a table of predictions."""


def flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An object of ``predict --json`` as a row of a table has it."""
    return {name: entry[name] if name in entry else entry["kinds"].get(name[2:]) for name in COLUMNS}


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Files cannot grow beyond ``n_bytes``: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def unseal(folder: Path) -> None:
    """Leave the folder as older versions wrote it: without sums, which a change would contradict."""
    for path in [*folder.rglob(SUMS)]:
        path.unlink()


def files_below(folder: Path) -> set[str]:
    """Names of all files and folders below ``folder``."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


Script = Callable[[BaseHTTPRequestHandler, int], None]


class Scripted(ThreadingHTTPServer):
    """Answers each request by a function of its number."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, script: Script) -> None:
        self.asked = 0
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server: Scripted

            def do_GET(self) -> None:
                with lock:
                    self.server.asked += 1
                    number = self.server.asked
                script(self, number)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients hang up
        self.url = f"http://127.0.0.1:{self.server_address[1]}/x"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[str]:
    """A server that answers with these files, by path and query, and 404 to all else; yields its address.

    ``files`` may be changed meanwhile.
    """

    def script(handler: BaseHTTPRequestHandler, _: int) -> None:
        body = files.get(handler.path)
        answer(handler, 404 if body is None else 200, body or b"")

    with Scripted(script) as server:
        yield server.url.removesuffix("/x")
        server.shutdown()


def on_github(file: PinnedFile, content: bytes) -> dict[str, bytes]:
    """A file at a commit, and what GitHub says of it, for :func:`serving`."""
    path = quote(file.path)
    return {
        f"/repos/{file.repository}/contents/{path}?ref={file.commit}": json.dumps(
            {"sha": git_hash(content), "size": len(content)}
        ).encode(),
        f"/{file.repository}/{file.commit}/{path}": content,
    }


def through_a_pipe(path: Path, read: Callable[[Path], Any]) -> Any:
    """What ``read`` makes of the content of ``path`` where it comes as ``<(cat PATH)`` of a shell."""
    out, into = os.pipe()
    content = path.read_bytes()

    def write() -> None:
        with os.fdopen(into, "wb") as stream:
            stream.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return read(Path(f"/dev/fd/{out}"))
    finally:
        os.close(out)
        writer.join()


def flood(handler: BaseHTTPRequestHandler, start: bytes, piece: bytes, pause_s: float = 0.0) -> int:
    """Send ``start``, then ``piece`` until the client hangs up (or 64 MB); returns the bytes taken."""
    sent = 0
    handler.close_connection = True
    try:
        handler.wfile.write(start)
        while sent < 2**26:
            handler.wfile.write(piece)
            handler.wfile.flush()
            sent += len(piece)
            time.sleep(pause_s)
    except OSError:
        pass
    return sent
