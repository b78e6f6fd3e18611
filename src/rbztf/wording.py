"""How numbers and their nouns are written in messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 object``, ``2230 objects``, ``0 frames``.

    Parameters
    ----------
    number : int
    noun : str
        In the singular; its plural ends in ``s``.
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
