"""What ``rbztf import`` has found, what is missing, and what went wrong with single parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rbztf.errors import Problem, RbztfError, WriteError
from rbztf.wording import counted


@dataclass
class ImportResult:
    """What was found and what is missing.

    Attributes
    ----------
    source : str
    out : Path
    found : dict of str to str
        What was imported, and what it holds.
    missing : list of str
        What the source does not have.
    problems : list of Problem
        What could not be downloaded, or is damaged.
    label_changes : LabelChanges or None
        How SNAD's later export differs from the labels, if both are there.
    """

    source: str
    out: Path
    found: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    label_changes: LabelChanges | None = None

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Go on after the block where ``what`` cannot be had, and say so; a disk that is full ends all."""
        try:
            yield
        except WriteError:
            raise
        except RbztfError as error:
            self.problems.append(Problem(what, str(error)))

    def one(self, folder: Path, ending: str, but: str = "") -> Path | None:
        """The shallowest path below ``folder`` that ends so and is not called ``but``, or None.

        What was imported before does not count.
        """
        found = [path for path in folder.rglob(ending) if path.name != but]
        found = [path for path in found if not path.is_relative_to(self.out)]
        return min(found, key=lambda path: (len(path.parts), path), default=None)

    def to_json(self) -> dict[str, Any]:
        """As printed by ``import --json``."""
        return {
            "source": self.source,
            "out": str(self.out),
            "found": self.found,
            "missing": self.missing,
            "problems": [asdict(problem) for problem in self.problems],
            "label_changes": asdict(self.label_changes) if self.label_changes else None,
        }


@dataclass(frozen=True)
class LabelChanges:
    """How a later export of the knowledge base differs from the labels of the training.

    Attributes
    ----------
    n_objects : int
        In the export.
    n_shared : int
        Of these, objects that have a label of the training.
    n_differ : int
        Of these, objects with another label in the export.
    """

    n_objects: int
    n_shared: int
    n_differ: int

    def __str__(self) -> str:
        return (
            f"{counted(self.n_objects, 'object')}; {self.n_differ} of the {self.n_shared} in labels.json have another "
            "label here (models are trained on labels.json)"
        )
