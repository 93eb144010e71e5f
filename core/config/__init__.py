"""What a run may be told, and how a configuration is read."""
