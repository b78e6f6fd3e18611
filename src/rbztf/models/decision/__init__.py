"""From a probability to a decision: thresholds and conformal limits."""
