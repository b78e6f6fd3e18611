"""Figures of an attack: how much was tried, how much held, and what broke."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One line of a table.

    Attributes
    ----------
    what : str
        What was attacked.
    by : str
        By what.
    tried, held : int
    broke : Counter of str
        What went wrong, and how often.
    """

    what: str
    by: str
    tried: int = 0
    held: int = 0
    broke: Counter[str] = field(default_factory=Counter)

    def add(self, faults: list[str]) -> None:
        """Count one attack; it held if there are no faults."""
        self.tried += 1
        self.held += not faults
        self.broke.update(faults)


@dataclass
class Part:
    """The figures of one kind of attack.

    Attributes
    ----------
    title : str
    held_means : str
        One sentence.
    figures : list of Figure
    seconds : float
        How long it took.
    memory_mb : float
        Largest resident memory of a process.
    notes : list of str
        What was left out, and why.
    """

    title: str
    held_means: str
    figures: list[Figure] = field(default_factory=list)
    seconds: float = 0.0
    memory_mb: float = 0.0
    notes: list[str] = field(default_factory=list)

    def figure(self, what: str, by: str) -> Figure:
        """The line for this, made when first asked for."""
        for found in self.figures:
            if (found.what, found.by) == (what, by):
                return found
        self.figures.append(Figure(what, by))
        return self.figures[-1]

    @property
    def tried(self) -> int:
        return sum(figure.tried for figure in self.figures)

    @property
    def held(self) -> int:
        return sum(figure.held for figure in self.figures)

    def lines(self) -> list[str]:
        """Markdown."""
        lines = [f"## {self.title}", "", self.held_means, ""]
        lines += ["| what | attacked by | tried | held |", "|---|---|---:|---:|"]
        lines += [f"| {f.what} | {f.by} | {f.tried} | {f.held} |" for f in self.figures]
        lines += [f"| all | | {self.tried} | {self.held} |", ""]
        lines += [f"{note}\n" for note in self.notes]
        broke = [(f, text, n) for f in self.figures for text, n in f.broke.items()]
        if broke:
            lines += ["What broke:", ""]
            lines += [f"- {f.what}, {f.by} ({n} times): {' '.join(text.split())}" for f, text, n in broke]
            lines.append("")
        return lines
