"""The embedding networks and what a weights file holds."""
