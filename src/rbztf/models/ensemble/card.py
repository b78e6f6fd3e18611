"""The model card of an ensemble, in Markdown, from the model alone."""

from __future__ import annotations

from rbztf.models.ensemble.ensemble import Ensemble


def ensemble_card(model: Ensemble) -> str:
    """What the model is, what it was trained on, and the figures of its own training."""
    parts = [
        f"# {model.config.name or 'Ensemble'}: artefact or real variable",
        "\n".join(f"- {key}: {value}" for key, value in model.notes.items()),
        _members(model),
        _combinations(model),
        _features(model),
        "Use: `rbztf predict --model THIS --data CUTOUTS`, or `--embeddings EMBEDDINGS --features CSV`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _members(model: Ensemble) -> str:
    lines = ["## Members", "", "| member | kind | reads | trainings |", "|---|---|---|---|"]
    assert model.config.ensemble is not None
    for name, section in model.config.ensemble.members.items():
        count = len(model.members[name])
        lines.append(f"| {name} | {section.kind} | {' + '.join(section.inputs)} | {count} |")
    return "\n".join(lines)


def _combinations(model: Ensemble) -> str:
    lines = [
        "## What a score rests on",
        "",
        "| object has | weights of the members | AUC on inner folds | objects |",
        "|---|---|---|---|",
    ]
    for have, combination in model.combinations.items():
        weights = ", ".join(f"{n} {w:.2f}" for n, w in zip(combination.members, combination.weights))
        lines.append(
            f"| {' + '.join(have)} | {weights} | {combination.auc:.3f} | {len(combination.labels)} |"
        )
    lines += [
        "",
        "Each object was scored by members not trained on its field; the weights were fitted on those scores, "
        "so the figures flatter a little. `rbztf cv` gives honest ones.",
    ]
    return "\n".join(lines)


def _features(model: Ensemble) -> str:
    if not model.feature_names:
        return ""
    definition = model.definition
    source = definition.source or "unknown (read from a CSV that does not say)"
    span = (
        f", MJD {definition.span_mjd[0]:.1f} to {definition.span_mjd[1]:.1f}" if definition.span_mjd else ""
    )
    flags = f", catflags {definition.catflags}" if definition.catflags is not None else ""
    return f"Light-curve features: {len(model.feature_names)}; definitions: {source}{flags}{span}."
