"""``rbztf demo`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import Json, Quiet
from rbztf.cli.screen import Screen, screen
from rbztf.wording import counted

if TYPE_CHECKING:
    from rbztf.verbs.demo import DemoResult


def demo(
    out: Annotated[Path, typer.Option(help="Where to write.", metavar="DIR")] = Path("demo"),
    objects: Annotated[int, typer.Option(help="Simulated objects.", min=40, metavar="N")] = 120,
    epochs: Annotated[int, typer.Option(help="Epochs of an object, about.", min=10, metavar="N")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    workers: Annotated[
        int, typer.Option(help="Processes of the cross-validation; 0 takes one a core.", min=0)
    ] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulated sky, local archive, then fetch, train-vae, embed, features, train-rnn, cv, predict, report; offline."""
    with screen(as_json, quiet) as show:
        show.say(
            f"Simulating {counted(objects, 'object')} of about {epochs} epochs, served by an archive on this machine …"
        )
        from rbztf.verbs.demo import demo as run

        result = run(
            out,
            n_objects=objects,
            n_epochs=epochs,
            seed=seed,
            device=device,
            workers=workers,
            progress=show.progress,
        )
        if as_json:
            show.document(result.to_json())
        else:
            _show(show, result)
        show.finish(result.predictions.problems, (*result.warnings, *result.predictions.warnings))


def _show(show: Screen, result: DemoResult) -> None:
    rows = [[verb, f"{seconds:.1f} s"] for verb, seconds in result.seconds.items()]
    show.table(
        f"{counted(result.n_objects, 'object')}, {counted(result.n_frames, 'frame')}", ["verb", "time"], rows
    )
    ordered = sorted(result.predictions.objects, key=lambda entry: -entry.p_bogus)
    rows = [
        [
            *(str(p.oid), result.truth[p.oid], f"{p.p_bogus:.3f}", p.decision or "none", str(p.n_frames)),
            f"{p.p_without:.3f} ({p.n_dropped})" if p.p_without is not None else "",
        ]
        for p in ordered
    ]
    columns = ["oid", "truth", "P(bogus)", "decision", "frames", "without (frames dropped)"]
    show.table("Objects the model has not met", columns, rows, left=2)
    area = result.validation.evaluations[0].metrics["roc_auc"]
    rows = [
        ["AUC, cross-validated", f"{area.mean:.3f} [{area.ci95[0]:.3f}, {area.ci95[1]:.3f}]"],
        ["AUC on new objects", f"{result.new_auc:.3f}"],
        ["new objects called rightly", f"{result.new_right:.0%} of {len(ordered)}"],
    ]
    show.table("Against the known truth", ["figure", "value"], rows)
    show.say(f"ROC plot: {result.validation.out / 'roc.png'}")
    show.say(f"Look at the cross-validation: {result.validation_page.url}")
    show.say(f"Look at the new objects: {result.page.url}")
    show.say(f"Go on from there: cd {result.out} && rbztf cv --folds 5")
