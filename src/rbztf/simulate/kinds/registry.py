"""All kinds of artefacts by name. A kind is a module of this folder with the constant ``KIND``."""

from __future__ import annotations

from importlib import import_module

from rbztf.simulate.artefacts import ArtefactKind
from rbztf.ztf import FRAME_KINDS

KINDS: dict[str, ArtefactKind] = {
    name: import_module(f"rbztf.simulate.kinds.{name}").KIND for name in FRAME_KINDS
}
"""In the order of :data:`rbztf.ztf.FRAME_KINDS`, by which objects are drawn."""
ACCIDENTS: tuple[str, ...] = tuple(
    sorted((name for name in KINDS if KINDS[name].accident), key=lambda name: KINDS[name].accident)
)
"""Kinds that can spoil a frame of any object, in the order by which they are drawn."""
