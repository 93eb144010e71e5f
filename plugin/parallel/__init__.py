"""Processes and ranks, and the channels between them."""
