"""``rbztf label`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import (
    ConfigFile,
    Embeddings,
    Features,
    Json,
    Labels,
    Quiet,
    Set,
    refuse_idle,
    refuse_without,
    resolve,
)
from rbztf.cli.screen import Screen, screen
from rbztf.errors import UsageError
from rbztf.stores.label_merge import OnConflict
from rbztf.wording import counted

if TYPE_CHECKING:
    from rbztf.verbs.label import LabelQueue, MergedLabels


def label(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Scores of predict --out, or a run folder of cv; with --merge, label files.",
            metavar="SCORES|FILE…",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="CSV to write; default queue.csv, with --merge labels.csv.", metavar="CSV"),
    ] = None,
    labels: Labels = None,
    embeddings: Embeddings = None,
    features: Features = None,
    number: Annotated[
        int, typer.Option("--number", "-n", help="Length of the queue.", metavar="N", min=1)
    ] = 100,
    merge: Annotated[
        bool, typer.Option("--merge", help="Join the label files of several people instead.")
    ] = False,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="Of an object that people label differently, with --merge.")
    ] = OnConflict.LEAVE_OUT,
    config: ConfigFile = None,
    set_: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Queue the objects whose labels teach most, or join labels: rbztf label --merge A.csv B.csv --out labels.csv."""
    with screen(as_json, quiet) as show:
        refuse_without(context, "--merge", merge, "on_conflict")
        if merge:
            refuse_idle(context, "--merge", "files", "out", "on_conflict")
            from rbztf.verbs.label import DEFAULT_LABELS, merge_labels

            merged = merge_labels(files, out=out or DEFAULT_LABELS, on_conflict=on_conflict)
            if as_json:
                show.document(merged.to_json())
            tell_merged(show, merged)
            return
        if len(files) != 1:
            raise UsageError(
                f"{counted(len(files), 'file')} of scores are given.",
                "Give one, or join labels with --merge.",
            )
        settings = resolve(show, "label", config, set_)
        from rbztf.verbs.label import DEFAULT_QUEUE, label_queue

        made = label_queue(
            files[0],
            out=out or DEFAULT_QUEUE,
            labels=labels,
            embeddings=embeddings,
            features=features,
            number=number,
            config=settings,
        )
        if as_json:
            show.document(made.to_json())
        tell_queue(show, made)
        show.finish(made.problems, made.warnings)


def tell_queue(show: Screen, made: LabelQueue) -> None:
    """How long the queue is."""
    show.say(
        f"{len(made.objects)} of {made.n_scored} objects to label, {made.n_labelled} labelled already → {made.path}"
    )


def tell_merged(show: Screen, made: MergedLabels) -> None:
    """Where people agree, and what became of the rest."""
    show.say(
        f"{counted(made.n_objects, 'object')}: people agree on {made.n_agree} and disagree on {made.n_disagree}."
    )
    show.say(f"Labels, without {made.n_left_out} disagreements → {made.path}")
    show.say(f"Disagreements → {made.disagreements}")
