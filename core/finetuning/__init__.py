"""A model of one experiment, from a few dozen labels of its own shots."""
