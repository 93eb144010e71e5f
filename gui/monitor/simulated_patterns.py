"""Invented diffraction patterns that look like the classes they stand for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SIDE = 96
BEAM_STOP_RADIUS = 4.5
GAP_ROWS = slice(58, 60)

Pattern = npt.NDArray[np.float32]
Grid = npt.NDArray[np.float64]


def draw_pattern(name: str, random: np.random.Generator) -> Pattern:
    """One noisy pattern of a class, photons per pixel, NaN where masked.

    Parameters
    ----------
    name : str
        One of the usual classes; any other gives scattered background.
    random : numpy.random.Generator
        Source of size, shape and noise.
    """
    mean = {
        "single-hit": _single,
        "multi-hit": _multiple,
        "non-sample-hit": _streak,
        "unknown": _unclear,
    }.get(name, _background)(random)
    pattern: Pattern = random.poisson(np.minimum(mean, 2000.0)).astype(np.float32)
    x, y = _axes()
    pattern[np.hypot(x, y) < BEAM_STOP_RADIUS] = np.nan
    pattern[GAP_ROWS] = np.nan
    return pattern


def _axes() -> tuple[Grid, Grid]:
    """Distances from the beam in pixels."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return x, y


def _amplitude(size: float, lobes: float, turn: float) -> Grid:
    """Scattered amplitude of a sphere whose outline has six corners."""
    x, y = _axes()
    corners = 1 + lobes * np.cos(6 * (np.arctan2(y, x) - turn))
    s = np.maximum(size * np.hypot(x, y) * corners, 1e-6)
    amplitude: Grid = 3 * (np.sin(s) - s * np.cos(s)) / s**3
    return amplitude


def _single(random: np.random.Generator) -> Grid:
    amplitude = _amplitude(
        random.uniform(0.22, 0.34), random.uniform(0.03, 0.1), random.uniform(0, 1)
    )
    return random.lognormal(6.6, 0.5) * amplitude**2


def _multiple(random: np.random.Generator) -> Grid:
    """Two particles side by side: the pattern of one, striped by the other."""
    x, y = _axes()
    turn, apart = random.uniform(0, np.pi), random.uniform(0.5, 1.1)
    phase = apart * (x * np.cos(turn) + y * np.sin(turn))
    first = _amplitude(random.uniform(0.22, 0.34), 0.05, turn)
    second = _amplitude(random.uniform(0.22, 0.34), 0.05, turn + 0.4)
    both = first + second * np.exp(1j * phase)
    pattern: Grid = random.lognormal(6.0, 0.5) * np.abs(both) ** 2
    return pattern


def _streak(random: np.random.Generator) -> Grid:
    """Edge of the jet or a large drop: a narrow streak through the beam."""
    x, y = _axes()
    turn = random.normal(0, 0.25)
    along = x * np.cos(turn) + y * np.sin(turn)
    across = y * np.cos(turn) - x * np.sin(turn)
    streak = np.exp(-((across / 1.6) ** 2)) / (1 + np.abs(along) / 7)
    glow = np.exp(-np.hypot(x, y) / 6)
    pattern: Grid = random.lognormal(4.6, 0.4) * (streak + glow)
    return pattern


def _unclear(random: np.random.Generator) -> Grid:
    weak = 0.05 * _single(random) + 0.15 * _streak(random)
    return weak + _background(random)


def _background(random: np.random.Generator) -> Grid:
    x, y = _axes()
    return random.uniform(0.01, 0.04) * (1 + 3 * np.exp(-np.hypot(x, y) / 12))
