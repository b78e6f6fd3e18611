"""Score objects that a model has not seen: read, score, write the result."""
