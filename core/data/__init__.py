"""Shots, the files they lie in, and the detector's area."""
