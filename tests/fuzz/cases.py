"""Every reader of the package, each with a valid input and how it is called."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from astropy.io import fits
from helpers import (
    make_oid,
    random_frames,
    random_sequences,
    tiny_classifier,
    tiny_encoder,
    unseal,
    write_cutouts,
    write_embeddings,
    write_frame,
)
from report_helpers import prediction
from safetensors.torch import save_file

from rbztf.archive.download import _unpack
from rbztf.archive.images.cut_cache import Cut, CutCache
from rbztf.archive.images.quadrants import read_quadrant
from rbztf.archive.images.targets import Target, read_targets
from rbztf.archive.irsa import Exposure, parse_light_curves
from rbztf.archive.journal import Journal, Outcome, read_journal
from rbztf.archive.snad import parse_page
from rbztf.archive.validate import check_frame
from rbztf.config import load_config
from rbztf.config.layers import read_file
from rbztf.config.load import parse_config
from rbztf.errors import DataError, Problem
from rbztf.evaluation.folds import read_split
from rbztf.evaluation.score_files import read_scores
from rbztf.features.files import read_features, write_features
from rbztf.features.rows import open_rows
from rbztf.features.table import Definition, FeatureTable
from rbztf.formats import sums
from rbztf.formats.npy import read_array
from rbztf.models import bundle, checkpoint
from rbztf.models.catalogue import SHIPPED, SHIPPED_DEFAULT
from rbztf.models.load import load_any
from rbztf.models.rnn.published import read_state_dict
from rbztf.prediction.part_tables import PartTables
from rbztf.prediction.parts import Parts
from rbztf.prediction.remarks import Tally
from rbztf.reporting.sources import read_predictions
from rbztf.stores.cutouts import open_cutouts, read_object
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.epochs import FrameStatus
from rbztf.stores.irsa_cutouts import read_folder, read_single
from rbztf.stores.labels import read_labels, read_usable
from rbztf.stores.object_file import read_epochs
from rbztf.stores.oid_lists import read_oids
from rbztf.stores.sealing import seal_file
from rbztf.verbs.import_vectors import _packed_vectors
from rbztf.verbs.predict_hats import _check_target
from rbztf.verbs.report import _history
from rbztf.yamltext import read_yaml

OIDS = [make_oid(i, field=300 + i) for i in range(4)]
EXPOSURE = Exposure(20200924431759, 655, "zr", 13, 3)
IMAGE = "ztf_20200924431759_000655_zr_c13_o_q3_sciimg.fits"
LIGHT_CURVE = (
    "oid,expid,hjd,mjd,mag,magerr,catflags,filtercode,ra,dec,filefracday,field,ccdid,qid,exptime\n"
    "675103300002930,44835315,2458202.8577286243,58202.353159699996,18.67,0.046,0,zg,209.99,29.99,"
    "20180325353160,675,0x3,3,30\n"
)


@dataclass(frozen=True)
class Case:
    """A reader.

    Attributes
    ----------
    make : callable
        Writes a valid input into an empty folder and returns what the reader is given.
    read : callable
        Reads it, values included where they are read later.
    names_file : bool
        Whether messages name the file; answers of servers have none.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    names_file: bool = True


def text(name: str, content: str | bytes) -> Callable[[Path], Path]:
    """Writes one file."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def features(ending: str) -> Callable[[Path], Path]:
    """Writes a table of features, which is a list of OIDs as well."""

    def make(folder: Path) -> Path:
        path = folder / f"table.{ending}"
        values = np.random.default_rng(0).normal(size=(4, 3))
        table = FeatureTable(np.array(OIDS), ("amplitude", "period, days", "skew"), values, Definition("x"))
        write_features(path, table)
        return path

    return make


def predictions(ending: str) -> Callable[[Path], Path]:
    """Writes what ``predict --out`` writes."""

    def make(folder: Path) -> Path:
        from rbztf.tables import Column, write_table
        from rbztf.textfiles import json_text

        path = folder / f"scores.{ending}"
        entry = prediction(OIDS[0], 0.7)
        if ending == "json":
            content = {name: value for name, value in vars(entry).items() if name != "blamed"}
            blamed = [vars(each) for each in entry.blamed[:3]]
            path.write_text(json_text([content | {"kinds": dict(entry.kinds), "blamed": blamed}]))
        else:
            columns = [Column("oid", "int"), Column("p_bogus", "float"), Column("decision", "text")]
            write_table(path, columns, [[OIDS[0], 0.7, "bogus"], [OIDS[1], 0.2, "real"]])
        return path

    return make


def cutouts(folder: Path) -> Path:
    """A cutout store."""
    return write_cutouts(folder / "cutouts", {oid: random_frames(3, oid % 10) for oid in OIDS[:2]})


def one_object(folder: Path) -> Path:
    """One file of a cutout store."""
    return next(path for path in cutouts(folder).iterdir() if path.suffix == ".fits")


def read_store(path: Path) -> object:
    """All objects of a cutout store."""
    store = open_cutouts(path)
    return [store[oid].frames for oid in store]


def frames_folder(folder: Path) -> Path:
    """Frames as the reference keeps them."""
    own = folder / str(OIDS[0])
    for i in range(2):
        write_frame(
            own / f"{58300 + i}.25.fits", random_frames(1, i)[0], OBSMJD=58300.5 + i, FIELDID=300, CRPIX1=14.0
        )
    return own


def one_frame(folder: Path) -> Path:
    """One frame as a file that bears the name of its object."""
    return write_frame(folder / f"{OIDS[0]}.fits", random_frames(1)[0], OBSMJD=58300.5, FIELDID=300)


def embeddings(folder: Path) -> Path:
    """An embedding store without sums, which would notice any change."""
    store = write_embeddings(folder / "embeddings", dict(zip(OIDS, random_sequences([3] * 4, 8))), 4)
    unseal(store)
    return store


def read_embeddings(path: Path) -> object:
    """All vectors of an embedding store."""
    store = open_embeddings(path)
    return [np.array(store.vectors(oid)) for oid in store]


def model(kind: str, *, sealed: bool = False) -> Callable[[Path], Path]:
    """A small model."""

    def make(folder: Path) -> Path:
        made = {"encoder": tiny_encoder, "classifier": tiny_classifier}[kind](4)
        made.save(folder / kind)
        if not sealed:
            unseal(folder / kind)
        return folder / kind

    return make


def journal(folder: Path) -> Path:
    """A journal of a plan and two frames."""
    path = folder / ".1.journal"
    written = Journal(path)
    written.plan("oid,mjd\n", "ztf_dr24")
    for number in (1, 2):
        frame = random_frames(1, number)[0]
        written.outcome(number, Outcome(FrameStatus.OK, "http://x", {"seeing": 2.1}, frame))
    written.close()
    return path


def cache(folder: Path) -> Path:
    """Frames cut out of one image."""
    rows = np.arange(2)
    there = np.ones(2, bool)
    CutCache(folder, TARGETS).add(Cut(EXPOSURE, IMAGE, {"seeing": 2.0}, rows, there, there), random_frames(2))
    return folder


TARGETS = [Target(OIDS[0], 10.0, 20.0), Target(OIDS[1], 10.1, 20.1)]


def read_cache(folder: Path) -> object:
    """All frames of the cache."""
    return list(CutCache(folder, TARGETS).objects())


def header() -> fits.Header:
    """Of a cutout, and of a whole image."""
    cards = fits.Header()
    cards["FIELDID"], cards["CCDID"], cards["QID"], cards["FILTERID"] = 655, 13, 3, 2
    cards["OBSMJD"], cards["SEEING"], cards["INFOBITS"] = 59116.4317593, 2.1, 0
    cards["CTYPE1"], cards["CTYPE2"] = "RA---TPV", "DEC--TPV"
    cards["CRPIX1"], cards["CRPIX2"] = 14.0, 14.0
    cards["CRVAL1"], cards["CRVAL2"] = 250.0, 37.0
    cards["CD1_1"], cards["CD1_2"], cards["CD2_1"], cards["CD2_2"] = -2.8e-4, -1e-6, 1e-6, -2.8e-4
    return cards


def image(name: str, side: int) -> Callable[[Path], Path]:
    """An image as the archive has it."""

    def make(folder: Path) -> Path:
        pixels = 200 + np.random.default_rng(0).normal(0, 9, (side, side)).astype(np.float32)
        fits.PrimaryHDU(pixels, header()).writeto(folder / name)
        return folder / name

    return make


def packed(folder: Path) -> Path:
    """The packed copy of published vectors."""
    path = folder / "embeddings_mu.npz"
    counts = np.array([2, 3])
    np.savez(path, oid=np.array(OIDS[:2]), n_frames=counts, mu=random_sequences([5], 4)[0])
    return path


def read_packed(path: Path) -> object:
    """All vectors of the packed copy."""
    return [read() for read in _packed_vectors(path).values()]


def array(ending: str) -> Callable[[Path], Path]:
    """One array."""

    def make(folder: Path) -> Path:
        path = folder / f"array.{ending}"
        values = np.arange(12.0).reshape(3, 4)
        if ending == "npy":
            np.save(path, values)
        else:
            np.savez(path, values)
        return path

    return make


@contextmanager
def damaged_is_refused(path: Path) -> Iterator[None]:
    """Callers of readers that say ValueError or OSError turn them into a sentence."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is damaged ({error}).") from None


def read_npy(path: Path) -> object:
    """An array, by a caller that turns errors into sentences."""
    with damaged_is_refused(path):
        return read_array(path)


def state_dict(folder: Path) -> Path:
    """Weights as torch writes them."""
    torch.save({"a.weight": torch.ones(3, 4), "a.bias": torch.zeros(3)}, folder / "weights.pth")
    return folder / "weights.pth"


def tensors(folder: Path) -> Path:
    """Weights as safetensors."""
    save_file({"a": torch.ones(3, 4)}, folder / "weights.safetensors", metadata={"columns": "[]"})
    return folder / "weights.safetensors"


def network() -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
    """A network of one layer and its optimiser."""
    layer = torch.nn.Linear(2, 1)
    return layer, torch.optim.Adam(layer.parameters())


def saved_run(folder: Path) -> Path:
    """A checkpoint."""
    layer, optimiser = network()
    layer(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    checkpoint.save(folder / "checkpoint.safetensors", checkpoint.State(), layer, optimiser, "mine")
    return folder / "checkpoint.safetensors"


def listed(folder: Path) -> Path:
    """A folder with sums."""
    return model("classifier", sealed=True)(folder)


def ensemble(folder: Path) -> Path:
    """A model of trees, without its sums."""
    copy = Path(shutil.copytree(SHIPPED / SHIPPED_DEFAULT, folder / "ensemble"))
    unseal(copy)
    return copy


def read_zip(path: Path) -> None:
    """Unpack published files."""
    with path.open("rb") as archive, tempfile.TemporaryDirectory() as folder:
        _unpack(archive, Path(folder), path.name)


def packed_files(folder: Path) -> Path:
    """Files below a folder, as a repository packs them."""
    with zipfile.ZipFile(folder / "files.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("top/a.csv", LIST)
        packed.writestr("top/b/c.csv", SPLIT)
    return folder / "files.zip"


def finished(folder: Path) -> Path:
    """Predictions of a run that is not over."""
    Parts(folder / "scores.csv.parts", {"model": "x"}).add(
        [prediction(OIDS[0], 0.7), prediction(OIDS[1], 0.2)]
    )
    return folder / "scores.csv.parts"


def noted(folder: Path) -> Path:
    """A unit of a table of predictions, and what is known of it."""
    parts = PartTables(folder / "scores.csv", {"model": "x"})
    parts.write(0, [], Tally(3, inputs={"lightcurve": 3}), [Problem("1", "it has no features.")])
    return parts.folder


def read_rows(path: Path) -> int:
    """All rows of a table of features, unit by unit."""
    rows = open_rows(path)
    rows.check_distinct()
    return sum(len(table) for unit in rows.units() for table in rows.read(unit))


def seal_copy(path: Path) -> bool:
    """Give a copy of an object's file its sums."""
    copy = path.with_name(f"copy-{path.name}")
    try:
        shutil.copyfile(path, copy)
        return seal_file(copy)
    finally:
        copy.unlink()


ENTRIES = [{"oid": OIDS[0], "tags": ["artefact", "ghost"]}, {"oid": OIDS[1], "tags": ["RR"]}]
LIST = "\n".join(map(str, OIDS)) + "\n"
SPLIT = "oid,fold,position\n" + "".join(f"{oid},{i % 2},{i}\n" for i, oid in enumerate(OIDS))
SCORES = "config,variant,draw,oid,fold,label,p_bogus,threshold\n" + "".join(
    f"a,,0,{oid},{i % 2},{i // 2},0.{i + 1},0.5\n" for i, oid in enumerate(OIDS)
)
PAGE = json.dumps({"results": ENTRIES, "next": "", "count": 2})
CONFIG = "name: x\ncv:\n  bootstrap: 10\nclassifier:\n  hidden: 8\ndata:\n  labels: a.json\n"

CASES = {
    "oids.txt": Case(text("oids.txt", "# a comment\n" + LIST), read_oids),
    "oids.csv": Case(text("oids.csv", "# a comment\noid\n" + LIST), read_oids),
    "oids.json": Case(text("oids.json", json.dumps(OIDS)), read_oids),
    **{
        f"oids.of.{ending}": Case(features(ending), read_oids)
        for ending in ("ecsv", "fits", "vot", "parquet")
    },
    **{
        f"features.{ending}": Case(features(ending), read_features)
        for ending in ("csv", "json", "ecsv", "fits", "vot", "parquet")
    },
    **{
        f"predictions.{ending}": Case(predictions(ending), read_predictions)
        for ending in ("csv", "json", "ecsv", "fits", "vot", "parquet")
    },
    "labels.json": Case(text("labels.json", json.dumps(ENTRIES)), read_labels),
    "labels.csv": Case(text("labels.csv", f"oid,label,tags\n{OIDS[0]},1,ghost\n{OIDS[1]},0,\n"), read_labels),
    "usable.json": Case(text("labels.json", json.dumps(ENTRIES)), read_usable),
    "split": Case(text("folds.csv", SPLIT), read_split),
    "scores": Case(text("scores.csv", SCORES), read_scores),
    "targets": Case(text("targets.csv", f"oid,ra,dec\n{OIDS[0]},10.0,20.0\n"), read_targets),
    "cutouts": Case(cutouts, read_store),
    "object": Case(one_object, lambda path: read_object(path).frames),
    "epochs": Case(one_object, read_epochs),
    "frames": Case(frames_folder, lambda path: read_folder(path).frames),
    "frame": Case(one_frame, lambda path: read_single(path).frames),
    "embeddings": Case(embeddings, read_embeddings),
    "packed vectors": Case(packed, read_packed),
    "array.npy": Case(array("npy"), read_npy),
    "array.npz": Case(array("npz"), read_npy),
    "encoder": Case(model("encoder"), load_any),
    "classifier": Case(model("classifier"), load_any),
    "sealed classifier": Case(listed, load_any),
    "sums": Case(listed, sums.faults),
    "state dict": Case(state_dict, read_state_dict),
    "safetensors": Case(tensors, bundle.read_tensors),
    "checkpoint": Case(saved_run, lambda path: checkpoint.load(path, *network(), "mine")),
    "yaml": Case(text("a.yaml", CONFIG), read_yaml),
    "config file": Case(text("rbztf.yaml", CONFIG), read_file),
    "config": Case(text("mine.yaml", CONFIG), lambda path: load_config(str(path), project_file=None)),
    "config text": Case(text("mine.yaml", CONFIG), lambda path: parse_config(utf8(path), str(path))),
    "ensemble": Case(ensemble, load_any),
    "published files": Case(packed_files, read_zip),
    "parts of predictions": Case(finished, lambda path: Parts(path, {"model": "x"}).known),
    "notes of predictions": Case(
        noted, lambda path: PartTables(path.with_suffix(""), {"model": "x"}).read_note(0)
    ),
    "rows of features": Case(features("parquet"), read_rows),
    "stamp of a catalog": Case(
        text("rbztf.json", '{"catalog": "x", "force": false}'),
        lambda path: _check_target(path.parent, {"catalog": "x", "force": False}),
    ),
    "sealing": Case(one_object, seal_copy),
    "journal": Case(journal, read_journal),
    "cut cache": Case(cache, read_cache),
    "quadrant": Case(image(IMAGE, 256), read_quadrant),
    "learning curves": Case(
        text("history.csv", "run,epoch,loss\na,1,0.5\n"), lambda path: _history(path.parent)
    ),
    "page of labels": Case(text("page.json", PAGE), lambda path: parse_page(path.read_bytes()), False),
    "light curve": Case(text("answer.csv", LIGHT_CURVE), lambda path: parse_light_curves(utf8(path)), False),
    "cutout": Case(
        image("answer.fits", 27), lambda path: check_frame(path.read_bytes(), EXPOSURE, 250.0, 37.0), False
    ),
}


def utf8(path: Path) -> str:
    """Text as a caller hands it on, with replaced characters where it is not text."""
    return path.read_bytes().decode("utf-8", "replace")
