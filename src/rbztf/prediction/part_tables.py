"""A table of predictions written in parts, which are kept until all are there, and joined then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.errors import InputError, Problem, UsageError
from rbztf.features.binary_files import places
from rbztf.files import whole, write_text
from rbztf.prediction.parts import REQUEST
from rbztf.prediction.remarks import Tally
from rbztf.prediction.score_table import ScoreTable
from rbztf.tables import Column, csv_text, parquet_schema
from rbztf.textfiles import json_text, parse_json, read_text

ENDINGS = (".parquet", ".csv", ".dat")
NUMBERS = ("p_bogus", "p_low", "p_high")
"""Columns of a binary table; then the decision and the input check, as numbers."""
DECISIONS = {"real": 0.0, "unsure": 0.5, "bogus": 1.0}
CHECKS = {"inside": 0.0, "unusual": 1.0, "outside": 2.0}
_HELP = "Remove the folder, then run the same command again."


class PartTables:
    """The folder ``OUT.parts``: a table and a note for each unit of work, each appearing whole.

    Parameters
    ----------
    out : Path
        Ending in one of :data:`ENDINGS`.
    request : dict
        All that decides the predictions; parts of another request are refused.

    Raises
    ------
    UsageError
        If the folder belongs to another request.
    """

    def __init__(self, out: Path, request: Mapping[str, Any]) -> None:
        self.out, self.folder = out, out.with_name(f"{out.name}.parts")
        stamp, text = self.folder / REQUEST, json_text(request)
        if stamp.is_file():
            if parse_json(read_text(stamp, "The file", _HELP), str(stamp), _HELP) != json.loads(text):
                raise UsageError(
                    f"{self.folder} holds predictions by another model or with other options.",
                    "Choose another --out, or remove the folder.",
                )
        else:
            write_text(stamp, text)

    def note(self, number: int) -> Path:
        """What is known of a unit; it is written last, so a unit that has it is finished."""
        return self.folder / f"{number:06d}.json"

    def table(self, number: int) -> Path:
        """The predictions of a unit."""
        return self.folder / f"{number:06d}{self.out.suffix}"

    def finished(self, number: int) -> bool:
        """Whether a unit is done."""
        return self.note(number).is_file()

    def write(
        self, number: int, tables: Iterable[ScoreTable], tally: Tally, problems: Sequence[Problem]
    ) -> None:
        """Keep the predictions of a unit, and what is known of them when the last table is made."""
        path = self.table(number)
        if path.suffix == ".csv":
            with whole(path, tidy=False) as part, part.open("w", encoding="utf-8", newline="") as stream:
                for table in tables:
                    stream.write(table.csv())
        elif path.suffix == ".parquet":
            from pyarrow import parquet

            with whole(path, tidy=False) as part, ExitStack() as stack:
                writer = None
                for table in tables:
                    made = table.arrow()
                    if writer is None:
                        writer = stack.enter_context(parquet.ParquetWriter(part, made.schema))
                    writer.write_table(made)
        else:
            with whole(path, tidy=False) as part, part.open("wb") as stream:
                for table in tables:
                    stream.write(_binary(table).tobytes())
        write_text(
            self.note(number),
            json_text({"tally": asdict(tally), "problems": [asdict(problem) for problem in problems]}),
        )

    def read_note(self, number: int) -> tuple[Tally, list[Problem]]:
        """What :meth:`write` kept of a unit beside the predictions.

        Raises
        ------
        InputError
            If it is damaged.
        """
        path = self.note(number)
        content = parse_json(read_text(path, "The file", _HELP), str(path), _HELP)
        try:
            tally = Tally(**content["tally"])
            return tally, [Problem(**problem) for problem in content["problems"]]
        except (TypeError, KeyError) as error:
            raise InputError(f"{path} is damaged ({error}).", _HELP) from None

    def join(self, n_units: int, columns: Sequence[Column], meta: Mapping[str, str]) -> None:
        """Write all parts as one table, and remove them.

        Raises
        ------
        WriteError, UsageError
            If it cannot be written.
        """
        parts = [self.table(number) for number in range(n_units)]
        if self.out.suffix == ".csv":
            with whole(self.out) as path, path.open("wb") as stream:
                stream.write(csv_text(columns, []).encode())
                for part in parts:
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, stream, 1 << 20)
        elif self.out.suffix == ".parquet":
            from pyarrow import parquet

            schema = parquet_schema(columns, meta)
            with whole(self.out) as path, parquet.ParquetWriter(path, schema) as writer:
                for part in parts:
                    writer.write_table(parquet.read_table(part).cast(schema))
        else:
            _join_binary(self.out, parts)
        shutil.rmtree(self.folder, ignore_errors=True)


def _binary(table: ScoreTable) -> np.ndarray[Any, np.dtype[Any]]:
    """OID and numbers of each row."""
    values = dict(zip((column.name for column in table.columns), table.values))
    rows = np.empty(table.n, [("oid", "<u8"), ("numbers", "<f4", len(NUMBERS) + 2)])
    rows["oid"] = values["oid"]
    for place, name in enumerate(NUMBERS):
        rows["numbers"][:, place] = values[name]
    for place, (name, codes) in enumerate((("decision", DECISIONS), ("input_check", CHECKS)), len(NUMBERS)):
        known = values[name]
        words = known.tolist() if isinstance(known, np.ndarray) else [known] * table.n
        rows["numbers"][:, place] = [codes.get(str(word), np.nan) for word in words]
    return rows


def _join_binary(out: Path, parts: Sequence[Path]) -> None:
    kind = np.dtype([("oid", "<u8"), ("numbers", "<f4", len(NUMBERS) + 2)])

    def pieces(name: str) -> Iterator[Any]:
        for part in parts:
            if part.stat().st_size:
                yield np.memmap(part, kind, "r")[name]

    sids, table, listed = places(out)
    for target, name in ((sids, "oid"), (table, "numbers")):
        with whole(target) as path, path.open("wb") as stream:
            for piece in pieces(name):
                stream.write(np.ascontiguousarray(piece).tobytes())
    write_text(listed, " ".join((*NUMBERS, "decision", "input_check")) + "\n")


def check_ending(path: Path) -> None:
    """Refuse a file whose ending names no table that is written in parts.

    Raises
    ------
    UsageError
        For another ending, or Parquet without pyarrow.
    """
    if path.suffix not in ENDINGS:
        raise UsageError(
            f"{path} does not end in a format that can be written in parts.",
            f"End it in {', '.join(ENDINGS)}.",
        )
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise UsageError(
                f"Writing {path} needs pyarrow.", 'Install it: pip install "rbztf[parquet]".'
            ) from None
