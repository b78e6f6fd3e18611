"""Evaluation: folds, metrics, intervals, cross-validation."""
