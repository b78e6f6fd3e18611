"""Predictions as CSV, JSON or Parquet, by the file's ending."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rbztf.errors import Problem, UsageError
from rbztf.files import whole, write_text
from rbztf.textfiles import json_text
from rbztf.ztf import ARTEFACT_KINDS


@dataclass(frozen=True)
class Blamed:
    """An epoch that speaks for bogus.

    Attributes
    ----------
    hjd : float
        Heliocentric Julian date, days; NaN where unknown.
    share : float
        What it adds to the log odds of bogus.
    dropped : bool
        Whether ``p_without`` is without it.
    """

    hjd: float
    share: float
    dropped: bool


@dataclass(frozen=True)
class Prediction:
    """What the model says of one object.

    Attributes
    ----------
    p_bogus, p_low, p_high : float
        Calibrated probability and its 95 % interval (None unless the model can tell).
    decision : str
        ``real``, ``bogus`` or ``unsure``.
    threshold : float
        Probability from which it is called bogus.
    n_frames, n_missing : int
    model : str
    inputs : str
        What the score rests on: ``image``, ``lightcurve``, ``image+lightcurve``.
    features_verified : bool or None
        Whether the light-curve features were made as those of the training; None if none is used.
    kinds : dict of str to float
        Probability that the object is an artefact of each kind.
    blamed : tuple of Blamed
        With ``explain``: frames in falling order of their share.
    p_without, n_dropped
        With ``explain``: score without the dropped frames, and how many they are.
    """

    oid: int
    p_bogus: float
    decision: str
    threshold: float
    n_frames: int
    n_missing: int
    model: str
    p_low: float | None = None
    p_high: float | None = None
    inputs: str = "image"
    features_verified: bool | None = None
    kinds: dict[str, float] = field(default_factory=dict)
    blamed: tuple[Blamed, ...] = ()
    p_without: float | None = None
    n_dropped: int | None = None


@dataclass(frozen=True)
class PredictResult:
    """Predictions in the order asked for, and what could not be predicted."""

    model: str
    objects: tuple[Prediction, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``predict --json``."""
        return {
            "model": self.model,
            "objects": [asdict(prediction) for prediction in self.objects],
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
        }


ENDINGS = (".csv", ".json", ".parquet")
COLUMNS = (
    *("oid", "p_bogus", "p_low", "p_high", "decision", "threshold", "n_frames", "n_missing"),
    *("inputs", "features_verified", "p_without", "n_dropped"),
    *(f"p_{kind}" for kind in ARTEFACT_KINDS),
    "model",
)
MASK_COLUMNS = ("oid", "hjd", "share", "drop")


def check_ending(path: Path) -> None:
    """Refuse a file whose ending names no format, before work is spent on it.

    Raises
    ------
    UsageError
        For another ending, or Parquet without pyarrow.
    """
    if path.suffix not in ENDINGS:
        raise UsageError(f"{path} names no known format.", f"End it in {', '.join(ENDINGS)}.")
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise UsageError(
                f"Writing {path} needs pyarrow.", 'Install it: pip install "rbztf[parquet]".'
            ) from None


def write_predictions(path: Path, result: PredictResult) -> None:
    """Write predictions; the file appears whole or not at all.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    """
    check_ending(path)
    if path.suffix == ".parquet":
        with whole(path) as part:
            _write_parquet(part, result)
    else:
        write_text(path, predictions_csv(result) if path.suffix == ".csv" else json_text(result.to_json()))


def write_mask(path: Path, result: PredictResult) -> None:
    """Write :func:`mask_csv`; the file appears whole or not at all.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    """
    write_text(path, mask_csv(result))


def predictions_csv(result: PredictResult) -> str:
    """The flat columns of the predictions as CSV text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(result))
    return text.getvalue()


def _rows(result: PredictResult) -> list[dict[str, Any]]:
    return [
        {name: getattr(prediction, name) for name in COLUMNS if hasattr(prediction, name)}
        | {f"p_{kind}": prediction.kinds.get(kind) for kind in ARTEFACT_KINDS}
        for prediction in result.objects
    ]


def mask_csv(result: PredictResult) -> str:
    """Every frame of the objects as CSV text: HJD, its share in the verdict, 1 where it is to be dropped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(MASK_COLUMNS)
    for prediction in result.objects:
        for epoch in sorted(prediction.blamed, key=lambda epoch: epoch.hjd):
            hjd = f"{epoch.hjd:.8f}" if math.isfinite(epoch.hjd) else ""
            writer.writerow([prediction.oid, hjd, f"{epoch.share:.6g}", int(epoch.dropped)])
    return text.getvalue()


def _write_parquet(path: Path, result: PredictResult) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"oid": pa.int64(), "n_frames": pa.int64(), "n_missing": pa.int64()}
    kinds |= dict.fromkeys(("decision", "model", "inputs"), pa.string())
    kinds |= {"n_dropped": pa.int64(), "features_verified": pa.bool_()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])
    parquet.write_table(pa.Table.from_pylist(_rows(result), schema), path)
