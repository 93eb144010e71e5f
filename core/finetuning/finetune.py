"""Fine-tunes a model to labelled shots and validates it on held-out ones.

The network that was started from stays if it makes no error on the held-out shots:
nothing shows then that tuning is needed, and a few labels can spoil a good network
while making it surer of itself. Otherwise the tuned one is kept if it classifies these
shots better, by the mean logarithm of the right class's score, which is finer than a
count of errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from specklenn.core.decision import make_head
from specklenn.core.errors import DataError
from specklenn.core.evaluation.calibration import (
    Reliability,
    fit_temperature,
    log_loss,
    reliability,
)
from specklenn.core.finetuning.labelled_shots import LabelledShots, split
from specklenn.core.finetuning.objective import make_finetuner
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.flags import is_skipped
from specklenn.core.heads.head import ClassScores, Task
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.features import extract_features
from specklenn.core.network.registry import Network
from specklenn.core.preprocess import Preprocessor
from specklenn.core.training.augment import normalise
from specklenn.core.training.trainer import Step

PRIOR_SHOTS = 30
"""The temperature is fitted in its logarithm with weight n / (n + this) for n held-out
shots; the model's own temperature has the rest."""

ACCEPTED = 0.95
"""Share of held-out shots that the suggested limit of distance lets pass."""

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutResult:
    """How a network classifies the held-out shots, the others being supports.

    Parameters
    ----------
    found : ClassScores
        Of n shots.
    codes : (n,) int64
        The right classes.
    temperature : float
        Between the one that fits these shots best and the model's.
    """

    found: ClassScores
    codes: Codes
    temperature: float

    @property
    def accuracy(self) -> float:
        """Share of right labels."""
        return float((self.found.scores.argmax(axis=1) == self.codes).mean())

    @property
    def nll(self) -> float:
        """Mean negative logarithm of the right class's score, nats."""
        return log_loss(self.found.scores, self.codes)

    @property
    def reliability(self) -> Reliability:
        """How often scores of some height are right."""
        return reliability(self.found.scores, self.codes)

    @property
    def suggested_reject_above_distance(self) -> float:
        """Quantile `ACCEPTED` of held-out shots' distances to their nearest class."""
        return float(np.quantile(self.found.distances.min(axis=1), ACCEPTED))


@dataclass(frozen=True, kw_only=True, eq=False)
class FinetunedModel:
    """A model of one experiment.

    Parameters
    ----------
    encoder : network
    before, after : HeldOutResult or None
        Of the network that was started from and of the tuned one; None where nothing
        was held out.
    """

    encoder: Network
    before: HeldOutResult | None
    after: HeldOutResult | None

    @property
    def tuned(self) -> bool:
        """Whether the tuned network is better, or nothing was held out to tell."""
        if self.before is None or self.after is None:
            return True
        return self.before.accuracy < 1 and self.after.nll < self.before.nll

    @property
    def kept(self) -> HeldOutResult | None:
        """That of the network which is kept."""
        return self.after if self.tuned else self.before


class Finetuning:
    """One fine-tuning: what it starts from, its steps, what came out.

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
        If a labelled shot cannot be classified; every one is named.
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
        self._trainer = make_finetuner(
            model.encoder,
            self._settings,
            self._photons[self.trained],
            torch.from_numpy(shots.codes[self.trained]),
            adaptation.tuning,
            adaptation.seed,
        )

    def steps(self) -> Iterator[Step]:
        """Train; gives every step."""
        yield from self._trainer.steps()

    def result(self) -> FinetunedModel:
        """Compare the tuned network with the one it started from."""
        tuned = self._trainer.trained()
        before, after = self._validate(self.model.encoder), self._validate(tuned)
        found = FinetunedModel(encoder=tuned, before=before, after=after)
        return found if found.tuned else replace(found, encoder=self.model.encoder)

    def _binned_photons(self) -> Tensor:
        """Return photons in the network's pixels, NaN where bad."""
        cropped = self.preprocessor.crop(self.shots.frames, self.shots.bad)
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

    def _validate(self, network: Network) -> HeldOutResult | None:
        if len(self.held) == 0:
            return None
        bad = self._photons.isnan()
        photons = self._photons.masked_fill(bad, 0.0)
        inputs = normalise(photons, bad, self._settings)[:, 0].numpy()
        features = extract_features(network.eval(), inputs)
        codes, trained, held = self.shots.codes, self.trained, self.held
        model, classes = self.model, self.shots.classes
        task = Task(
            supports=features[trained], classes=codes[trained], n_classes=len(classes)
        )
        head = make_head(network, classes, model.rule, model.temperature)
        found = head.fit(task)(features[held])
        return HeldOutResult(
            found=found,
            codes=codes[held],
            temperature=self._temperature(found.scores, codes[held]),
        )

    def _temperature(self, scores: npt.NDArray[np.float32], codes: Codes) -> float:
        """Return the fitted temperature, shrunk to the model's, see `PRIOR_SHOTS`."""
        own = self.model.temperature
        fitted = own * fit_temperature(scores, codes)
        share = len(codes) / (len(codes) + PRIOR_SHOTS)
        return float(fitted**share * own ** (1 - share))
