"""Simulated single-particle experiments: samples, scattering, detectors, shots."""
