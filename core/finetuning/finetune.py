"""From labelled shots to a model of their experiment, and what it is worth.

The network that was started from stays if it makes no error on the held-out shots:
nothing shows then that tuning is needed, and a few labels can spoil a good network
while making it surer of itself. Otherwise the tuned one is kept if it judges these
shots better, by the mean logarithm of the right class's score, which is finer than a
count of errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from specklenn.core.distances import class_distances
from specklenn.core.errors import DataError
from specklenn.core.evaluation.calibration import (
    Reliability,
    fit_temperature,
    nll,
    reliability,
)
from specklenn.core.finetuning.labelled_shots import LabelledShots, split
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.finetuning.tuner import Step, Tuner
from specklenn.core.flags import is_skipped
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.embed import embed
from specklenn.core.network.prototype_adapter import make_prototype_fn
from specklenn.core.network.registry import Network
from specklenn.core.preprocess import Preprocessor
from specklenn.core.training.augment import normalise

PRIOR_SHOTS = 30
"""Held-out shots that the model's own temperature weighs as much as."""

ACCEPTED = 0.95
"""Share of held-out shots that the suggested limit of distance lets pass."""

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """How a network judges the held-out shots, the others being supports.

    Parameters
    ----------
    distances : (n, classes) float32
    codes : (n,) int64
        The right classes.
    temperature : float
        Between the one that fits these distances best and the model's.
    """

    distances: npt.NDArray[np.float32]
    codes: Codes
    temperature: float

    @property
    def accuracy(self) -> float:
        """Share of right labels."""
        return float((self.distances.argmin(axis=1) == self.codes).mean())

    @property
    def nll(self) -> float:
        """Mean negative logarithm of the right class's score, nats."""
        return nll(self.distances, self.codes, self.temperature)

    @property
    def reliability(self) -> Reliability:
        """How often scores of some height are right."""
        return reliability(self.distances, self.codes, self.temperature)

    @property
    def accepting_distance(self) -> float:
        """Distance to the nearest class below which most held-out shots lie."""
        return float(np.quantile(self.distances.min(axis=1), ACCEPTED))


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapted:
    """A model of one experiment.

    Parameters
    ----------
    encoder : network
    before, after : Judgement or None
        Of the network that was started from and of the tuned one; None where nothing
        was held out.
    """

    encoder: Network
    before: Judgement | None
    after: Judgement | None

    @property
    def tuned(self) -> bool:
        """Whether the tuned network is better, or nothing was held out to tell."""
        if self.before is None or self.after is None:
            return True
        return self.before.accuracy < 1 and self.after.nll < self.before.nll

    @property
    def judgement(self) -> Judgement | None:
        """That of the network which is kept."""
        return self.after if self.tuned else self.before


class Adapting:
    """One adaptation: what it starts from, its steps, what came out.

    Parameters
    ----------
    adaptation : Adaptation
    shots : LabelledShots
    model : Checkpoint
        To start from.

    Raises
    ------
    ConfigError
        If the crop does not fit into the frames, or gives another size than the
        network takes.
    DataError
        If a labelled shot cannot be judged; every one is named.
    """

    def __init__(
        self, adaptation: Adaptation, shots: LabelledShots, model: Checkpoint
    ) -> None:
        self.shots = shots
        self.model = model
        self._settings = adaptation.preprocess.applied_to(model.preprocessing)
        calibration = adaptation.calibration
        self.preprocessor = Preprocessor(
            self._settings,
            (shots.frames.shape[1], shots.frames.shape[2]),
            shots.mask,
            adu_per_photon=calibration.adu_per_photon,
            offset_adu=calibration.offset_adu,
        )
        self._photons = self._binned_photons()
        random = np.random.default_rng([adaptation.seed, 1])
        self.trained, self.held = split(shots.codes, adaptation.held_out, random)
        self._tuner = Tuner(
            model.encoder,
            self._settings,
            self._photons[self.trained],
            torch.from_numpy(shots.codes[self.trained]),
            adaptation.tuning,
            adaptation.seed,
        )

    def steps(self) -> Iterator[Step]:
        """Train; gives every step."""
        yield from self._tuner.steps()

    def result(self) -> Adapted:
        """Compare the tuned network with the one it started from."""
        tuned = self._tuner.network
        before, after = self._judge(self.model.encoder), self._judge(tuned)
        found = Adapted(encoder=tuned, before=before, after=after)
        if found.tuned:
            return found
        return Adapted(encoder=self.model.encoder, before=before, after=after)

    def _binned_photons(self) -> Tensor:
        """Return photons in the network's pixels, NaN where bad."""
        cropped = self.preprocessor.crop(self.shots.frames)
        wrong = np.flatnonzero(is_skipped(cropped.flags))
        if len(wrong):
            raise DataError(
                "\n".join(
                    f"{self.shots.origins[row]}: cannot be used: flat, empty, NaN or "
                    "all masked"
                    for row in wrong
                )
            )
        return torch.from_numpy(self.preprocessor.bin(cropped.photons))

    def _judge(self, network: Network) -> Judgement | None:
        if len(self.held) == 0:
            return None
        bad = self._photons.isnan()
        photons = self._photons.masked_fill(bad, 0.0)
        inputs = normalise(photons, bad, self._settings)[:, 0].numpy()
        vectors = embed(network.eval(), inputs)
        codes, trained, held = self.shots.codes, self.trained, self.held
        distances = class_distances(
            vectors[held],
            vectors[trained],
            codes[trained],
            len(self.shots.classes),
            self.model.rule,
            make_prototype_fn(network.prototype_adapter, self.shots.classes),
        )
        return Judgement(
            distances=distances,
            codes=codes[held],
            temperature=self._temperature(distances, codes[held]),
        )

    def _temperature(self, distances: npt.NDArray[np.float32], codes: Codes) -> float:
        """Return what fits, drawn to the model's own by as much as it is uncertain."""
        fitted, own = fit_temperature(distances, codes), self.model.temperature
        share = len(codes) / (len(codes) + PRIOR_SHOTS)
        return float(fitted**share * own ** (1 - share))
