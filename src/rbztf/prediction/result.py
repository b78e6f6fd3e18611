"""What is predicted of an object, and predictions as files: the columns are the fields of :class:`Prediction`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbztf.errors import DataError, Problem, UsageError
from rbztf.files import write_text
from rbztf.prediction.words import blames_of, html, in_words
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.tables import (
    TABLE_ENDINGS,
    Cell,
    Column,
    Kind,
    astropy_table,
    check_table_ending,
    csv_text,
    write_table,
)
from rbztf.textfiles import json_text
from rbztf.wording import counted
from rbztf.ztf import ARTEFACT_KINDS

if TYPE_CHECKING:
    import pandas
    from astropy.table import Table
    from matplotlib.figure import Figure

SHOWN = 10
"""Objects in the text of a result."""
ENDINGS = (*TABLE_ENDINGS, ".json")
MASK_COLUMNS = (
    Column("oid", "int", description="ZTF object identifier"),
    Column("frame", "int", description="number of the frame in the store, from 0, in time order"),
    Column("mjd", "float", "d", "start of exposure", 6),
    Column("hjd", "float", "d", "heliocentric Julian date of the middle of exposure", 8),
    Column("filefracday", "int", description="IRSA's number of the exposure"),
    Column("share", "float", description="what the frame adds to the log odds of bogus", decimals=6),
    Column("drop", "int", description="1 where the epoch is to be dropped"),
)


@dataclass(frozen=True, kw_only=True)
class EpochContribution:
    """What the frame of one epoch contributes to the score of its object.

    Attributes
    ----------
    frame : int
        Number of the frame in the cutout store or the embeddings, from 0, in time order.
    mjd, hjd : float
        Start of exposure, and heliocentric Julian date of its middle, days; NaN where unknown.
    filefracday : int
        IRSA's number of the exposure; -1 where unknown.
    share : float
        What it adds to the log odds of bogus.
    dropped : bool
        Whether ``p_without`` is without it.
    """

    frame: int
    mjd: float
    hjd: float
    filefracday: int
    share: float
    dropped: bool


def _column(kind: Kind, description: str, unit: str = "") -> dict[str, str]:
    """What makes a field a column of every table of predictions."""
    return {"kind": kind, "description": description, "unit": unit}


_OUT_OF_FOLD = "of a training object: p_bogus by members not trained on it, which decides"
_CHECK = "inside, unusual or outside: how far the input is from the training set"
_VERIFIED = "whether the light-curve features were made as those of the training"


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the model predicts of one object.

    Every field with a :func:`_column` is a column of the tables, in this order; ``kinds`` is a column
    ``p_KIND`` for each kind, and ``blamed`` is in JSON alone (frames in falling order of what they
    contribute).
    """

    oid: int = field(metadata=_column("int", "ZTF object identifier"))
    p_bogus: float = field(metadata=_column("float", "calibrated probability that the object is an artefact"))
    p_low: float | None = field(default=None, metadata=_column("float", "95 % interval of p_bogus, from"))
    p_high: float | None = field(default=None, metadata=_column("float", "95 % interval of p_bogus, to"))
    decision: str | None = field(metadata=_column("text", "real, bogus, unsure; empty if outside"))
    input_check: str | None = field(default=None, metadata=_column("text", _CHECK))
    input_reason: str = field(default="", metadata=_column("text", "why it is unusual or outside"))
    threshold: float = field(metadata=_column("float", "p_bogus from which the object is called bogus"))
    limit_real: float | None = field(
        default=None, metadata=_column("float", "p_bogus up to which the object is called real")
    )
    limit_bogus: float | None = field(
        default=None, metadata=_column("float", "p_bogus from which it is called bogus; unsure lies between")
    )
    prior: float | None = field(
        default=None, metadata=_column("float", "share of artefacts that p_bogus is calibrated for")
    )
    in_training: bool | None = field(
        default=None, metadata=_column("bool", "whether the model was trained on the object")
    )
    p_out_of_fold: float | None = field(default=None, metadata=_column("float", _OUT_OF_FOLD))
    n_frames: int = field(metadata=_column("int", "frames that were read"))
    n_missing: int = field(metadata=_column("int", "frames that are missing or unusable"))
    inputs: str = field(
        metadata=_column("text", "image, lightcurve or image+lightcurve: what the score rests on")
    )
    features_verified: bool | None = field(default=None, metadata=_column("bool", _VERIFIED))
    p_without: float | None = field(
        default=None, metadata=_column("float", "p_bogus without the dropped frames")
    )
    n_dropped: int | None = field(default=None, metadata=_column("int", "frames dropped for p_without"))
    kinds: dict[str, float] = field(
        default_factory=dict, metadata=_column("float", "probability that it is an artefact of the kind {}")
    )
    model: str = field(metadata=_column("text", "model folder"))
    blamed: tuple[EpochContribution, ...] = ()

    def plot(self, data: CutoutStore | Path | str = "data/cutouts") -> Figure:
        """Draw the light curve, the epochs that the prediction blames in red, over a strip of the worst frames.

        Frames are blamed where the prediction was made with ``explain=True``.

        Parameters
        ----------
        data : path
            The cutout store that holds the object.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        DataError
            If the store lacks the object.
        UsageError
            If matplotlib is not installed, or there is no such store.
        """
        store = open_cutouts(data) if isinstance(data, Path | str) else data
        if self.oid not in store:
            raise DataError(f"{store.folder} does not hold {self.oid}.", "Fetch it: rbztf fetch OID.")
        return store[self.oid].plot(
            blames_of(self.blamed),
            in_words(
                self.decision or self.input_check or "", self.p_bogus, self.p_low, self.p_high, self.kinds
            ),
        )


@dataclass(frozen=True, repr=False)
class PredictResult:
    """Predictions in the order asked for, and what could not be predicted."""

    model: str
    objects: tuple[Prediction, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    cutouts: Path | None = None
    """Where the objects' cutouts are, if any were read."""

    def plot(self, oid: int | None = None) -> Figure:
        """Draw one object, see :meth:`Prediction.plot`; the first if none is named.

        Raises
        ------
        DataError
            If it was not scored, or its cutouts are not at hand.
        """
        found = [entry for entry in self.objects if oid is None or entry.oid == int(oid)]
        if not found:
            raise DataError(
                f"There is no prediction of {oid if oid is not None else 'any object'}.", "Predict it."
            )
        return found[0].plot(self.cutouts or "data/cutouts")

    def to_json(self) -> dict[str, Any]:
        """As printed by ``predict --json``."""
        return {
            "model": self.model,
            "objects": [asdict(prediction) for prediction in self.objects],
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
        }

    def to_table(self) -> Table:
        """An :class:`astropy.table.Table`, one row an object, with units and descriptions."""
        return astropy_table(self.columns(), self.rows(), {"model": self.model})

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas data frame, one row an object.

        Raises
        ------
        UsageError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas() needs pandas.", "Install it: pip install pandas.") from None
        return pandas.DataFrame(self.rows(), columns=[column.name for column in self.columns()])

    def _repr_html_(self) -> str:
        return html(self.model, self.objects, self.problems, self.warnings)

    def __repr__(self) -> str:
        lines = [f"{counted(len(self.objects), 'object')} scored by {self.model}"]
        for entry in self.objects[:SHOWN]:
            low, high = (f"{p:.2f}" if p is not None else "?" for p in (entry.p_low, entry.p_high))
            lines.append(
                f"  {entry.oid}  {entry.p_bogus:.3f} ({low} to {high})  {entry.decision or entry.input_check}  {entry.inputs}"
            )
        if len(self.objects) > SHOWN:
            lines.append(f"  … and {len(self.objects) - SHOWN} more")
        lines += [
            f"{len(part)} {name}"
            for name, part in (("problems", self.problems), ("warnings", self.warnings))
            if part
        ]
        return "\n".join(lines)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Artefact kinds that have a column: all of this version, then others that the model knows."""
        known = (kind for prediction in self.objects for kind in prediction.kinds)
        return tuple(dict.fromkeys((*ARTEFACT_KINDS, *known)))

    def columns(self) -> list[Column]:
        """The columns of a table of predictions."""
        return [column for column, _, _ in described(self.kinds)]

    def rows(self) -> list[list[Cell]]:
        """One row an object, one cell for each of :meth:`columns`."""
        places = [(name, kind) for _, name, kind in described(self.kinds)]
        return [
            [entry.kinds.get(kind) if kind else getattr(entry, name) for name, kind in places]
            for entry in self.objects
        ]


def described(kinds: Sequence[str]) -> Iterator[tuple[Column, str, str]]:
    """Each column of a table of predictions, the field it is from and, of ``kinds``, the kind."""
    for entry in fields(Prediction):
        if not entry.metadata:
            continue
        facts = dict(entry.metadata)
        for kind in kinds if entry.name == "kinds" else ("",):
            told = facts | {"description": facts["description"].format(kind)}
            yield Column(name=f"p_{kind}" if kind else entry.name, **told), entry.name, kind


def check_ending(path: Path) -> None:
    """Refuse a file whose ending names no format, before work is spent on it.

    Raises
    ------
    UsageError
        For another ending, or Parquet without pyarrow.
    """
    check_table_ending(path, ".json")


def write_predictions(path: Path, result: PredictResult) -> None:
    """Write predictions as JSON or as a table, by the file's ending; the file appears whole or not at all.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    """
    if path.suffix == ".json":
        write_text(path, json_text(result.to_json()))
    else:
        check_ending(path)
        write_table(path, result.columns(), result.rows(), {"model": result.model})


def predictions_csv(result: PredictResult) -> str:
    """The table of predictions as CSV text."""
    return csv_text(result.columns(), result.rows())


def write_mask(path: Path, result: PredictResult) -> None:
    """Write the frames of the objects as a table, in time order: what each contributes, 1 where it is to be dropped.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    """
    write_table(path, MASK_COLUMNS, mask_rows(result), {"model": result.model})


def mask_rows(result: PredictResult) -> list[list[Cell]]:
    """One row a frame, one cell for each of :data:`MASK_COLUMNS`."""
    return [row for entry in result.objects for row in epoch_rows(entry.oid, entry.blamed)]


def epoch_rows(oid: int, blamed: Iterable[EpochContribution]) -> list[list[Cell]]:
    """As :func:`mask_rows`, of one object."""
    return [
        [oid, each.frame, each.mjd, each.hjd, _exposure(each), each.share, int(each.dropped)]
        for each in sorted(blamed, key=lambda each: each.frame)
    ]


def _exposure(epoch: EpochContribution) -> int | None:
    return epoch.filefracday if epoch.filefracday >= 0 else None
