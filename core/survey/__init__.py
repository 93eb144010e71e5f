"""A look at a run before it is classified: what a careful person would check."""
