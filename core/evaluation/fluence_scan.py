"""The same particles at other fluences (Fig. 6 of the paper).

Expected photons are scaled, and jitter, photons and read noise are drawn anew, as
`specklenn.core.simulation` does. A pattern has the same jitter and the same stream
of random numbers at every fluence, so that fluences differ by nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from specklenn.core.data.hdf5_file import open_file
from specklenn.core.errors import DataError
from specklenn.core.evaluation.few_shot import Indices
from specklenn.core.evaluation.labelled_file import (
    Expose,
    LabelledFile,
    Patterns,
    as_read,
)
from specklenn.core.simulation.noise import NO_NOISE, Noise, Readout, draw_jitter

HALF_DECADES = (0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0)
"""The fluences of the paper, in units of the baseline."""

SHOT_STREAM = 5
"""Keeps jitter and photons apart from other random numbers of a seed."""

PROBED = 20
"""Patterns that are looked at to see whether photons were counted already."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Shots at one fluence, made of expected photons; called with patterns and rows.

    Parameters
    ----------
    file : LabelledFile
        Of expected photons; its mask is applied.
    fluence : float
        In units of the baseline.
    made_at : float
        Fluence of the patterns in the file.
    noise : Noise
    seed : int
    """

    file: LabelledFile
    fluence: float
    made_at: float
    noise: Noise
    seed: int

    def __call__(self, patterns: Patterns, rows: Indices) -> npt.NDArray[np.float32]:
        """Return what the detector reads, (B, H, W) float32, photons per pixel.

        Parameters
        ----------
        patterns : (B, H, W) array, expected photons per pixel
        rows : (B,) int64
            Of the patterns in the file: each has its own random numbers.

        Raises
        ------
        DataError
            If a good pixel is negative or not a number.
        """
        bad = self.file.bad
        readout = Readout(self.noise, bad, self.seed)
        shots = np.empty(patterns.shape, np.float32)
        for number, row in enumerate(rows.tolist()):
            expected = np.where(bad, 0, patterns[number]).astype(np.float32)
            if not (expected >= 0).all():
                raise DataError(
                    f"{self.file.path}: pattern {row} is negative or not a number "
                    "somewhere, expected photons needed"
                )
            random = np.random.default_rng([self.seed, SHOT_STREAM, row])
            jitter = draw_jitter(random, self.noise) * self.fluence / self.made_at
            shots[number] = readout.measure(random, expected, jitter)
        return shots


def make_exposures(
    file: LabelledFile, fluences: Sequence[float] | None, noise: Noise, seed: int
) -> dict[float | None, Expose]:
    """Return what is evaluated: patterns as they are, or shots at each fluence.

    Parameters
    ----------
    file : LabelledFile
    fluences : sequence of float or None
        In units of the baseline; those of the paper if empty. None for no scan.
    noise : Noise
    seed : int

    Returns
    -------
    dict of fluence to function
        Without a scan, the only fluence is None.

    Raises
    ------
    DataError
        If there is a scan and the file does not hold expected photons.
    """
    if fluences is None:
        return {None: as_read}
    made_at = fluence_of_expected_photons(file)
    return {
        fluence: Exposure(
            file=file, fluence=fluence, made_at=made_at, noise=noise, seed=seed
        )
        for fluence in fluences or HALF_DECADES
    }


def fluence_of_expected_photons(file: LabelledFile) -> float:
    """Return at which fluence the expected photons in a file are, baseline 1.

    A file of ``specklenn simulate`` says how it was made; any other is taken to be
    at fluence 1 unless its patterns are whole or negative numbers.

    Raises
    ------
    DataError
        If photons were counted already or there is other noise.
    """
    with open_file(file.path) as opened:
        task = opened.attrs.get("task")
    if task is not None:
        return _fluence_of_task(file, str(task))
    probe = file.read(np.arange(min(PROBED, len(file))))[:, ~file.bad]
    if (probe == np.rint(probe)).all():
        raise DataError(_needed(file, "whole numbers of photons"))
    if (probe < 0).any():
        raise DataError(_needed(file, "negative pixels"))
    return 1.0


def _fluence_of_task(file: LabelledFile, task: str) -> float:
    try:
        experiment = json.loads(task)["experiment"]
        noise = Noise.model_validate(experiment["noise"])
        fluence = float(experiment["fluence"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"{file.path}: its attribute task is not of this version: {error}"
        ) from error
    relevant = set(Noise.model_fields) - {"jitter_limits", "hot_photons"}
    clean = NO_NOISE.model_dump()
    wrong = [
        f"{key}: {value}"
        for key, value in noise.model_dump(include=relevant).items()
        if value != clean[key]
    ]
    if wrong:
        raise DataError(_needed(file, f"noise ({', '.join(wrong)})"))
    return fluence


def _needed(file: LabelledFile, found: str) -> str:
    return (
        f"{file.path}: {found} found, expected photons needed to scan the fluence; "
        "simulate with noise: {jitter_shape: 0, shot_noise: false, "
        "read_noise_photons: 0}"
    )
