"""Predictions as CSV, JSON or Parquet, by the file's ending."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbztf.errors import UsageError
from rbztf.sky import ARTEFACT_KINDS

if TYPE_CHECKING:
    from rbztf.verbs.predict import PredictResult

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
    UsageError
        If it cannot be written.
    """
    check_ending(path)
    if path.suffix == ".parquet":
        _write(path, lambda part: _write_parquet(part, result))
    else:
        text = predictions_csv(result) if path.suffix == ".csv" else json_text(result.to_json())
        _write(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_mask(path: Path, result: PredictResult) -> None:
    """Write :func:`mask_csv`; the file appears whole or not at all.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    text = mask_csv(result)
    _write(path, lambda part: part.write_text(text, encoding="utf-8"))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}).", "Choose another place.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def json_text(content: Any) -> str:
    """Indented JSON; NaN and infinity, for which JSON has no name, become null."""
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


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
