"""Labelling of a run: opening it, and its terminal."""
