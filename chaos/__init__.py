"""Attacks on rbztf, with figures: kills, lack of everything, two at once, changed bits, hostile answers and files.

``python -m chaos`` (``make chaos``) runs all parts and writes docs/reliability.md.
"""
