"""A model of one experiment: as little is tuned as its labels ask for.

Three candidates, the simplest first: the network as it is, with the labels as supports
of its head; its fully connected layers tuned; all of it tuned. Each is cross-fitted
(`specklenn.core.finetuning.cross_fitting`), so that all labels train and all labels
say how good it is. The one that is kept is then trained on all labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from specklenn.core.decision import make_head
from specklenn.core.errors import DataError
from specklenn.core.evaluation.calibration import fit_temperature
from specklenn.core.finetuning.cross_fitting import (
    Choice,
    CrossFitted,
    ScoreRows,
    choose,
    cross_fit,
    improvement,
    stratified_folds,
)
from specklenn.core.finetuning.labelled_shots import LabelledShots
from specklenn.core.finetuning.objective import (
    convolve_all_orientations,
    make_finetuner,
    make_last_layers_finetuner,
)
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.finetuning.yardstick import fit_yardstick
from specklenn.core.flags import is_skipped
from specklenn.core.heads.head import Codes, Features, Task
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.features import extract_features
from specklenn.core.network.registry import Network
from specklenn.core.preprocess import Preprocessor
from specklenn.core.training.augment import normalise
from specklenn.core.training.trainer import Trainer

Tuned = Literal["head alone", "last layers", "everything"]
"""What the labels train, the simplest first."""

TUNED: tuple[Tuned, ...] = get_args(Tuned)

FEWEST_TO_TUNE = 8
"""Labels of the smallest class; of fewer, a network learns them by heart."""

PRIOR_SHOTS = 30
"""A temperature is fitted in its logarithm with weight n / (n + this) for n shots; the
model's own temperature has the rest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FinetunedModel:
    """A model of one experiment.

    Parameters
    ----------
    encoder : network
    temperature : float
        Of its scores.
    candidates : dict of {"head alone", "last layers", "everything"} to CrossFitted
        What was tried, the simplest first; the head alone where labels are few.
    choice : Choice
        Which of them is kept.
    yardstick : CrossFitted
        The same shots by a kernel machine on ring features.
    """

    encoder: Network
    temperature: float
    candidates: Mapping[Tuned, CrossFitted]
    choice: Choice
    yardstick: CrossFitted

    @property
    def kept(self) -> Tuned:
        """What was trained."""
        return tuple(self.candidates)[self.choice.kept]

    @property
    def reasons(self) -> list[str]:
        """Why it was kept, a clause for each comparison."""
        names = tuple(self.candidates)
        if len(names) == 1:
            return [
                f"a class has fewer than {FEWEST_TO_TUNE} labels, too few to tune a "
                "network by"
            ]
        return [
            f"{names[one.candidate]} against {names[one.kept]}: log loss "
            f"{one.gain.words}"
            for one in self.choice.compared
        ]

    @property
    def loses_to_yardstick(self) -> bool:
        """Whether the yardstick is better by more than chance would make."""
        return improvement(self.result, self.yardstick).counts

    @property
    def result(self) -> CrossFitted:
        """That of the candidate which is kept."""
        return self.candidates[self.kept]


class Finetuning:
    """One fine-tuning: labelled shots, and the model that is started from.

    Parameters
    ----------
    adaptation : Adaptation
    shots : LabelledShots
    model : Checkpoint

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
        self._adaptation = adaptation
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
        self.folds = stratified_folds(shots.codes, adaptation.folds, random)

    @property
    def to_try(self) -> tuple[Tuned, ...]:
        """The candidates; few labels are for the head alone."""
        enough = min(self.shots.counts().values()) >= FEWEST_TO_TUNE
        return TUNED if enough else TUNED[:1]

    @property
    def most_steps(self) -> int:
        """Training steps of `run` if a tuned network is kept."""
        tuned = len(self.to_try) - 1
        trainings = len(np.unique(self.folds)) * tuned + min(tuned, 1)
        return trainings * self._adaptation.tuning.steps

    def run(self, on_step: Callable[[], None] = lambda: None) -> FinetunedModel:
        """Cross-fit all candidates and train the one that is kept.

        Parameters
        ----------
        on_step : function
            Called after every training step.

        Raises
        ------
        DataError
            If the loss of a training is not finite.
        """
        codes = self.shots.codes
        tried = {tuned: self._cross_fit(tuned, on_step) for tuned in self.to_try}
        yardstick = cross_fit(fit_yardstick(self._roots, codes), codes, self.folds)
        choice = choose(tuple(tried.values()))
        kept = self.to_try[choice.kept]
        encoder = self._train(kept, np.arange(len(codes)), on_step)
        return FinetunedModel(
            encoder=encoder,
            temperature=self._temperature(tried[kept]),
            choice=choice,
            candidates=tried,
            yardstick=yardstick,
        )

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

    def _cross_fit(self, tuned: Tuned, on_step: Callable[[], None]) -> CrossFitted:
        def fit(rows: Codes) -> ScoreRows:
            network = self._train(tuned, rows, on_step)
            features = self._features(network)
            task = Task(
                supports=features[rows],
                classes=self.shots.codes[rows],
                n_classes=len(self.shots.classes),
            )
            model = self.model
            head = make_head(
                network, self.shots.classes, model.rule, model.temperature
            ).fit(task)
            return lambda queries: head(features[queries])

        return cross_fit(fit, self.shots.codes, self.folds)

    def _train(self, tuned: Tuned, rows: Codes, on_step: Callable[[], None]) -> Network:
        """Return a network, tuned to some of the shots."""
        if tuned == "head alone":
            return self.model.encoder
        trainer = self._trainer(tuned, rows)
        for _ in trainer.steps():
            on_step()
        return trainer.trained()

    def _trainer(self, tuned: Tuned, rows: Codes) -> Trainer:
        codes = torch.from_numpy(self.shots.codes[rows])
        settings, seed = self._adaptation.tuning, self._adaptation.seed
        encoder = self.model.encoder
        if tuned == "last layers":
            convolved = self._convolved[:, rows]
            return make_last_layers_finetuner(encoder, convolved, codes, settings, seed)
        return make_finetuner(
            encoder, self._settings, self._photons[rows], codes, settings, seed
        )

    def _features(self, network: Network) -> Features:
        bad = self._photons.isnan()
        photons = self._photons.masked_fill(bad, 0.0)
        inputs = normalise(photons, bad, self._settings)[:, 0].numpy()
        return extract_features(network.eval(), inputs)

    @cached_property
    def _convolved(self) -> Tensor:
        return convolve_all_orientations(
            self.model.encoder, self._settings, self._photons
        )

    @property
    def _roots(self) -> npt.NDArray[np.float32]:
        roots: npt.NDArray[np.float32] = self._photons.clamp_min(0.0).sqrt().numpy()
        return roots

    def _temperature(self, found: CrossFitted) -> float:
        """Return the fitted temperature, shrunk to the model's, see `PRIOR_SHOTS`.

        The ensemble weighs sharpness by the evidence of its supports: there the
        temperature stays.
        """
        own = self.model.temperature
        if self.model.rule == "ensemble":
            return own
        fitted = own * fit_temperature(found.found.scores, found.codes)
        share = len(found.codes) / (len(found.codes) + PRIOR_SHOTS)
        return float(fitted**share * own ** (1 - share))
