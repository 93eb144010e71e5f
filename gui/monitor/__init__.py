"""The monitor window."""
