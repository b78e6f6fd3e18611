"""Predictions of a long list, kept chunk by chunk, so that they can be read early and are never made twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rbztf.errors import InputError, UsageError, reason
from rbztf.files import write_text
from rbztf.prediction.result import EpochContribution, Prediction
from rbztf.textfiles import json_line, json_text, parse_json, read_text

REQUEST = "request.json"
_HELP = "Remove the folder, then run the same command again."


class Parts:
    """A folder beside the output, ``OUT.parts``, with one file of JSON lines a chunk of objects.

    Every file appears whole, so its lines can be read at any time, as by ``pandas.read_json(lines=True)``.

    Parameters
    ----------
    folder : Path
        Made with its first part.
    request : dict
        All that decides a prediction: model, goal, options. Parts of another request are refused.

    Attributes
    ----------
    known : dict of int to Prediction
        What earlier runs of the same request have made.

    Raises
    ------
    UsageError
        If the folder belongs to another request.
    InputError
        If a part is damaged.
    """

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        self.folder = folder
        self.known: dict[int, Prediction] = {}
        self._written = 0
        self._request = json_text(request)
        stamp = folder / REQUEST
        if stamp.is_file() and parse_json(
            read_text(stamp, "The file", _HELP), str(stamp), _HELP
        ) != json.loads(self._request):
            raise UsageError(
                f"{folder} holds predictions by another model or with other options.",
                "Choose another --out, or remove the folder.",
            )
        for path in sorted(folder.glob("*.jsonl")):
            self._written = max(self._written, int(path.stem) + 1) if path.stem.isdigit() else self._written
            for prediction in _read(path):
                self.known[prediction.oid] = prediction

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Keep the predictions of a chunk."""
        if not predictions:
            return
        if not (self.folder / REQUEST).is_file():
            write_text(self.folder / REQUEST, self._request)
        lines = "".join(json_line(asdict(entry)) for entry in predictions)
        write_text(self.folder / f"{self._written:06d}.jsonl", lines)
        self._written += 1


def parts_folder(out: Path) -> Path:
    """Where the parts of ``out`` are kept."""
    return out.with_name(f"{out.name}.parts")


def _read(path: Path) -> list[Prediction]:
    text = read_text(path, "The file", _HELP)
    try:
        return [_prediction(json.loads(line)) for line in text.splitlines()]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({reason(error)}).", _HELP) from None


def _prediction(content: dict[str, Any]) -> Prediction:
    nan = float("nan")
    times = ("mjd", "hjd")
    blamed = tuple(
        EpochContribution(**(epoch | {name: nan for name in times if epoch[name] is None}))
        for epoch in content["blamed"]
    )
    return Prediction(**{**content, "blamed": blamed})
