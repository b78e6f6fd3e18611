"""Which parts of an ensemble are worth a look by themselves."""

from __future__ import annotations

from rbztf.config import EnsembleSection


def ablations(section: EnsembleSection) -> dict[str, tuple[str, ...]]:
    """Parts of an ensemble worth a look: each modality alone, each member alone, all but each."""
    inputs = {name: set(member.inputs) for name, member in section.members.items()}
    names = tuple(inputs)
    parts = {
        f"{modality} only": tuple(name for name in names if inputs[name] == {modality})
        for modality in ("image", "lightcurve")
    }
    parts |= {f"{name} alone": (name,) for name in names}
    parts |= {f"without {name}": tuple(other for other in names if other != name) for name in names}
    return {title: part for title, part in parts.items() if part and part != names}
