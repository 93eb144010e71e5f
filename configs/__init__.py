"""Ready-made configurations, packaged with the software."""
