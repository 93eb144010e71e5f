"""LCLS: the HDF5 messages of lclstreamer."""
