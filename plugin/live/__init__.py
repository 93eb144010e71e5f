"""The event loop: worker, collector and what they exchange."""
