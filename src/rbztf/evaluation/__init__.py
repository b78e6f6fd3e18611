"""How good a model is: folds, metrics, intervals, cross-validation."""
