"""A local server that answers as IRSA does."""
