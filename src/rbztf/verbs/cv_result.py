"""What a cross-validation comes to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rbztf.errors import Problem
from rbztf.evaluation.bootstrap import Estimate
from rbztf.evaluation.summary import Evaluation
from rbztf.figures import notebook


@dataclass(frozen=True)
class CvResult:
    """Evaluations, one a model, and the differences between them."""

    out: Path
    evaluations: tuple[Evaluation, ...]
    comparison: tuple[dict[str, Any], ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Labelled objects that were not used, by reason."""

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for entry in self.evaluations for name in entry.metrics))
        rows = [
            [entry.variant, entry.n_objects, *(_in_words(entry.metrics.get(name)) for name in names)]
            for entry in self.evaluations
        ]
        return notebook.table(
            f"Cross-validation → {self.out}", ("model", "objects", *names), rows, self.warnings
        )

    def to_json(self) -> dict[str, Any]:
        """As printed by ``cv --json``."""
        return {
            "models": [entry.to_json() for entry in self.evaluations],
            "comparison": list(self.comparison),
            "run": str(self.out),
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
            "left_out": dict(self.left_out),
        }


def _in_words(estimate: Estimate | None) -> str | None:
    """A figure of a model with its interval over fields."""
    if estimate is None or not math.isfinite(estimate.pooled):
        return None
    low, high = estimate.pooled_ci95
    span = f" [{low:.3f}, {high:.3f}]" if math.isfinite(low + high) else ""
    return f"{estimate.pooled:.3f}{span}"
