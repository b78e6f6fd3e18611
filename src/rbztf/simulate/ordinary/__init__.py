"""Ordinary objects, which nobody picked: what a data release mostly holds, as light curves and their features."""
