"""Figures of trainings, evaluations and autoencoders."""
