"""Triage: light curves of everything, frames of the objects that they leave in doubt."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.errors import UsageError
from rbztf.prediction.result import Prediction, PredictResult
from rbztf.progress import Progress, silent
from rbztf.verbs.predict import predict
from rbztf.wording import counted
from rbztf.ztf import Oid

UNSURE = "unsure"
_BETWEEN = re.compile(r"(?:(?P<low>[0-9.eE+-]+)<)?p(?:<(?P<high>[0-9.eE+-]+))?")
_ABOVE = re.compile(r"p>(?P<low>[0-9.eE+-]+)")
_HELP = "Give a range such as 0.2<p<0.9, p<0.5 or p>0.1; or unsure; or a number: so many objects with the lowest p."


@dataclass(frozen=True)
class FramesFor:
    """Of which objects frames are wanted, by what their light curves say.

    Attributes
    ----------
    text : str
        As it was given.
    choose : callable
        From predictions to whether each is one of them, in their order.
    """

    text: str
    choose: Callable[[Sequence[Prediction]], list[bool]]

    @classmethod
    def parse(cls, text: str) -> FramesFor:
        """``0.2<p<0.9``, ``p<0.5`` or ``p>0.1``; ``unsure``; or a number N: the N with the lowest p_bogus.

        An object without a decision, because it is outside what the model was trained on, counts as unsure.

        Raises
        ------
        UsageError
            For any other text.
        """
        plain = "".join(text.split())
        if plain == UNSURE:
            return cls(text, lambda made: [entry.decision in (UNSURE, None) for entry in made])
        if plain.isdecimal() and int(plain):
            return cls(text, lambda made: _lowest(made, int(plain)))
        match = _BETWEEN.fullmatch(plain) or _ABOVE.fullmatch(plain)
        limits = _limits(match.groupdict()) if match and plain != "p" else None
        if limits is None:
            raise UsageError(f"{text!r} does not say of which objects frames are wanted.", _HELP)
        low, high = limits
        return cls(text, lambda made: [low < entry.p_bogus < high for entry in made])


def _limits(found: dict[str, str | None]) -> tuple[float, float] | None:
    try:
        low, high = float(found.get("low") or -np.inf), float(found.get("high") or np.inf)
    except ValueError:
        return None
    return (low, high) if low < high else None


def _lowest(made: Sequence[Prediction], n: int) -> list[bool]:
    chosen = set(np.argsort([entry.p_bogus for entry in made], kind="stable")[:n].tolist())
    return [place in chosen for place in range(len(made))]


def predict_triaged(
    oids: int | str | Iterable[int | str],
    frames_for: str | FramesFor,
    *,
    parts: Path | None = None,
    progress: Progress = silent,
    **options: Any,
) -> PredictResult:
    """Score objects by their light curves, then by frames too those that ``frames_for`` names.

    Light curves are fetched several objects a request, frames one by one, so most of the requests of a long
    list are saved: docs/scale.md says how many, and at what cost in AUC.

    Parameters
    ----------
    oids : int or iterable of int
    frames_for : str
        See :meth:`FramesFor.parse`.
    parts : path, optional
        As of :func:`rbztf.predict`, for both passes.
    options
        As of :func:`rbztf.predict`.

    Returns
    -------
    PredictResult
        In the order asked for; ``inputs`` says what each score rests on.

    Raises
    ------
    UsageError
        For another ``frames_for``, or a model that does not read both; otherwise as :func:`rbztf.predict`.
    """
    wanted = FramesFor.parse(frames_for) if isinstance(frames_for, str) else frames_for
    places = (parts / "light-curves", parts / "frames") if parts is not None else (None, None)
    asked = list(dict.fromkeys(map(Oid, [oids] if isinstance(oids, int | str) else oids)))
    explained = {"explain": options.pop("explain", False)}
    embeddings = {"embeddings": options.pop("embeddings", None)}
    first = predict(asked, frames=False, parts=places[0], progress=progress, **options)
    chosen = [entry.oid for entry, named in zip(first.objects, wanted.choose(first.objects)) if named]
    told = (
        f"Frames were read of {len(chosen)} of {counted(len(first.objects), 'object')} ({wanted.text}); "
        "the others are scored by their light curves alone."
    )
    if not chosen:
        return replace(first, warnings=(told, *first.warnings))
    second = predict(chosen, parts=places[1], progress=progress, **explained, **embeddings, **options)
    better = {entry.oid: entry for entry in second.objects}
    objects = tuple(better.get(entry.oid, entry) for entry in first.objects)
    problems = tuple(dict.fromkeys((*first.problems, *second.problems)))
    warnings = tuple(dict.fromkeys((told, *second.warnings, *_about_all(first.warnings))))
    return PredictResult(second.model, objects, problems, warnings, second.cutouts)


def _about_all(warnings: Sequence[str]) -> list[str]:
    """Of the warnings of the first pass those that hold whatever the frames say."""
    return [text for text in warnings if "scored from" not in text]
