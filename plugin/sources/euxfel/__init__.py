"""European XFEL: Karabo bridges, live, and recorded runs with EXtra-data."""
