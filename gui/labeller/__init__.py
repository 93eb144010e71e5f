"""The labelling window."""
