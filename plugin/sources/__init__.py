"""Data sources of the facilities, each a thin adapter to the shot protocol."""
