"""``rbztf doubt`` on the command line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import ConfigFile, Json, Labels, Model, Quiet, Set, refuse_without, resolve
from rbztf.cli.screen import Screen, screen
from rbztf.errors import UsageError
from rbztf.wording import counted

if TYPE_CHECKING:
    from rbztf.verbs.doubt import Doubts
    from rbztf.verbs.later_labels import LaterLabels


def doubt(
    context: typer.Context,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            help="Out-of-fold scores: scores.csv of cv; may repeat. Default: those that --model keeps.",
            metavar="CSV",
        ),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--of", help="Which model of the scores; default the first.", metavar="NAME"),
    ] = None,
    model: Model = None,
    labels: Labels = None,
    against: Annotated[
        Path | None, typer.Option(help="A later label file: tell what differs.", metavar="FILE")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV to write; default doubt.csv.", metavar="CSV")] = None,
    number: Annotated[
        int | None,
        typer.Option("--number", "-n", help="Objects to write; default all.", metavar="N", min=1),
    ] = None,
    top: Annotated[int, typer.Option(help="Objects to show on the screen.", metavar="N", min=0)] = 20,
    config: ConfigFile = None,
    set_: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank labelled objects by how strongly scores contradict their label: which labels are wrong?"""
    with screen(as_json, quiet) as show:
        if scores and model is not None:
            raise UsageError("--model has no effect with --scores.", "Leave out one of them.")
        refuse_without(context, "--scores", bool(scores), "of")
        settings = resolve(show, "doubt", config, set_)
        from rbztf.verbs.doubt import DEFAULT_OUT
        from rbztf.verbs.doubt import doubt as run

        made = run(
            scores,
            model=model,
            labels=labels,
            against=against,
            of=of,
            number=number,
            out=out or DEFAULT_OUT,
            config=settings,
        )
        if as_json:
            show.document(made.to_json())
        else:
            _show(show, made, top)
        tell(show, made)
        data = "" if settings.data.cutouts is not None else " --data data/cutouts"
        labelled = f" --labels {shlex.quote(str(labels))}" if labels is not None else ""
        show.say(f"See their frames: rbztf report {shlex.quote(str(made.path))}{data}{labelled}")
        show.finish(warnings=made.warnings)


def _show(show: Screen, made: Doubts, top: int) -> None:
    """The first objects, and those whose label changed later."""
    shown = made.objects[:top]
    if shown:
        rows = [
            [
                str(each.rank),
                str(each.oid),
                each.label,
                f"{each.p_bogus:.3f}",
                f"{each.p_of_label:.3f}",
                "yes" if each.issue else "",
                *([each.later_label] if made.against else []),
                ", ".join(each.tags),
            ]
            for each in shown
        ]
        later = ["later label"] if made.against else []
        columns = ["rank", "oid", "label", "p_bogus", "p of label", "issue", *later, "tags"]
        show.table("Labels that the scores contradict most", columns, rows, left=len(columns))
    if made.against is not None and made.against.changed:
        rows = [
            ["" if each.rank is None else str(each.rank), str(each.oid), each.label, each.later_label]
            for each in made.against.changed[: max(top, 1)]
        ]
        columns = ["rank", "oid", "label", "later label"]
        show.table(f"Labels that {made.against.path} has changed", columns, rows, left=len(columns))


def tell(show: Screen, made: Doubts) -> None:
    """How many labels are doubted, and what a later file changed."""
    wrong = ", ".join(f"{number:.0f} {label}" for label, number in made.n_wrong.items())
    show.say(
        f"{counted(made.n_objects, 'object')}; confident learning takes {counted(made.n_issues, 'label')} for wrong "
        f"(estimated: {wrong}) → {made.path}"
    )
    if made.against is not None:
        tell_later(show, made.against, made.n_objects)


def tell_later(show: Screen, later: LaterLabels, n_objects: int) -> None:
    """What differs, and where the changed labels rank."""
    ranks = [each.rank for each in later.changed if each.rank is not None]
    tags = "" if later.n_tags is None else f", {later.n_tags} have other tags"
    show.say(
        f"{later.path}: of {counted(later.n_shared, 'object')} known before {len(later.changed)} have another label"
        f"{tags}; {counted(later.n_new, 'object')} are new."
    )
    if ranks:
        show.say(f"Ranks of the changed labels: {', '.join(map(str, ranks))} of {n_objects}.")
