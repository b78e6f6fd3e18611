"""Write a report: the page, its data as scripts, the frames as sprite sheets; one object after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rbztf._version import __version__
from rbztf.errors import Problem, RbztfError, UsageError
from rbztf.figures import notebook
from rbztf.files import is_taken, whole_folder
from rbztf.progress import Progress, silent
from rbztf.reporting.entries import Entry
from rbztf.reporting.neighbours import Neighbours
from rbztf.reporting.object_data import ObjectData, object_data
from rbztf.reporting.scripts import digest, plain, script
from rbztf.reporting.stretches import STRETCHES
from rbztf.stores.cutouts import CutoutStore
from rbztf.stores.object_file import ObjectCutouts
from rbztf.wording import counted
from rbztf.ztf import ARTEFACT_KINDS

if TYPE_CHECKING:
    from rbztf.reporting.lens import Lens

PAGE = "index.html"
MARK = "rbztf-report.txt"
"""A file by which a folder is known to be a report, which a new one may replace."""
ASSETS = (
    "report.css",
    "core.js",
    "labels.js",
    "table.js",
    "curve.js",
    "object.js",
    "evaluation.js",
    "start.js",
)
VENDORED = (
    *("tabulator.min.js", "tabulator.min.css", "LICENSE-tabulator.txt"),
    *("uplot.min.js", "uplot.min.css", "LICENSE-uplot.txt"),
)


@dataclass(frozen=True)
class Sources:
    """What a report can show beside the scores, each as far as it is at hand."""

    cutouts: CutoutStore | None = None
    neighbours: Neighbours | None = None
    lens: Lens | None = None
    evaluation: Mapping[str, Any] | None = None
    all_frames: bool = False


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes
    ----------
    out : Path
    n_objects, n_frames : int
        In its table, and in its sprite sheets.
    bytes_by_stretch : dict of str to int
        Size of the sprite sheets.
    problems : tuple of Problem
        Objects whose cutouts could not be read; they are in the table all the same.
    warnings : tuple of str
    """

    out: Path
    n_objects: int
    n_frames: int
    bytes_by_stretch: dict[str, int]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def page(self) -> Path:
        """What a browser opens."""
        return self.out / PAGE

    def _repr_html_(self) -> str:
        about = f"{counted(self.n_objects, 'object')}, {counted(self.n_frames, 'frame')}"
        return f'<a href="{notebook.text(self.url)}" target="_blank">{notebook.text(self.page)}</a>: {about}'

    @property
    def url(self) -> str:
        """Its address, ``file:///…``."""
        return self.page.resolve().as_uri()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``report --json``."""
        return {
            "out": str(self.out),
            "url": self.url,
            "n_objects": self.n_objects,
            "n_frames": self.n_frames,
            "bytes_by_stretch": self.bytes_by_stretch,
            "problems": [asdict(each) for each in self.problems],
            "warnings": list(self.warnings),
        }


def write_report(
    out: Path,
    entries: Sequence[Entry],
    sources: Sources | None = None,
    *,
    title: str = "rbztf report",
    made_from: str = "",
    warnings: Iterable[str] = (),
    progress: Progress = silent,
) -> Report:
    """Write the folder ``out``; it appears whole, in the place of an older report, or not at all.

    Parameters
    ----------
    entries : sequence of Entry
        In the order of the table.
    title, made_from : str
        What the page calls itself, and the scores or the model behind it.

    Raises
    ------
    UsageError
        If ``out`` holds something that is no report, or there are no objects.
    WriteError
        If it cannot be written.
    """
    if is_taken(out, MARK):
        raise UsageError(f"{out} holds something that is not a report.", "Give another --out.")
    if not entries:
        raise UsageError("There are no objects to report.", "Give scores of some.")
    sources = sources or Sources()
    writer = _Writer(sources, entries)
    with whole_folder(out) as folder:
        for name in ("data", "frames", "page"):
            (folder / name).mkdir()
        rows = []
        for done, entry in enumerate(entries):
            progress("report", done, len(entries))
            rows.append(entry.row() | writer.write(folder, entry))
        progress("report", len(entries), len(entries))
        _write_page(folder, rows, sources, title, made_from, [*warnings, *writer.remarks()])
    return Report(out, len(rows), writer.n_frames, writer.sizes, tuple(writer.problems), tuple(warnings))


class _Writer:
    """Writes objects, and keeps what all of them amount to."""

    def __init__(self, sources: Sources, entries: Sequence[Entry]) -> None:
        self.sources, self.entries = sources, entries
        self.n_frames = 0
        self.sizes = dict.fromkeys(STRETCHES, 0)
        self.problems: list[Problem] = []

    def write(self, folder: Path, entry: Entry) -> dict[str, Any]:
        """Write the files of an object, and return what the table adds to its row."""
        cutouts = self._cutouts(entry)
        try:
            data = object_data(entry, cutouts, all_frames=self.sources.all_frames)
            extra, picture = self._extra(entry, cutouts, data)
        except RbztfError as error:
            self.problems.append(Problem(str(int(entry.oid)), str(error)))
            cutouts, extra, picture = None, {}, b""
            data = object_data(entry, None)
        name = str(int(entry.oid))
        for stretch, content in data.sheets.items():
            (folder / "frames" / f"{name}.{stretch}.webp").write_bytes(content)
            self.sizes[stretch] += len(content)
        if picture:
            (folder / "frames" / f"{name}.encoder.webp").write_bytes(picture)
        text = script("object", data.content | extra)
        (folder / "data" / f"{name}.js").write_text(text, encoding="ascii")
        self.n_frames += data.n_frames
        return _from_cutouts(entry, cutouts)

    def remarks(self) -> list[str]:
        """What the page says of all objects."""
        said = []
        if self.sources.cutouts is None:
            said.append("No cutouts were at hand: no light curves and no frames. Give --data DIR.")
        if not any(entry.blamed for entry in self.entries):
            said.append("No frame is blamed: the scores were not made with --explain, or are not JSON.")
        return said

    def _cutouts(self, entry: Entry) -> ObjectCutouts | None:
        store = self.sources.cutouts
        if store is None or entry.oid not in store:
            return None
        try:
            return store[entry.oid]
        except RbztfError as error:
            self.problems.append(Problem(str(int(entry.oid)), str(error)))
            return None

    def _extra(
        self, entry: Entry, cutouts: ObjectCutouts | None, data: ObjectData
    ) -> tuple[dict[str, Any], bytes]:
        """The most similar objects and the encoder's view, as far as there is what they need."""
        extra: dict[str, Any] = {}
        lens, near = self.sources.lens, self.sources.neighbours
        if near is not None:
            known = entry.oid in near.embeddings
            if known or (lens is not None and cutouts is not None and len(cutouts.frames)):
                vectors = None if known or lens is None or cutouts is None else lens.vectors(cutouts)
                extra["similar"] = near.of(entry.oid, vectors)
        picture = b""
        if lens is not None and lens.reconstructs and cutouts is not None and data.n_frames:
            numbers, picture = lens.picture(cutouts, _most_blamed(entry, data.content["frames"]))
            extra["encoder"] = numbers
        return extra, picture


def _most_blamed(entry: Entry, shown: Sequence[int]) -> list[int]:
    """Frames in falling order of what they contribute; of all times where nothing is known."""
    if entry.blamed:
        return [each.frame for each in entry.blamed if each.frame in set(shown)]
    step = max(1, len(shown) // 8)
    return list(shown[::step])


def _from_cutouts(entry: Entry, cutouts: ObjectCutouts | None) -> dict[str, Any]:
    """Magnitude and number of frames, where the scores do not tell them."""
    if cutouts is None:
        return {"has_frames": False}
    mags = np.asarray(cutouts.epoch_columns("mag").get("mag", ()), float)
    known = mags[np.isfinite(mags)]
    mean = round(float(known.mean()), 3) if len(known) else None
    return {
        "has_frames": bool(len(cutouts.frames)),
        "collection": cutouts.collection,
        "mag": entry.mag if entry.mag is not None else mean,
        "frames": entry.n_frames if entry.n_frames is not None else len(cutouts.frames),
    }


def _write_page(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    sources: Sources,
    title: str,
    made_from: str,
    remarks: Sequence[str],
) -> None:
    kinds = dict.fromkeys([*ARTEFACT_KINDS, *(name for row in rows for name, _ in row["kinds"])])
    table = script("objects", list(rows))
    evaluation = script("evaluation", sources.evaluation) if sources.evaluation else ""
    about = {
        "hash": digest(table, evaluation, made_from),
        "title": title,
        "made_from": made_from,
        "version": __version__,
        "kinds": list(kinds),
        "stretches": list(STRETCHES),
        "all_frames": sources.all_frames,
        "remarks": list(remarks),
        "evaluation": bool(evaluation),
    }
    (folder / "data" / "about.js").write_text(script("about", about), encoding="ascii")
    (folder / "data" / "objects.js").write_text(table, encoding="ascii")
    if evaluation:
        (folder / "data" / "evaluation.js").write_text(evaluation, encoding="ascii")
    source = files("rbztf.reporting") / "page"
    for name in ASSETS:
        (folder / "page" / name).write_bytes((source / name).read_bytes())
    for name in VENDORED:
        (folder / "page" / name).write_bytes((source / "vendor" / name).read_bytes())
    (folder / PAGE).write_text(render(about, len(rows)), encoding="utf-8")
    (folder / MARK).write_text(
        f"A report of rbztf {__version__}; open {PAGE} in a browser.\n", encoding="utf-8"
    )


def render(about: Mapping[str, Any], n_objects: int) -> str:
    """The page itself, every text in it escaped."""
    from jinja2 import Environment, StrictUndefined

    template = (files("rbztf.reporting") / "page" / "index.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(about=plain(about), n_objects=n_objects)
