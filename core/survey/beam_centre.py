"""The beam's place by the symmetry of the patterns, against the configured one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.preprocess import Preprocessor
from specklenn.core.survey.run_sample import RunSample
from specklenn.core.survey.symmetry import (
    Position,
    correlation_about,
    find_centre,
)

SMALLEST_REACH = 32
"""How far from the configured place the beam is looked for at least, pixels."""

LEAST_CORRELATION = 0.5
MOST_DISAGREEMENT = 1.5
"""Pixels between the places that the two halves of the shots give."""

TOLERANCE = 1.5
"""Pixels that the beam may be off without a word."""


@dataclass(frozen=True, kw_only=True)
class BeamCentre:
    """Where the beam is, by symmetry.

    Parameters
    ----------
    position : (row, column)
        Pixels; pixel k reaches from k to k + 1.
    uncertainty : float
        Half the distance between the places that each half of the shots gives, pixels.
    correlation : float
        Of the pattern with its turn about this place.
    configured : (row, column)
        Middle of the crop.
    configured_correlation : float
        Of the pattern with its turn about the middle of the crop.
    """

    position: Position
    uncertainty: float
    correlation: float
    configured: Position
    configured_correlation: float

    @property
    def off(self) -> float:
        """Distance from the configured place, pixels."""
        return math.dist(self.position, self.configured)

    @property
    def is_off(self) -> bool:
        """Whether the configured place is wrong, beyond doubt."""
        return self.off > max(TOLERANCE, 3 * self.uncertainty)


def beam_centre(sample: RunSample, preprocessor: Preprocessor) -> BeamCentre | None:
    """Return the beam's place, or None where the patterns do not tell it.

    Parameters
    ----------
    sample : RunSample
    preprocessor : Preprocessor
        Whose crop is where the beam should be in the middle.
    """
    crop = preprocessor.settings.crop
    reach = max(SMALLEST_REACH, crop / 6)
    rows, columns = (
        slice(
            max(0, int(part.start - reach)), min(length, math.ceil(part.stop + reach))
        )
        for part, length in zip(preprocessor.window, preprocessor.shape, strict=True)
    )
    middle = tuple(part.start + crop / 2 for part in preprocessor.window)
    expected = (middle[0] - rows.start, middle[1] - columns.start)
    mask = preprocessor.mask[rows, columns]
    halves = [_masked(half[rows, columns], mask) for half in sample.halves]
    whole = halves[0] + halves[1]
    found = find_centre(whole, expected, reach)
    parts = [find_centre(half, expected, reach) for half in halves]
    if found is None or found.correlation < LEAST_CORRELATION:
        return None
    if parts[0] is None or parts[1] is None:
        return None
    apart = math.dist(parts[0].position, parts[1].position)
    if apart > MOST_DISAGREEMENT:
        return None
    row, column = found.position
    return BeamCentre(
        position=(row + rows.start, column + columns.start),
        uncertainty=apart / 2,
        correlation=found.correlation,
        configured=(middle[0], middle[1]),
        configured_correlation=correlation_about(whole, expected),
    )


def _masked(
    picture: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    return np.where(mask, np.float32(np.nan), picture)
