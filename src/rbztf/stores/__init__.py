"""Stores on disk between verbs: cutouts, embeddings, labels, lists of OIDs."""
