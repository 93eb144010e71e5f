"""Frames of a labelled file with a disturbance, reproducible row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from specklenn.core.evaluation.disturbances import Disturbance
from specklenn.core.evaluation.few_shot import Indices
from specklenn.core.evaluation.frame_disturbances import (
    Detector,
    FrameDisturbance,
    Frames,
)
from specklenn.core.evaluation.labelled_file import (
    Expose,
    LabelledFile,
    Patterns,
    as_read,
)
from specklenn.core.preprocess import Preprocessing, Preprocessor

DISTURBANCE_STREAM = 6
"""Keeps disturbances apart from other random numbers of a seed."""


@dataclass(frozen=True, kw_only=True)
class DisturbedFrames:
    """Disturbed shots; called with patterns and rows, as an `Expose` is.

    Parameters
    ----------
    detector : Detector
    disturb : function
    seed : int
        A row has the same random numbers in every disturbance and batch.
    expose : function
        Makes shots of patterns before they are disturbed.
    """

    detector: Detector
    disturb: FrameDisturbance
    seed: int
    expose: Expose = as_read

    def __call__(self, patterns: Patterns, rows: Indices) -> Frames:
        """Return the disturbed shots, (B, H, W) float32, photons per pixel.

        Parameters
        ----------
        patterns : (B, H, W) array
        rows : (B,) int64
            Of the patterns in the file.
        """
        shots = self.expose(patterns, rows)
        # Masked pixels may hold anything; none of it may move out of the mask.
        frames = np.where(self.detector.bad, 0, shots).astype(np.float32)
        randoms = [
            np.random.default_rng([self.seed, DISTURBANCE_STREAM, row])
            for row in rows.tolist()
        ]
        return self.disturb(frames, self.detector, randoms)


def disturbed_exposures(
    file: LabelledFile,
    preprocessing: Preprocessing,
    chosen: Sequence[Disturbance],
    seed: int,
    expose: Expose = as_read,
) -> dict[str, Expose]:
    """Return the disturbances of frames as exposures of a file, by name.

    Parameters
    ----------
    file : LabelledFile
    preprocessing : Preprocessing
        Says which part of the detector the network sees.
    chosen : sequence of Disturbance
    seed : int
    expose : function
        Makes shots of patterns before they are disturbed.

    Raises
    ------
    ConfigError
        If the crop does not fit into the patterns.
    """
    window = Preprocessor(preprocessing, file.shape).window
    detector = Detector(bad=file.bad, window=window)
    return {
        each.name: DisturbedFrames(
            detector=detector, disturb=each.frames, seed=seed, expose=expose
        )
        for each in chosen
        if each.frames is not None
    }
