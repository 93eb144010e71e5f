"""Older methods to compare with: photon counts and spectra."""
