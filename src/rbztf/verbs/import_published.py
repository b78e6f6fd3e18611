"""``rbztf import``: convert the published files of RB_ZTF into bundles, embeddings and labels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from rbztf.archive.download import cached_repository, forget_repository, is_url
from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.archive.pinned_files import SNAD_FEATURES, SNAD_LABELS
from rbztf.config import HOME_FILE, Config, load_config
from rbztf.errors import ArchiveError, InputError, Problem, UsageError
from rbztf.features.files import read_features
from rbztf.features.snad_set import package
from rbztf.files import whole, write_text
from rbztf.models.rnn.published import SOURCE, classifier_from, encoder_from
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.progress import Progress, silent
from rbztf.stores.labels import read_labels
from rbztf.verbs.import_result import ImportResult
from rbztf.verbs.import_snad import (
    FEATURE_FILES,
    FEATURES,
    LABELS,
    LATEST,
    compute_features,
    download,
    import_features,
    import_latest,
    keep_features,
)
from rbztf.verbs.import_vectors import import_embeddings
from rbztf.wording import counted
from rbztf.yamltext import read_yaml

if TYPE_CHECKING:
    from rbztf.verbs.run_folder import TrainResult

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


def import_published(
    source: Path | str = SOURCE,
    out: Path | str | None = None,
    *,
    features: Path | str | None = None,
    own_features: bool = False,
    archive_url: str = ARCHIVE_URL,
    collection: str = COLLECTION,
    progress: Progress = silent,
) -> ImportResult:
    """Bring RB_ZTF's published files, and SNAD's features and later labels, into rbztf's own formats.

    Parameters
    ----------
    source : path or address
        A copy of the repository, whole or in part, or its address, which is downloaded over
        HTTPS into the user's cache. With an address SNAD's table of features and later export of
        the labels are downloaded as well, at a fixed commit, checked by its hashes; in a folder
        they are looked for, and nothing is downloaded. What cannot be had is left out and named.
    out : path
        Gets ``encoder``, ``encoder_aug``, ``encoder_ld78``, ``rnn/NAME/K``, ``embeddings``,
        ``labels.json``, ``labels_latest.json``, ``features.csv`` and ``rbztf.yaml``, as far as the
        sources have them. Left out, it is a folder of the user's cache, where verbs look that are
        given no paths. Models are trained on ``labels.json``; the later export lies beside it.
    features : path
        A table of light-curve features, instead of SNAD's.
    own_features : bool
        Fetch the light curves of the labelled objects and compute the table here, instead.
    archive_url, collection : str
        Where from, and which data release.

    Raises
    ------
    UsageError, InputError
        If the source is not there, or holds nothing that can be imported; for a table that cannot
        be read, or own features without the package light-curve.
    ArchiveError
        If nothing could be downloaded.
    """
    if features is not None and own_features:
        raise UsageError(
            "A table of features is given, and another to be computed.", "Leave out one of them."
        )
    if own_features:
        package()
    table = read_features(features) if features is not None else None
    result = ImportResult(str(source), Path(out) if out is not None else HOME_FILE.parent)
    was_there = result.out.exists()
    folder, down = _folder(source, progress)
    if down is not None:
        result.problems.append(Problem("RB_ZTF", str(down)))
    if folder is not None:
        encoders = _import_encoders(folder, result)
        _import_classifiers(folder, result, encoders.get("encoder"), progress)
        import_embeddings(folder, result, encoders.get("encoder"), progress)
        _import_labels(folder, result)
    if table is not None:
        keep_features(table, result)
    elif own_features:
        compute_features(result, archive_url, collection, Config(), progress)
    _import_snad(folder, result, table is None and not own_features, progress)
    if not result.found:
        if not was_there:
            shutil.rmtree(result.out, ignore_errors=True)
        if is_url(str(source)):
            forget_repository(str(source))
        raise down or _nothing(folder, result)
    _write_project_file(result)
    if result.problems and folder is not None and is_url(str(source)):
        forget_repository(str(source))  # damaged files are not used again
    return result


def _folder(source: Path | str, progress: Progress) -> tuple[Path | None, ArchiveError | None]:
    """The files of RB_ZTF, or why they could not be downloaded."""
    if is_url(str(source)):
        try:
            return cached_repository(str(source), progress), None
        except ArchiveError as error:
            return None, error
    folder = Path(source)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", f"Give a copy of {SOURCE}, or its address.")
    return folder, None


def _nothing(folder: Path | None, result: ImportResult) -> InputError:
    reason = f" {result.problems[0]}" if result.problems else ""
    return InputError(
        f"{folder} holds nothing of RB_ZTF that could be imported.{reason}", f"Give a copy of {SOURCE}."
    )


def _import_snad(folder: Path | None, result: ImportResult, with_features: bool, progress: Progress) -> None:
    """SNAD's own files: out of a folder that was given, else from its repository."""
    if is_url(result.source):
        table = download(SNAD_FEATURES, FEATURES, result, progress) if with_features else None
        latest = download(SNAD_LABELS, LATEST, result, progress)
        if table is not None:
            import_features(table, result)
        if latest is not None:
            import_latest(latest, result)
    elif folder is not None:
        tables = [result.one(folder, name) for name in FEATURE_FILES]
        if with_features:
            import_features(next((path for path in tables if path), None), result)
        import_latest(result.one(folder, SNAD_LABELS.name), result)


def _import_encoders(folder: Path, result: ImportResult) -> dict[str, EncoderBundle]:
    encoders = {}
    for name, recipe in ENCODERS.items():
        path = result.one(folder, f"vae/{name}.zip")
        if path is None:
            result.missing.append(name)
            continue
        with result.noting(name):
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
    path = result.one(folder, f"{family}/model{k}.zip")
    if path is None:
        result.missing.append(f"{family}/{k}")
        return False
    n_before = len(result.problems)
    with result.noting(f"{family}/{k}"):
        classifier_from(path, config, encoder).save(result.out / family / str(k))
    return len(result.problems) == n_before


def _import_labels(folder: Path, result: ImportResult) -> None:
    path = result.one(folder, "akb*.json", but=SNAD_LABELS.name)
    if path is None:
        result.missing.append(LABELS)
        return
    with result.noting(LABELS):
        n_objects = len(read_labels(path))
        with whole(result.out / LABELS) as part:
            shutil.copyfile(path, part)
        result.found[LABELS] = f"{counted(n_objects, 'object')}"


def train_imported(out: Path, config: Config, *, progress: Progress = silent) -> TrainResult:
    """Train a classifier on what was imported into ``out``, as ``OUT/model``; ``predict`` takes it from then on.

    Parameters
    ----------
    config : Config
        Resolved with ``OUT/rbztf.yaml`` as its project file.

    Raises
    ------
    UsageError, InputError, DataError
        As :func:`rbztf.train_rnn`.
    """
    from rbztf.verbs.train_rnn import train_rnn

    result = train_rnn(config, out=out / "model", progress=progress)
    use_model(out)
    return result


def use_model(out: Path) -> None:
    """Make ``OUT/model``, trained on what was imported, the one that ``predict`` takes there."""
    path = out / "rbztf.yaml"
    content = read_yaml(path)
    content["data"]["model"] = "model"
    write_text(path, yaml.safe_dump(content, sort_keys=False))


def _write_project_file(result: ImportResult) -> None:
    """``rbztf.yaml`` beside the imported files, so that verbs need no paths there."""
    data = {
        "labels": LABELS,
        "embeddings": "embeddings",
        "features": FEATURES,
        "model": "model" if (result.out / "model").is_dir() else "rnn/wd_2dir/0",
    }
    there = {key: path for key, path in data.items() if (result.out / path).exists()}
    write_text(result.out / "rbztf.yaml", yaml.safe_dump({"data": there}, sort_keys=False))
