"""The figures of the article, for tables that set ours beside them.

T. A. Semenikhin (2024), Systems and Means of Informatics 34(1), 70-79; also in the
repository semtim/RB_ZTF. Mean ± spread over five folds of 2,230 objects.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ArticleRow:
    """One classifier of the article."""

    title: str
    roc_auc: str
    accuracy: str
    f1: str


ARTICLE = {
    "baseline": ArticleRow("GRU", "0.84±0.01", "0.78±0.02", "0.79±0.01"),
    "wd_2dir": ArticleRow("BiGRU + L2", "0.86±0.01", "0.80±0.02", "0.80±0.01"),
    "tversky": ArticleRow("GRU + Tversky", "0.84±0.02", "0.79±0.02", "0.79±0.02"),
    "lstm": ArticleRow("LSTM", "0.76±0.04", "0.76±0.03", "0.77±0.02"),
}
"""By the name of the published folder."""
