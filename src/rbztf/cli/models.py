"""``rbztf models`` on the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from rbztf.cli.check import finish_check
from rbztf.cli.options import Json
from rbztf.cli.screen import screen


def models(
    check: Annotated[
        bool, typer.Option("--check", help="Verify them all instead, as rbztf check does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the models that --model can name: shipped, imported, trained here."""
    with screen(as_json) as show:
        from rbztf.models.catalogue import list_models

        entries = list_models()
        if check:
            from rbztf.verbs.check import check as run

            return finish_check(show, [run(entry.path) for entry in entries])
        if as_json:
            show.document({"models": [{**asdict(entry), "path": str(entry.path)} for entry in entries]})
            return
        rows = [
            [
                entry.name,
                entry.origin,
                entry.kind,
                ", ".join(f"{inputs} {auc:.3f}" for inputs, auc in entry.auc.items()),
                str(entry.notes.get("trained on", "")),
            ]
            for entry in entries
        ]
        columns = ["name", "from", "kind", "AUC on inner folds", "trained on"]
        show.table("Models", columns, rows, left=5, prose=True)
        if not any(entry.origin == "imported" for entry in entries):
            show.say("The published models and the full default: rbztf import --train.")
