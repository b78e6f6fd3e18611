"""``rbztf check``: verify stores, models and tables of features, by their sums and by what they can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.archive.verify_store import JOURNALS, verify_store
from rbztf.errors import InputError, Problem, RbztfError, UsageError
from rbztf.features.files import is_ours, read_features, seal_features, sum_is_right
from rbztf.files import put_back
from rbztf.formats.sums import faults, has_sums, write_sums
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.embedding_writer import seal_embeddings
from rbztf.stores.embeddings import Embeddings, EmbeddingStore, open_embeddings

MODEL, STORE, ENCODER = "model.yaml", "store.yaml", "encoder"
"""Files that tell models and embedding stores from other folders, and the folder of an encoder in them."""


@dataclass(frozen=True)
class Checked:
    """What was looked at, and what is wrong with it.

    Attributes
    ----------
    path : Path
    kind : str
        ``cutouts``, ``embeddings``, ``model`` or ``features``.
    n_objects : int
        Sound objects of a store or table; 1 for a sound model.
    n_unsealed : int
        Files that have no sums, as older versions wrote them: a changed bit cannot always be noticed.
    n_sealed : int
        Files that were given sums now.
    problems : tuple of Problem
    """

    path: Path
    kind: str
    n_objects: int
    n_unsealed: int = 0
    n_sealed: int = 0
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "complete": not self.problems,
            "n_objects": self.n_objects,
            "n_unsealed": self.n_unsealed,
            "n_sealed": self.n_sealed,
            "problems": [asdict(problem) for problem in self.problems],
        }


Checker = Callable[[Path, bool, Progress], Checked]


def check(path: Path | str, *, seal: bool = False, progress: Progress = silent) -> Checked:
    """Verify a cutout store, an embedding store, a model, or a table of light-curve features.

    Sums of all files are compared; without them, what can be told from the values alone: shapes,
    indices, numbers that are not finite.

    Parameters
    ----------
    path : path
        A folder, or a CSV of features.
    seal : bool
        Give sums to what is sound and has none, as older versions wrote it.

    Raises
    ------
    UsageError
        For a path that is not there, or is nothing that can be checked.
    WriteError
        If sums cannot be written.
    """
    path = Path(path)
    put_back(path)
    return CHECKERS[kind_of(path)](path, seal, progress)


def kind_of(path: Path) -> str:
    """What a path is, a key of :data:`CHECKERS`.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if path.is_file():
        return "features"
    if not path.is_dir():
        raise UsageError(f"There is no {path}.", "Name a store, a model, or a CSV of features.")
    if (path / MODEL).is_file():
        return "model"
    if (path / STORE).is_file() or any(entry.stem.isdigit() for entry in path.glob("*.np[yz]")):
        return "embeddings"
    if len(open_cutouts(path)) or any(path.glob(JOURNALS)):
        return "cutouts"
    within = [*path.glob(f"**/{MODEL}"), *path.glob(f"**/{STORE}")]
    raise UsageError(
        f"{path} is not a store, a model or a table of features.",
        f"Name one, such as {within[0].parent}." if within else "Name the folder of one.",
    )


def _check_cutouts(path: Path, seal: bool, progress: Progress) -> Checked:
    found = verify_store(path, seal=seal, progress=progress)
    cut_off = (Problem(oid, f"its fetch was cut off after {n} frames.") for oid, n in found.under_way.items())
    problems = (*found.problems, *cut_off)
    return Checked(path, "cutouts", found.n_objects, found.n_unsealed, found.n_sealed, problems)


def _check_embeddings(path: Path, seal: bool, progress: Progress) -> Checked:
    problems = list(_folder_faults(path))
    try:
        store = open_embeddings(path)
    except InputError as error:
        return Checked(path, "embeddings", 0, problems=(*problems, Problem(str(path), error.message)))
    wrong = list(_wrong_objects(store, progress))
    problems += wrong + list(_wrong_encoder(path))
    unsealed = [part for part in _parts(path) if not _is_sealed(part, store)]
    n_sealed = 0
    if seal and not problems:
        for part in unsealed:
            _seal(part, store)
            n_sealed += 1
    n_sound = len(store) - len({problem.where for problem in wrong})
    return Checked(path, "embeddings", n_sound, len(unsealed) - n_sealed, n_sealed, tuple(problems))


def _check_model(path: Path, seal: bool, progress: Progress) -> Checked:
    from rbztf.models.load import load_any

    problems = list(_folder_faults(path))
    if not problems:
        try:
            load_any(path)
        except RbztfError as error:
            problems.append(Problem(str(path), error.message))
    unsealed = [part for part in _parts(path) if not has_sums(part)]
    n_sealed = 0
    if seal and not problems:
        for part in unsealed:
            write_sums(part)
            n_sealed += 1
    progress("check", 1, 1)
    return Checked(path, "model", int(not problems), len(unsealed) - n_sealed, n_sealed, tuple(problems))


def _check_features(path: Path, seal: bool, progress: Progress) -> Checked:
    try:
        table, right = read_features(path), sum_is_right(path)
    except InputError as error:
        if not is_ours(path):
            raise
        return Checked(path, "features", 0, problems=(Problem(str(path), error.message),))
    problems = []
    if right is False:
        problems.append(Problem(str(path), "was changed since it was written: its sum is another."))
    if len(table) and not table.known().any():
        problems.append(Problem(str(path), "holds no feature of any object."))
    n_sealed = int(seal and right is None and not problems and is_ours(path) and seal_features(path))
    progress("check", 1, 1)
    n_unsealed = int(right is None and is_ours(path)) - n_sealed
    return Checked(path, "features", len(table), n_unsealed, n_sealed, tuple(problems))


CHECKERS: dict[str, Checker] = {
    "cutouts": _check_cutouts,
    "embeddings": _check_embeddings,
    "model": _check_model,
    "features": _check_features,
}


def _parts(path: Path) -> list[Path]:
    """The folders of a model or store that have sums of their own, the innermost first."""
    return [*([path / ENCODER] if (path / ENCODER / MODEL).is_file() else []), path]


def _folder_faults(path: Path) -> Iterator[Problem]:
    for part in _parts(path):
        if has_sums(part):
            try:
                yield from faults(part)
            except InputError as error:
                yield Problem(str(part), error.message)


def _wrong_objects(store: Embeddings, progress: Progress) -> Iterator[Problem]:
    for done, oid in enumerate(store, start=1):
        progress("check", done, len(store))
        try:
            vectors = store.vectors(oid)
            store.photometry(oid)
        except RbztfError as error:
            yield Problem(str(int(oid)), error.message)
            continue
        n_wrong = int((~np.isfinite(vectors)).any(axis=1).sum())
        if n_wrong:
            yield Problem(str(int(oid)), f"{n_wrong} of {len(vectors)} vectors are not finite.")


def _wrong_encoder(path: Path) -> Iterator[Problem]:
    if not (path / ENCODER / MODEL).is_file():
        return
    from rbztf.models.vae.bundle import encoder_in

    try:
        encoder_in(path, open_embeddings(path).stamp.encoder)
    except RbztfError as error:
        yield Problem(str(path / ENCODER), error.message)


def _is_sealed(part: Path, store: Embeddings) -> bool:
    if isinstance(store, EmbeddingStore) and part == store.folder:
        return store.sealed
    return has_sums(part)


def _seal(part: Path, store: Embeddings) -> None:
    if isinstance(store, EmbeddingStore) and part == store.folder:
        seal_embeddings(store)
    else:
        write_sums(part)
