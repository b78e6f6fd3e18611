"""``rbztf import``: the published artefacts of RB_ZTF as bundles, embeddings and labels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from rbztf.archive.embeddings import EmbeddingWriter, ForeignEmbeddings, Stamp
from rbztf.archive.github import cached_repository, is_url
from rbztf.archive.labels import read_labels
from rbztf.config import Config, load_config
from rbztf.errors import InputError, Problem, RbztfError, UsageError
from rbztf.models.encoder_bundle import EncoderBundle
from rbztf.models.published import SOURCE, classifier_from, encoder_from
from rbztf.progress import Progress, silent
from rbztf.sky import Oid

DEFAULT_OUT = Path("published")
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
            "problems": [{"where": problem.where, "what": problem.what} for problem in self.problems],
        }


def import_published(
    source: Path | str = SOURCE, out: Path | str = DEFAULT_OUT, *, progress: Progress = silent
) -> ImportResult:
    """Bring RB_ZTF's published files into rbztf's own formats.

    Parameters
    ----------
    source : path or address
        A copy of the repository, whole or in part, or its address, which is downloaded over
        HTTPS into the user's cache.
    out : path
        Gets ``encoder``, ``encoder_aug``, ``encoder_ld78``, ``rnn/NAME/K``, ``embeddings``,
        ``labels.json`` and ``rbztf.yaml``, as far as the source has them.

    Raises
    ------
    UsageError, InputError
        If the source is not there, or holds nothing that can be imported.
    """
    folder = cached_repository(str(source), progress) if is_url(str(source)) else Path(source)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", f"Give a copy of {SOURCE}, or its address.")
    result = ImportResult(str(source), Path(out))
    encoders = _import_encoders(folder, result)
    _import_classifiers(folder, result, encoders.get("encoder"), progress)
    _import_embeddings(folder, result, encoders.get("encoder"), progress)
    _import_labels(folder, result)
    if not result.found:
        reason = f" {result.problems[0]}" if result.problems else ""
        raise InputError(
            f"{folder} holds nothing of RB_ZTF that could be imported.{reason}", f"Give a copy of {SOURCE}."
        )
    _write_project_file(result)
    return result


def _import_encoders(folder: Path, result: ImportResult) -> dict[str, EncoderBundle]:
    encoders = {}
    for name, recipe in ENCODERS.items():
        path = _one(folder, f"vae/{name}.zip")
        if path is None:
            result.missing.append(name)
            continue
        try:
            bundle = encoder_from(path, load_config(recipe, project_file=None))
            bundle.save(result.out / name)
        except RbztfError as error:
            result.problems.append(Problem(name, str(error)))
            continue
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
    path = _one(folder, f"{family}/model{k}.zip")
    if path is None:
        result.missing.append(f"{family}/{k}")
        return False
    try:
        classifier_from(path, config, encoder).save(result.out / family / str(k))
    except RbztfError as error:
        result.problems.append(Problem(f"{family}/{k}", str(error)))
        return False
    return True


def _import_embeddings(
    folder: Path, result: ImportResult, encoder: EncoderBundle | None, progress: Progress
) -> None:
    """Means of every frame: the arrays as published where there, else the packed copy.

    The log variances are left behind: published files have them for every object, partial
    copies for few, and no published model reads them.
    """
    exact, packed = _one(folder, "embeddings"), _one(folder, "embeddings_mu.npz")
    if exact is None and packed is None:
        result.missing.append("embeddings")
        return
    latent = encoder.latent if encoder else 36
    frames = encoder.config.frames.model_dump(mode="json") if encoder else None
    stamp = Stamp(latent, encoder.hash if encoder else "", frames)
    n_frames = 0
    try:
        sources = _vectors(exact, packed, latent)
        with EmbeddingWriter(result.out / "embeddings", stamp, latent) as writer:
            if encoder:
                encoder.write_into(writer.beside("encoder"))
            for oid, vectors in sources:
                if vectors.shape[1] not in (latent, 2 * latent):
                    what = f"it has {vectors.shape[1]} columns; the encoder gives {latent} means."
                    result.problems.append(Problem(str(oid), what))
                    continue
                means = vectors[:, :latent].astype(np.float32)
                writer.add(oid, means, np.full(len(means), np.nan))
                n_frames += len(means)
                progress("embeddings", n_frames, None, "frames")
            n_objects = len(writer)
    except (RbztfError, OSError, ValueError, KeyError) as error:
        result.problems.append(Problem("embeddings", str(error)))
        return
    result.found["embeddings"] = f"{n_objects} objects, {n_frames} frames"


def _vectors(
    exact: Path | None, packed: Path | None, latent: int
) -> Iterator[tuple[Oid, NDArray[np.floating[Any]]]]:
    """Vectors object by object, the array as published preferred to its rounded copy."""
    published = ForeignEmbeddings(exact, latent) if exact else None
    seen = set()
    if packed:
        with np.load(packed, allow_pickle=False) as content:
            oids, counts, means = content["oid"], content["n_frames"], content["mu"]
        for oid, stop, count in zip(map(Oid, oids), np.cumsum(counts), counts):
            seen.add(oid)
            yield (
                oid,
                published.vectors(oid) if published and oid in published else means[stop - count : stop],
            )
    for oid in published or ():
        if oid not in seen and published:
            yield oid, published.vectors(oid)


def _import_labels(folder: Path, result: ImportResult) -> None:
    path = next(iter(sorted(folder.rglob("akb*.json"))), None)
    if path is None:
        result.missing.append("labels.json")
        return
    try:
        labels = read_labels(path)
    except RbztfError as error:
        result.problems.append(Problem("labels.json", str(error)))
        return
    result.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, result.out / "labels.json")
    result.found["labels.json"] = f"{len(labels)} objects"


def _write_project_file(result: ImportResult) -> None:
    """``rbztf.yaml`` beside the imported files, so that verbs need no paths there."""
    data = {"labels": "labels.json", "embeddings": "embeddings", "model": "rnn/wd_2dir/0"}
    there = {key: path for key, path in data.items() if (result.out / path).exists()}
    (result.out / "rbztf.yaml").write_text(yaml.safe_dump({"data": there}, sort_keys=False), encoding="utf-8")


def _one(folder: Path, ending: str) -> Path | None:
    """The shallowest path below ``folder`` that ends so, or None."""
    found = sorted(folder.rglob(ending), key=lambda path: (len(path.parts), path))
    return found[0] if found else None
