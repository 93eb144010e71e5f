"""The monitor window: draws what the collector publishes."""
