"""``rbztf import``: convert the published files of RB_ZTF into bundles, embeddings and labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from rbztf.archive.download import cached_repository, forget_repository, is_url
from rbztf.config import HOME_FILE, Config, load_config
from rbztf.errors import DataError, InputError, Problem, RbztfError, UsageError, WriteError
from rbztf.features.files import read_features
from rbztf.files import reading, whole, write_text
from rbztf.models.rnn.published import SOURCE, classifier_from, encoder_from
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.progress import Progress, silent
from rbztf.stores.embedding_writer import EmbeddingWriter
from rbztf.stores.embeddings import EmbeddingInfo, ForeignEmbeddings
from rbztf.stores.epochs import no_photometry
from rbztf.stores.labels import read_labels
from rbztf.yamltext import read_yaml
from rbztf.ztf import Oid

_Vectors = NDArray[np.floating[Any]]
ENCODERS = {
    "encoder": "reference/vae",
    "encoder_aug": "reference/vae-aug",
    "encoder_ld78": "reference/vae-ld78",
}
CLASSIFIERS = {
    "baseline": "reference/gru",
    "wd_2dir": "reference/bigru-l2",
    "tversky": "reference/gru-tversky",
    "lstm": "reference/lstm",
}
N_MODELS = 5


@dataclass
class ImportResult:
    """What was found and what is missing."""

    source: str
    out: Path
    found: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As printed by ``import --json``."""
        return {
            "source": self.source,
            "out": str(self.out),
            "found": self.found,
            "missing": self.missing,
            "problems": [asdict(problem) for problem in self.problems],
        }


def import_published(
    source: Path | str = SOURCE, out: Path | str | None = None, *, progress: Progress = silent
) -> ImportResult:
    """Bring RB_ZTF's published files into rbztf's own formats.

    Parameters
    ----------
    source : path or address
        A copy of the repository, whole or in part, or its address, which is downloaded over
        HTTPS into the user's cache.
    out : path
        Gets ``encoder``, ``encoder_aug``, ``encoder_ld78``, ``rnn/NAME/K``, ``embeddings``,
        ``labels.json``, ``features.csv`` and ``rbztf.yaml``, as far as the source has them. Left
        out, it is a folder of the user's cache, where verbs look that are given no paths.

    Raises
    ------
    UsageError, InputError
        If the source is not there, or holds nothing that can be imported.
    """
    folder = cached_repository(str(source), progress) if is_url(str(source)) else Path(source)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", f"Give a copy of {SOURCE}, or its address.")
    result = ImportResult(str(source), Path(out) if out is not None else HOME_FILE.parent)
    was_there = result.out.exists()
    encoders = _import_encoders(folder, result)
    _import_classifiers(folder, result, encoders.get("encoder"), progress)
    _import_embeddings(folder, result, encoders.get("encoder"), progress)
    _import_labels(folder, result)
    _import_features(folder, result)
    if not result.found:
        if not was_there:
            shutil.rmtree(result.out, ignore_errors=True)
        if is_url(str(source)):
            forget_repository(str(source))
        reason = f" {result.problems[0]}" if result.problems else ""
        raise InputError(
            f"{folder} holds nothing of RB_ZTF that could be imported.{reason}", f"Give a copy of {SOURCE}."
        )
    _write_project_file(result)
    if result.problems and is_url(str(source)):
        forget_repository(str(source))  # damaged files are not used again
    return result


@contextmanager
def _noting(what: str, result: ImportResult) -> Iterator[None]:
    """Go on after the block where ``what`` is damaged, and say so; a disk that is full ends all."""
    try:
        yield
    except WriteError:
        raise
    except RbztfError as error:
        result.problems.append(Problem(what, str(error)))


def _import_encoders(folder: Path, result: ImportResult) -> dict[str, EncoderBundle]:
    encoders = {}
    for name, recipe in ENCODERS.items():
        path = _one(folder, f"vae/{name}.zip", result)
        if path is None:
            result.missing.append(name)
            continue
        with _noting(name, result):
            bundle = encoder_from(path, load_config(recipe, project_file=None))
            bundle.save(result.out / name)
            encoders[name] = bundle
            result.found[name] = f"{bundle.latent} latents"
    return encoders


def _import_classifiers(
    folder: Path, result: ImportResult, encoder: EncoderBundle | None, progress: Progress
) -> None:
    for number, (name, recipe) in enumerate(CLASSIFIERS.items()):
        progress("import", number, len(CLASSIFIERS), name)
        config = load_config(recipe, project_file=None)
        done = [
            k
            for k in range(N_MODELS)
            if _import_classifier(folder, result, encoder, config, f"rnn/{name}", k)
        ]
        if done:
            result.found[f"rnn/{name}"] = f"models {', '.join(map(str, done))}"
    progress("import", len(CLASSIFIERS), len(CLASSIFIERS))


def _import_classifier(
    folder: Path, result: ImportResult, encoder: EncoderBundle | None, config: Config, family: str, k: int
) -> bool:
    path = _one(folder, f"{family}/model{k}.zip", result)
    if path is None:
        result.missing.append(f"{family}/{k}")
        return False
    n_before = len(result.problems)
    with _noting(f"{family}/{k}", result):
        classifier_from(path, config, encoder).save(result.out / family / str(k))
    return len(result.problems) == n_before


def _import_embeddings(
    folder: Path, result: ImportResult, encoder: EncoderBundle | None, progress: Progress
) -> None:
    """Means of every frame: the arrays as published where there, else the packed copy.

    The log variances are left behind: published files have them for every object, partial
    copies for few, and no published model reads them.
    """
    latent = encoder.latent if encoder else 36
    sources = _vectors(folder, latent, result)
    if not sources:
        return
    frames = encoder.config.frames.model_dump(mode="json") if encoder else None
    stamp = EmbeddingInfo(latent, encoder.hash if encoder else "", frames)
    with (
        _noting("embeddings", result),
        EmbeddingWriter(result.out / "embeddings", stamp, latent) as writer,
    ):
        if encoder:
            encoder.write_into(writer.beside("encoder"))
        for oid, read in sources.items():
            with _noting(f"embeddings of {oid}", result):
                means = _means(read(), latent)
                writer.add(oid, means, no_photometry(len(means)))
                progress("embeddings", writer.n_frames, None, "frames")
        if not len(writer):
            raise DataError("Not one object's vectors could be read.")
        result.found["embeddings"] = f"{len(writer)} objects, {writer.n_frames} frames"


def _vectors(folder: Path, latent: int, result: ImportResult) -> dict[Oid, Callable[[], _Vectors]]:
    """How to read each object's vectors, the array as published preferred to its rounded copy."""
    exact, packed = _one(folder, "embeddings", result), _one(folder, "embeddings_mu.npz", result)
    if exact is None and packed is None:
        result.missing.append("embeddings")
    sources: dict[Oid, Callable[[], _Vectors]] = {}
    if packed:
        with _noting(packed.name, result):
            sources |= _packed_vectors(packed)
    if exact:
        with _noting("embeddings", result):
            published = ForeignEmbeddings(exact, latent)
            sources |= {oid: partial(published.vectors, oid) for oid in published}
    return sources


def _packed_vectors(path: Path) -> dict[Oid, Callable[[], _Vectors]]:
    with (
        reading(path, "holds no packed vectors", "Get it again."),
        np.load(path, allow_pickle=False) as content,
    ):
        oids, counts, means = content["oid"], content["n_frames"], content["mu"]
        if len(oids) != len(counts) or counts.sum() != len(means):
            raise ValueError("its arrays do not fit each other")
        parts = np.split(means, np.cumsum(counts)[:-1])
        return {Oid(oid): partial(np.asarray, part) for oid, part in zip(oids, parts)}


def _means(vectors: _Vectors, latent: int) -> NDArray[np.float32]:
    if vectors.ndim != 2 or vectors.shape[1] not in (latent, 2 * latent):
        raise DataError(
            f"They have the shape {vectors.shape}; the encoder gives {latent} means.", "Check the files."
        )
    return vectors[:, :latent].astype(np.float32)


def _import_labels(folder: Path, result: ImportResult) -> None:
    _import_file(folder, "akb*.json", "labels.json", lambda path: f"{len(read_labels(path))} objects", result)


def _import_features(folder: Path, result: ImportResult) -> None:
    """SNAD's light-curve features of the same objects; the repository itself does not hold them."""
    _import_file(folder, "lightcurve_features.csv", "features.csv", _describe_features, result)


def _describe_features(path: Path) -> str:
    table = read_features(path)
    return f"{len(table)} objects, {len(table.names)} features"


def _import_file(
    folder: Path, ending: str, name: str, describe: Callable[[Path], str], result: ImportResult
) -> None:
    """Copy a file as it is, under ``name``, if it can be read; ``describe`` reads it."""
    path = _one(folder, ending, result)
    if path is None:
        result.missing.append(name)
        return
    with _noting(name, result):
        found = describe(path)
        with whole(result.out / name) as part:
            shutil.copyfile(path, part)
        result.found[name] = found


def use_model(out: Path) -> None:
    """Make ``OUT/model``, trained on what was imported, the one that ``predict`` takes there."""
    path = out / "rbztf.yaml"
    content = read_yaml(path)
    content["data"]["model"] = "model"
    write_text(path, yaml.safe_dump(content, sort_keys=False))


def _write_project_file(result: ImportResult) -> None:
    """``rbztf.yaml`` beside the imported files, so that verbs need no paths there."""
    data = {
        "labels": "labels.json",
        "embeddings": "embeddings",
        "features": "features.csv",
        "model": "model" if (result.out / "model").is_dir() else "rnn/wd_2dir/0",
    }
    there = {key: path for key, path in data.items() if (result.out / path).exists()}
    write_text(result.out / "rbztf.yaml", yaml.safe_dump({"data": there}, sort_keys=False))


def _one(folder: Path, ending: str, result: ImportResult) -> Path | None:
    """The shallowest path below ``folder`` that ends so, or None; what was imported before does not count."""
    found = [path for path in folder.rglob(ending) if not path.is_relative_to(result.out)]
    return min(found, key=lambda path: (len(path.parts), path), default=None)
